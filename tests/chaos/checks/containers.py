"""No orphan and no duplicate: each container is a living replica's, and each serving
replica has its one."""

from collections import Counter

from tests.chaos.checks import Check


class Containers(Check):
    name = "no orphan or duplicate container"

    def always(self, world):
        running = Counter(
            (one.endpoint, one.owner[0])
            for one in world.containers or ()
            if one.running
        )
        return [
            f"{endpoint}: replica {replica} has {count} containers that run"
            for (endpoint, replica), count in running.items()
            if count > 1
        ]

    def settled(self, world):
        if world.containers is None:
            return ["the engine does not answer"]
        wanted = {
            (replica.id, replica.attempt)
            for replica in world.alive
            if replica.state == "ready"
        }
        there = [one.owner for one in world.containers if one.running]
        return [
            *(f"{one.name} is nobody's" for one in self._orphans(world)),
            *(f"replica {r} has no container of start {a}"
              for r, a in sorted(wanted - set(there))),
        ]  # fmt: skip

    def _orphans(self, world):
        owners = {(replica.id, replica.attempt) for replica in world.alive}
        return [one for one in world.containers if one.owner not in owners]
