"""Pid records: a process is known by its pid and the moment it started.

Pids are used again. A record also holds the start time and the boot it was taken in,
so that `make down` signals nobody else's process.
"""

import json
import os
import select
import signal
import time
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Record:
    name: str
    pid: int
    # Clock ticks since boot, as the kernel counts them.
    started: int
    boot: str


def boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def start_time(pid: int) -> int | None:
    """When that process started, in clock ticks since boot; None if it is gone."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    # The command's name may hold spaces and brackets: fields count from the last one.
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in {"Z", "X"} else int(fields[19])


def record(folder: Path, name: str, pid: int) -> Record:
    """Write down a process that was just started."""
    made = Record(name, pid, start_time(pid) or 0, boot_id())
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps(asdict(made)))
    fresh.replace(path)
    return made


def read(folder: Path, name: str) -> Record | None:
    """What was written down; None when nothing was, or it cannot be read."""
    try:
        return Record(**json.loads((folder / f"{name}.json").read_text()))
    except (OSError, ValueError, TypeError):
        return None


def forget(folder: Path, name: str) -> None:
    (folder / f"{name}.json").unlink(missing_ok=True)


def alive(found: Record | None) -> bool:
    return (
        found is not None
        and found.boot == boot_id()
        and found.started != 0
        and start_time(found.pid) == found.started
    )


def running(folder: Path, name: str) -> Record | None:
    """The record, if its process still runs."""
    found = read(folder, name)
    return found if alive(found) else None


def stop(found: Record, seconds: float) -> bool:
    """Ask it to end, wait, then end it. True when it went by itself.

    Works for processes that are not our children; a pidfd pins the very process.
    """
    try:
        handle = os.pidfd_open(found.pid)
    except ProcessLookupError:
        return True
    try:
        # Checked after the handle was taken: from here on the pid cannot be another's.
        if not alive(found):
            return True
        signal.pidfd_send_signal(handle, signal.SIGTERM)
        if _ended(handle, seconds):
            return True
        signal.pidfd_send_signal(handle, signal.SIGKILL)
        _ended(handle, 10)
        return False
    except ProcessLookupError:
        return True
    finally:
        os.close(handle)


def _ended(handle: int, seconds: float) -> bool:
    """Wait for the process behind a pidfd to end; readable means it has."""
    deadline = time.monotonic() + seconds
    poll = select.poll()
    poll.register(handle, select.POLLIN)
    while (left := deadline - time.monotonic()) > 0:
        if poll.poll(left * 1000):
            return True
    return False


def memory(pid: int) -> int:
    """Bytes of memory that are this process's own share; 0 when it cannot be told."""
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    except OSError:
        return 0
    return 0


def tree(pid: int) -> list[int]:
    """That process and all below it."""
    try:
        kids = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []
    return [pid, *(one for kid in kids for one in tree(int(kid)))]


def cpu_seconds(pid: int) -> float:
    """Processor time it has used so far."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def age(found: Record) -> float:
    """Seconds since it started."""
    up = float(Path("/proc/uptime").read_text().split()[0])
    return up - found.started / os.sysconf("SC_CLK_TCK")
