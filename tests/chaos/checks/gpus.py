"""No GPU has two owners, none is held by nobody, and none is idle while one waits."""

from tests.chaos.checks import Check


class Gpus(Check):
    name = "every GPU has one owner, or is free"

    def always(self, world):
        owners = {}
        for one in world.containers or ():
            if one.running:
                for uuid in one.gpus:
                    owners.setdefault(uuid, []).append(one.name)
        held = [gpu.replica for gpu in world.gpus if gpu.replica is not None]
        return [
            *(f"{uuid} is given to {names}"
              for uuid, names in owners.items() if len(names) > 1),
            *(f"replica {replica.id} is {replica.state} and holds"
              f" {held.count(replica.id)} of {replica.gpus_needed} GPUs"
              for replica in world.alive
              # One that never got any may be stopping, too.
              if replica.state != "stopping"
              and held.count(replica.id) != _due(replica)),
        ]  # fmt: skip

    def settled(self, world):
        alive = {replica.id for replica in world.alive}
        free = [gpu for gpu in world.gpus if gpu.replica is None and gpu.present]
        line = sorted(
            (r for r in world.alive if r.state == "waiting"), key=lambda r: r.id
        )
        idle = line and len(free) >= line[0].gpus_needed
        return [
            *(f"{gpu.uuid} is held by replica {gpu.replica}, which is no more"
              for gpu in world.gpus
              if gpu.replica is not None and gpu.replica not in alive),
            *(f"{gpu.uuid} is called lost" for gpu in world.gpus if not gpu.present),
            *([f"{len(free)} GPUs are free while replica {line[0].id} waits"]
              if idle else []),
        ]  # fmt: skip


def _due(replica):
    return 0 if replica.state == "waiting" else replica.gpus_needed
