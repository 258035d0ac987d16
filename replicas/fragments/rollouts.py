"""Revisions: which one serves, and how far a move to another is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.db.models import F
from django.utils import timezone

from endpoints import diffs
from endpoints.models import Endpoint, Revision
from endpoints.revisions import serving_of
from replicas.hardware import hardware_for
from replicas.models import Replica
from replicas.page.facts import Rollout
from replicas.page.remedies import larger_than
from replicas.page.revisions import (
    RevisionLine,
    Standing,
    chosen,
    deployed,
    lines,
)
from replicas.states import ReplicaState
from templates_app.models import Tier

REVISIONS_SHOWN = 30


def wanted_of(endpoints: Sequence[Endpoint]) -> dict[int, Revision]:
    """The revision each endpoint's wish names, without its container."""
    rows = Revision.objects.filter(
        endpoint_id__in=[e.pk for e in endpoints], number=F("endpoint__revision")
    )
    told = rows.only("endpoint_id", "number", "actor", "created_at", "failed_at", "why")
    return {row.endpoint_id: row for row in told}


def rollouts_of(
    endpoints: Sequence[Endpoint],
    wanted: Mapping[int, Revision],
    alive: Mapping[int, Sequence[Replica]],
) -> dict[int, Rollout]:
    """By endpoint, for those whose replicas do not simply run what is wanted.

    alive: living replicas by endpoint. Two queries when a rollout was stopped.
    """
    given_up = [pk for pk, row in wanted.items() if row.failed_at]
    serving = serving_of(given_up) if given_up else {}
    found = {}
    for endpoint in endpoints:
        if (row := wanted.get(endpoint.pk)) is None:
            continue  # deleted since it was read
        instead = serving.get(endpoint.pk)
        if instead and instead.number != row.number:
            found[endpoint.pk] = Rollout(
                row.number,
                row.pk,
                stopped=True,
                why=row.why,
                serving=instead.number,
            )
        elif way := _moving(endpoint, row, alive.get(endpoint.pk, ())):
            found[endpoint.pk] = way
    return found


def _moving(
    endpoint: Endpoint, wanted: Revision, replicas: Iterable[Replica]
) -> Rollout | None:
    """Some replica still runs another revision."""
    if not endpoint.wanted_count:
        return None
    here = [r for r in replicas if r.state != ReplicaState.STOPPING]
    if all(r.revision_id == wanted.pk for r in here):
        return None
    done = sum(
        r.revision_id == wanted.pk and r.state == ReplicaState.READY for r in here
    )
    return Rollout(wanted.number, wanted.pk, done=done, total=endpoint.wanted_count)


def rollout_of(
    endpoint: Endpoint, alive: Sequence[Replica]
) -> tuple[Revision | None, Rollout | None]:
    """The revision that is wanted, and the move to it or away from it."""
    wanted = wanted_of([endpoint])
    moves = rollouts_of([endpoint], wanted, {endpoint.pk: alive})
    return wanted.get(endpoint.pk), moves.get(endpoint.pk)


def last_to_try(endpoint: Endpoint, rollout: Rollout) -> Replica | None:
    """The replica that failed with the revision that was given up."""
    tried = endpoint.replicas.filter(revision__number=rollout.number)
    rows = tried.exclude(trouble__in=("", "NoHardware")).select_related(
        "revision__tier"
    )
    return rows.prefetch_related("gpus").order_by("-pk").first()


def larger_tier(replicas: Iterable[Replica]) -> Tier | None:
    """Where one that ran out of memory can move: what this installation can give."""
    small = next((r.tier for r in replicas if r.trouble == "OutOfMemory"), None)
    if small is None:
        return None
    tiers = hardware_for(None).tiers
    given = [t.tier for t in tiers if not t.tier.gpus or t.total >= t.tier.gpus]
    return larger_than(small, given)


# --- The page of revisions ------------------------------------------------------------
def revisions_context(
    endpoint: Endpoint, *, before: int | None, old: str, new: str
) -> dict[str, Any]:
    """Newest first, REVISIONS_SHOWN of those below the number `before`.

    old, new: the numbers to compare as they were asked for; "" for the default.
    """
    now = timezone.now()
    everyone = endpoint.revisions.select_related("tier")
    numbers = sorted(endpoint.revisions.values_list("number", flat=True))
    rows = everyone.filter(number__lt=before) if before else everyone
    shown = list(rows[: REVISIONS_SHOWN + 1])
    older = shown.pop() if len(shown) > REVISIONS_SHOWN else None
    pair = chosen(numbers, old, new, shown[0].number if shown else endpoint.revision)
    context: dict[str, Any] = {
        "endpoint": endpoint,
        "now": now,
        "lines": lines(shown, older, _standing(endpoint), now),
        "older": shown[-1].number if older else None,
        "numbers": list(reversed(numbers)),
        "pair": pair,
    }
    if pair:
        sides = {r.number: r for r in everyone.filter(number__in=pair)}
        left, right = (deployed(sides[number]) for number in pair)
        context["changes"] = diffs.between(left, right)
    return context


def revision_lines(endpoint: Endpoint) -> list[tuple[Revision, RevisionLine]]:
    """All of them, newest first."""
    rows = list(endpoint.revisions.select_related("tier"))
    told = lines(rows, None, _standing(endpoint), timezone.now())
    return list(zip(rows, told, strict=True))


def _standing(endpoint: Endpoint) -> Standing:
    _, rollout = rollout_of(endpoint, list(endpoint.replicas.alive()))
    serving = rollout.serving if rollout and rollout.stopped else endpoint.revision
    return Standing(endpoint.revision, serving, rollout)
