"""What a policy makes of recorded traffic. Pure: seconds pass in a list.

The requests in flight are those of the record, whatever runs: what a replica cannot
take waits in line. A replica answers `start` seconds after it was wanted, and is gone
at once when it is not; those that came last go first.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from replicas.scaling.policy import Policy, Seen, needs


@dataclass(frozen=True)
class Setting:
    """An endpoint for a replay. start and idle_timeout in seconds; queue: requests
    that may wait in line before one is turned away."""

    minimum: int
    maximum: int
    target: int
    start: int
    idle_timeout: int
    queue: int = 500


@dataclass(frozen=True)
class Moment:
    """What a policy is told: whole seconds since the beginning, and numbers now."""

    now: int
    in_flight: int
    wanted: int
    ready: int


# How many should run from now on.
Scaling = Callable[[Moment], int]


@dataclass(frozen=True)
class Run:
    """Second by second: in flight, wanted, ready, and how many were right."""

    in_flight: tuple[int, ...]
    wanted: tuple[int, ...]
    ready: tuple[int, ...]
    right: tuple[int, ...]
    turned_away: int
    setting: Setting

    @property
    def replica_seconds(self) -> int:
        return sum(self.wanted)

    @property
    def overshoot(self) -> int:
        """The most that were wanted beyond what was right at any time in the minute or
        the idle timeout before: what is still there from a need is none."""
        back = max(60, self.setting.idle_timeout)
        spans = (self.right[max(0, t - back) : t + 1] for t in range(len(self.right)))
        return max(w - max(span) for w, span in zip(self.wanted, spans, strict=True))

    @property
    def flaps(self) -> int:
        """How often a replica went that was wanted again within five minutes."""
        found = 0
        for t in range(1, len(self.wanted)):
            before, now = self.wanted[t - 1], self.wanted[t]
            if now < before and max(self.wanted[t : t + 300]) > now:
                found += 1
        return found

    @property
    def waiting_seconds(self) -> int:
        """Requests beyond what was ready, each for each second."""
        target = self.setting.target
        pairs = zip(self.in_flight, self.ready, strict=True)
        return sum(max(0, open_ - ready * target) for open_, ready in pairs)

    def time_to_right(self, since: int) -> int | None:
        """Seconds from `since` until as many are wanted as are right; None: never."""
        for t in range(since, len(self.wanted)):
            if self.wanted[t] >= self.right[t]:
                return t - since
        return None


def replay(in_flight: Sequence[int], setting: Setting, scaling: Scaling) -> Run:
    """One entry of `in_flight` for each second."""
    born = [-setting.start] * setting.minimum
    wanted_, ready_, turned_away = [], [], 0
    for now, open_ in enumerate(in_flight):
        ready = sum(now - at >= setting.start for at in born)
        turned_away += max(0, open_ - setting.maximum * setting.target - setting.queue)
        count = scaling(Moment(now, open_, len(born), ready))
        count = min(max(count, setting.minimum), setting.maximum)
        born = [*born, *([now] * (count - len(born)))][:count]
        wanted_.append(count)
        ready_.append(sum(now - at >= setting.start for at in born))
    right = tuple(_right(open_, setting) for open_ in in_flight)
    return Run(
        tuple(in_flight), tuple(wanted_), tuple(ready_), right, turned_away, setting
    )


def _right(in_flight: int, setting: Setting) -> int:
    count = needs(in_flight, setting.target)
    return min(max(count, setting.minimum), setting.maximum)


def ours(setting: Setting) -> Scaling:
    """The policy of this package; idle as the scaler says it."""
    policy = Policy()
    used = 0

    def scale(moment: Moment) -> int:
        nonlocal used
        if moment.in_flight or moment.ready < moment.wanted:
            used = moment.now
        seen = Seen(
            in_flight=moment.in_flight,
            wanted=moment.wanted,
            ready=moment.ready,
            minimum=setting.minimum,
            maximum=setting.maximum,
            target=setting.target,
            idle_timeout=setting.idle_timeout,
            idle=moment.now - used >= setting.idle_timeout,
        )
        if not moment.wanted:
            return int(moment.in_flight > 0)  # the ingress knocks
        return policy.look(moment.now, seen).count

    return scale
