"""What somebody does to containers by hand, and what their programs do."""

from pathlib import Path

from docker.errors import APIError, DockerException
from requests import RequestException

from tests.chaos.faults.missed import Missed
from tests.chaos.kinds import MEMORY_MB

# Seconds in which all memory is used.
_PATIENCE = 5


def _one(stage, which):
    """Of the replicas' containers that run, by name; its id."""
    there = stage.looker_of_faults.containers() or ()
    running = sorted((one for one in there if one.running), key=lambda one: one.name)
    if not running:
        words = "no container runs"
        raise Missed(words)
    return running[which % len(running)].id


def _by_hand(act):
    def strike(stage, which, **rest):
        try:
            act(stage, _one(stage, which), **rest)
        except (DockerException, RequestException) as error:
            words = f"the engine said no: {error}"
            raise Missed(words) from error

    return strike


def _pause(stage, container, seconds):
    stage.client_of_faults.pause(container)
    stage.wait(seconds)
    # The engine may be away just then.
    while not stage.over.is_set():
        try:
            stage.client_of_faults.unpause(container)
        except APIError:
            return  # it was taken away meanwhile
        except RequestException:
            stage.wait(0.5)
        else:
            return


# Many who use little each: the kernel ends the largest first.
_HOGS = f"""
for one in 1 2 3 4 5 6 7 8; do
  busybox dd if=/dev/zero of=/dev/null bs={MEMORY_MB // 4}M count=200 &
done
wait
"""


def _use_up_memory(stage, container):
    """All memory is used, and its server is the first to go."""
    client = stage.client_of_faults
    try:
        for pid in client.top(container)["Processes"]:
            Path(f"/proc/{pid[1]}/oom_score_adj").write_text("1000")
    except OSError as error:
        words = "its server had gone"
        raise Missed(words) from error
    made = client.exec_create(container, ["sh", "-c", _HOGS], stdout=False)
    client.exec_start(made["Id"], detach=True)
    try:
        client.wait(container, timeout=_PATIENCE)
    except RequestException as error:
        words = "its server outlived it"
        raise Missed(words) from error


STRIKES = {
    "container killed": _by_hand(lambda s, c: s.client_of_faults.kill(c)),
    "container removed": _by_hand(
        lambda s, c: s.client_of_faults.remove_container(c, force=True)
    ),
    "container stopped": _by_hand(lambda s, c: s.client_of_faults.stop(c, timeout=2)),
    "container out of memory": _by_hand(_use_up_memory),
    "container paused": _by_hand(_pause),
}
