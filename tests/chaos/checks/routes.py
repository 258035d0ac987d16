"""The ingress leads to the ready replicas, and to nothing else."""

from tests.chaos.checks import Check


class Routes(Check):
    name = "routes equal ready replicas"

    def settled(self, world):
        if world.routes is None:
            return ["the ingress does not answer"]
        wanted = {
            endpoint.name: {r.key for r in world.of(endpoint) if r.state == "ready"}
            for endpoint in world.endpoints
            if not endpoint.deleting
        }
        return [
            f"{name}: leads to {sorted(world.routes.get(name, ()))} in place of"
            f" {sorted(wanted.get(name, ()))}"
            for name in sorted({*wanted, *world.routes})
            if world.routes.get(name, frozenset()) != wanted.get(name, set())
            or name not in wanted
        ]
