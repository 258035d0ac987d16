"""Every story has one beginning and one ending, and is told once."""

from collections import Counter

from endpoints.steps import REASONS, Reason
from tests.chaos.checks import Check

# Told at most once of a start.
_ONCE = (
    Reason.CREATING,
    Reason.STARTED,
    Reason.PROBING_PORT,
    Reason.PORT_ANSWERED,
    Reason.RUNNING,
    Reason.BACKING_OFF,
    Reason.RETRYING,
    Reason.STOPPED_CONTAINER,
    Reason.STOPPED,
)
_ENDS = frozenset(
    {reason for reason, words in REASONS.items() if words.kind == "fail"}
    | {Reason.ENDED}
) - {Reason.ROLLOUT_STOPPED}
# What is told of a replica in this state: one of these.
_WANTED = {
    "ready": (Reason.RUNNING,),
    "failed": _ENDS,
    "stopped": (Reason.STOPPED,),
}


class Timelines(Check):
    name = "every timeline has one beginning and one ending"

    def always(self, world):
        told = Counter((e.replica, e.attempt, e.reason) for e in world.events)
        begun = Counter(e.replica for e in world.events if e.reason == Reason.WAITING)
        ended = Counter(
            (e.replica, e.attempt) for e in world.events if e.reason in _ENDS
        )
        return [
            *(f"replica {r}, start {a}: {reason} is told {count} times"
              for (r, a, reason), count in told.items()
              if count > 1 and reason in _ONCE),
            *(f"replica {r} begins {count} times"
              for r, count in begun.items() if count > 1),
            *(f"replica {r}, start {a} fails {count} times"
              for (r, a), count in ended.items() if count > 1),
        ]  # fmt: skip

    def settled(self, world):
        told = {(e.replica, e.attempt, e.reason) for e in world.events}
        begun = {e.replica for e in world.events if e.reason == Reason.WAITING}
        wrong = [f"replica {r.id} has no beginning" for r in world.replicas
                 if r.id not in begun]  # fmt: skip
        for r in world.replicas:
            wanted = [(r.id, r.attempt, reason) for reason in _WANTED.get(r.state, ())]
            if wanted and told.isdisjoint(wanted):
                wrong.append(
                    f"replica {r.id}, start {r.attempt}: nobody said {r.state}"
                )
        return wrong
