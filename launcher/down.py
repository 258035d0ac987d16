"""make down: stop exactly what make up started, in reverse."""

from launcher import isolation, processes
from launcher.config import Config
from launcher.engine import stop_engine
from launcher.replicas import remove_replicas
from launcher.show import say, step
from launcher.supervisor import NAME, AlreadyRunning, only_one

# In the order they start.
SERVICES = ("valkey", "haproxy", "web", "worker", "beat")
# Longer than all services together may take to end.
SUPERVISOR_SECONDS = 90.0
KEPT = "Stopped. Replicas keep running; make up finds them again."


def down(config: Config, *, replicas: bool = False) -> int:
    """Stop it. replicas: remove this installation's containers too, before Docker."""
    found = processes.running(config.pids, NAME)
    if found:
        with step("Stopping beat, worker, web, HAProxy and Valkey"):
            processes.stop(found, SUPERVISOR_SECONDS)
        processes.forget(config.pids, NAME)
    if not config.run.is_dir():
        say("Nothing was running.")
        return 0
    try:
        with only_one(config):
            left = stop_leftovers(config)
            (config.run / "running.json").unlink(missing_ok=True)
            gone = remove_replicas(config) if replicas else None
            isolation.remove_unneeded(config)
            stop_engine(config)
    except AlreadyRunning:
        say("A make up is still preparing. Stop it with Ctrl-C in its terminal.")
        return 1
    if gone is not None:
        stopped = "1 replica was" if gone == 1 else f"{gone} replicas were"
        say(f"{stopped} stopped. Endpoints and volumes are kept.")
    elif not found and not left:
        say("Nothing was running.")
    else:
        say(KEPT)
    return 0


def stop_leftovers(config: Config) -> list[str]:
    """Stop what a supervisor that was killed left behind; their names."""
    left = []
    for name in reversed(SERVICES):
        found = processes.running(config.pids, name)
        if found:
            with step(f"Stopping {name}, left over from before"):
                processes.stop(found, 20)
            left.append(name)
        processes.forget(config.pids, name)
    processes.forget(config.pids, NAME)
    return left
