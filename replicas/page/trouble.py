"""What is said of a replica or a revision that failed, and what can be done."""

from __future__ import annotations

from replicas.page.facts import Facts, Rollout, Seen
from replicas.page.remedies import Act, address, edit, remedy
from replicas.page.telling import LOGS, Readout, post, present, ready_of, warm
from replicas.page.words import Sentence, lasting, left, say
from replicas.states import ReplicaState


def failed(facts: Facts, seen: Seen) -> Readout:
    alone = len(facts.replicas) == 1
    name = "The replica" if alone else seen.name
    why = seen.why or "It gave no reason."
    ended = seen.replica.trouble == "Ended"
    return Readout(
        "failed",
        ready_of(facts, seen.trouble or "Failed"),
        f"{name} ended" if ended else f"{name} failed",
        say(f"{why} ", *next_try(facts, seen)),
        failed_acts(facts, seen),
        seen,
        answering=bool(facts.of(ReplicaState.READY)),
        tail=seen.tail,
    )


def failed_acts(facts: Facts, seen: Seen) -> tuple[Act, ...]:
    """What helps first, then the logs, then not waiting for the next try."""
    again = None
    if seen.state is ReplicaState.FAILED:
        again = post(
            "try_now", "Try now", "rotate-cw", facts.endpoint, replica=seen.replica.pk
        )
    return present((remedy(seen.case(facts.larger), facts.endpoint), LOGS, again))


def next_try(facts: Facts, seen: Seen) -> Sentence:
    """ "Restart 3 follows in 40 s."; counts down in the browser."""
    replica = seen.replica
    if replica.retry_at is None:
        return say("The logs show what it was doing.")
    restart = f"Restart {max(replica.failures, 1)} follows"
    if replica.retry_at <= facts.now:
        return say(f"{restart} now.")
    return say(f"{restart} in ", left(replica.retry_at, facts.now), ".")


def stopped_rollout(facts: Facts, rollout: Rollout) -> Readout:
    """The wanted revision was given up; the one that ran before serves, or will once
    a request wakes it."""
    endpoint, tried = facts.endpoint, rollout.failed
    answering = bool(facts.of(ReplicaState.READY))
    state, keeps = "starting", "serves in its place"
    if answering:
        state, keeps = "ready", "keeps serving"
    elif not endpoint.wanted_count:
        state = "stopping" if facts.replicas else "slot"
        keeps = "will serve in its place"
    asleep = state == "slot"
    fix = remedy(tried.case(facts.larger), endpoint) if tried else None
    return Readout(
        state,
        f"Revision {rollout.number} failed",
        f"Revision {rollout.number} did not become ready",
        say(f"Revision {rollout.serving} {keeps}. {rollout.why}".rstrip()),
        present(
            (
                fix,
                edit(endpoint) if not fix or fix.key != "edit" else None,
                post(
                    "roll_back",
                    f"Roll back to revision {rollout.serving}",
                    "chevron-left",
                    endpoint,
                    revision=rollout.serving,
                ),
                post("try_again", "Try again", "rotate-cw", endpoint),
                post("wake", "Wake now", "power", endpoint) if asleep else None,
                warm(endpoint) if asleep else None,
                timeline_of(tried) if tried else None,
            )
        ),
        answering=answering,
        tail=tried.tail if tried else (),
        kind="fail",
    )


def timeline_of(seen: Seen) -> Act:
    """Opens the dialog of that replica."""
    to = address("replicas:replica", seen.replica.endpoint.name, seen.replica.pk)
    words = f"What {seen.name} did"
    pk = str(seen.replica.pk)
    return Act("timeline", words, "info", "dialog", to, seen.name, pk)


def unhealthy(facts: Facts, seen: Seen) -> Readout:
    what = seen.spec.health_path or f"Port {seen.spec.port}"
    quiet = seen.replica.silent_since or seen.replica.since
    sentence = say(
        f"{what} has not answered for ",
        lasting(quiet, facts.now),
        ". It gets no traffic until it does.",
    )
    if seen.why:
        sentence = say(f"{seen.why} It gets no traffic until it does.")
    alone = len(facts.replicas) == 1
    return Readout(
        "unhealthy",
        ready_of(facts, "Not answering"),
        "Running, but not answering"
        if alone
        else f"{seen.name} is running, but not answering",
        sentence,
        (
            LOGS,
            post(
                "restart",
                "Restart replica",
                "rotate-cw",
                facts.endpoint,
                replica=seen.replica.pk,
            ),
        ),
        seen,
        answering=bool(facts.of(ReplicaState.READY)),
    )
