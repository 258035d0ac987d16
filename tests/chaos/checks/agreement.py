"""Wish and world agree: each endpoint has the replicas that it should have."""

from tests.chaos.checks import Check

# The longest back-off, and the seconds that a timer may be late.
_BACK_OFF, _LATE = 300, 20


class Agreement(Check):
    name = "wish and world agree"

    def settled(self, world):
        return [
            f"{endpoint.name}: {what}"
            for endpoint in world.endpoints
            for what in self._of(world, endpoint)
        ]

    def _of(self, world, endpoint):
        if endpoint.deleting:
            yield "is still being deleted"
            return
        replicas = world.of(endpoint)
        newest = max((replica.revision for replica in replicas), default=0)
        stale = [r for r in replicas if r.retire or r.revision != newest]
        # One that stands in line in place of others leaves them in service.
        coming = [r for r in replicas if r not in stale and r.state == "waiting"]
        spare = len(coming) if stale else 0
        if not endpoint.wanted <= len(replicas) <= endpoint.wanted + spare:
            yield f"has {len(replicas)} replicas in place of {endpoint.wanted}"
        if stale and not coming:
            yield f"{len(stale)} replicas are still to be replaced"
        for replica in replicas:
            if not rests(replica, world.now):
                yield f"replica {replica.number} is {replica.state}"
        ready = sum(replica.state == "ready" for replica in replicas)
        if endpoint.ready_count != ready:
            yield f"says that {endpoint.ready_count} are ready, but {ready} are"
        if endpoint.observed_revision != endpoint.revision:
            yield "has a change that nobody looked at"


def rests(replica, now):
    """Whether nothing more is to be done for it now.

    One that failed rests as long as its back-off says, and no longer.
    """
    if replica.state == "waiting":
        return replica.gpus_needed > 0 and replica.trouble == "NoHardware"
    if replica.state == "failed" and replica.retry_at is not None:
        return -_LATE < replica.retry_at - now <= _BACK_OFF
    return replica.state == "ready"
