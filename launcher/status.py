"""make status: what runs and what it uses."""

import json
import shutil
from dataclasses import asdict, dataclass

from launcher import isolation, processes
from launcher.config import Config
from launcher.down import SERVICES
from launcher.engine import Answer, ping
from launcher.show import say, span
from launcher.up import LEAST_DISK

NAMES = ("supervisor", *SERVICES, "dockerd")


@dataclass(frozen=True)
class Row:
    name: str
    pid: int
    memory_bytes: int
    cpu_seconds: float
    age_seconds: float


def status(config: Config, *, as_json: bool = False) -> int:
    """0 when the supervisor runs, else 3."""
    rows = [row for name in NAMES if (row := look(config, name))]
    total = sum(row.memory_bytes for row in rows if row.name != "dockerd")
    if as_json:
        found = [asdict(row) for row in rows]
        fenced = isolation.noted(config).get("fenced")
        told = {"processes": found, "memory_bytes": total, "fenced": fenced}
        say(json.dumps(told))
    elif not rows:
        say("Alight does not run here. Start it: make up")
    else:
        say(f"{'process':12}{'pid':>8}{'memory':>10}{'processor':>12}  up for")
        for row in rows:
            say(
                f"{row.name:12}{row.pid:>8}{row.memory_bytes / 1e6:>7.0f} MB"
                f"{row.cpu_seconds:>10.1f} s  {span(row.age_seconds)}"
            )
        say(f"{'in all':12}{'':>8}{total / 1e6:>7.0f} MB  (without dockerd)")
        if note := isolation.noted(config):
            say(note["text"])
        if text := too_full(config):
            say(text)
        if (answer := ping(config.docker_host)) is not Answer.YES:
            say(in_words(answer, config.docker_host))
    return 0 if any(row.name == "supervisor" for row in rows) else 3


def too_full(config: Config) -> str:
    """What is wrong with the disk of state, and what to do; "" when there is room."""
    free = shutil.disk_usage(config.home).free
    if free >= LEAST_DISK:
        return ""
    return (
        f"The disk of {config.home} is full: {free >> 20} MB left. Endpoints go on; "
        "nothing can be changed until there is room. Free some space: the console "
        "goes on by itself then. See: make doctor"
    )


def in_words(answer: Answer, host: str) -> str:
    """What is wrong with the engine, and what to do."""
    if answer is Answer.DENIED:
        return f"Docker runs, but this user may not use {host}: see make up."
    return (
        f"The Docker engine at {host} does not answer. Nothing can start or stop "
        "until it does. Start it; the console finds it by itself."
    )


def look(config: Config, name: str) -> Row | None:
    """One process with all below it; None when it does not run."""
    found = processes.running(config.pids, name)
    if found is None:
        return None
    # The supervisor's children have lines of their own.
    pids = [found.pid] if name == "supervisor" else processes.tree(found.pid)
    return Row(
        name=name,
        pid=found.pid,
        memory_bytes=sum(processes.memory(pid) for pid in pids),
        cpu_seconds=sum(processes.cpu_seconds(pid) for pid in pids),
        age_seconds=processes.age(found),
    )
