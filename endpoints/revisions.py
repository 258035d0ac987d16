"""Numbered containers of an endpoint: made by a change, gone back to in one step.

The wish names one revision. While it cannot become ready, the one that ran in full last
serves in its place (`serving`), so that a broken change takes nothing down.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.db import transaction
from django.db.models import F, Max, Q
from django.utils import timezone

from endpoints import signals, timeline
from endpoints.holding import held, hold
from endpoints.models import Endpoint, Revision
from endpoints.steps import Reason


class NoSuchRevision(Exception):
    """The endpoint never had a revision of this number."""


def begin(endpoint: Endpoint, actor: str) -> Revision:
    """Write down the endpoint's container as its newest revision, and want it.

    Sets `endpoint.revision`; the caller saves the row in the same transaction.
    """
    endpoint.revision = next_number(endpoint)
    return Revision.objects.create(
        endpoint=endpoint,
        number=endpoint.revision,
        spec=endpoint.spec,
        tier=endpoint.tier,
        actor=actor,
    )


def next_number(endpoint: Endpoint) -> int:
    """The number that `begin` would give."""
    last = endpoint.revisions.aggregate(last=Max("number"))["last"] or 0
    return int(last) + 1


def wanted(endpoint: Endpoint) -> Revision:
    """The revision the wish names."""
    return endpoint.revisions.select_related("tier").get(number=endpoint.revision)


@dataclass(frozen=True)
class Serving:
    """The revision an endpoint's replicas should run now.

    pk, number: its own. settled: whether it once ran in full. fallback: number of the
    one that would serve if it cannot become ready; None when there is none.
    """

    pk: int
    number: int
    settled: bool
    fallback: int | None


def serving(endpoint: Endpoint) -> Serving:
    return serving_of([endpoint.pk])[endpoint.pk]


def serving_of(endpoint_ids: Iterable[int]) -> dict[int, Serving]:
    """By endpoint: the wanted revision, or, when that one failed, the one that ran in
    full last. Two queries at most."""
    asked = Revision.objects.filter(
        endpoint_id__in=endpoint_ids, number=F("endpoint__revision")
    ).defer("spec")
    open_ones = [r.endpoint_id for r in asked if r.settled_at is None or r.failed_at]
    others: dict[int, Revision] = {}
    if open_ones:
        rows = Revision.objects.filter(endpoint_id__in=open_ones).settled()
        for row in rows.exclude(number=F("endpoint__revision")).defer("spec"):
            others.setdefault(row.endpoint_id, row)
    return {r.endpoint_id: _serving(r, others.get(r.endpoint_id)) for r in asked}


def _serving(asked: Revision, other: Revision | None) -> Serving:
    if asked.failed_at is not None and other is not None:
        return Serving(other.pk, other.number, settled=True, fallback=None)
    fallback = other.number if other else None
    return Serving(asked.pk, asked.number, asked.settled_at is not None, fallback)


def beside(endpoints: Iterable[Endpoint]) -> Q:
    """Picks the revisions that serve, or would after a failure, where another one is
    wanted. Two queries at most, and one term for each number, not for each endpoint."""
    wanted_ones = {endpoint.pk: endpoint.revision for endpoint in endpoints}
    by_number: dict[int, list[int]] = {}
    for pk, now in serving_of(wanted_ones).items():
        for number in (now.number, now.fallback):
            if number is not None and number != wanted_ones[pk]:
                by_number.setdefault(number, []).append(pk)
    found = Q(pk__in=())
    for number, pks in by_number.items():
        found |= Q(number=number, endpoint_id__in=pks)
    return found


def roll_back(endpoint: Endpoint, number: int, actor: str) -> bool:
    """Want an earlier (or later) revision again. False when it is wanted already.

    Replicas that run it stay as they are. Raises NoSuchRevision.
    """
    with held(endpoint) as row:
        if row.revision == number:
            return False
        found = row.revisions.filter(number=number).first()
        if found is None:
            raise NoSuchRevision(number)
        last = row.revisions.settled().first()
        if last is not None and last != found:
            # It has to prove itself once more, with the one that ran last behind it.
            row.revisions.filter(pk=found.pk).update(settled_at=None)
        row.spec, row.tier_id, row.revision = found.spec, found.tier_id, number
        row.save(update_fields=["spec", "tier", "revision"])
        _clear(found)
        timeline.record(row, Reason.ROLLED_BACK, actor=actor, data={"revision": number})
        signals.announce(row.pk)
    return True


def try_again(endpoint: Endpoint, actor: str) -> bool:
    """Give the wanted revision another chance. False when it did not fail."""
    with held(endpoint) as row:
        if not _clear(wanted(row)):
            return False
        timeline.record(
            row, Reason.TRIED_AGAIN, actor=actor, data={"revision": row.revision}
        )
        signals.announce(row.pk)
    return True


def stop(revision: Revision, serving: int, why: str) -> bool:
    """It could not become ready; revision `serving` does instead. For the reconciler.

    False when that is known.
    """
    with transaction.atomic():
        hold(Endpoint.objects.filter(pk=revision.endpoint_id))
        rows = Revision.objects.filter(pk=revision.pk, failed_at=None)
        if not rows.update(failed_at=timezone.now(), why=why):
            return False
        timeline.record(
            revision.endpoint,
            Reason.ROLLOUT_STOPPED,
            f"{why} Revision {serving} keeps serving.".strip(),
            data={"revision": revision.number, "serving": serving},
        )
    return True


def settle(revision: Revision) -> bool:
    """All wanted replicas run it. False when that was so before. For the reconciler."""
    with transaction.atomic():
        hold(Endpoint.objects.filter(pk=revision.endpoint_id))
        rows = Revision.objects.filter(pk=revision.pk, settled_at=None)
        if not rows.update(settled_at=timezone.now()):
            return False
        if revision.number > 1:
            timeline.record(
                revision.endpoint,
                Reason.ROLLED_OUT,
                data={"revision": revision.number},
            )
    return True


def _clear(revision: Revision) -> bool:
    rows = Revision.objects.filter(pk=revision.pk).exclude(failed_at=None)
    return bool(rows.update(failed_at=None, why=""))
