"""One pass at a time for each endpoint, over all workers, with no call lost.

A call leaves a mark before it tries the lock. Whoever holds the lock looks for marks
newer than its own pass before it leaves; so a call that finds the lock taken may go.

A lock says which process holds it. One whose process has ended is taken over at once;
one that is only frozen, or on a machine that cannot be looked at, when its lease is
over. Who comes back after that finds the lock another's, and stops (`Hold.ours`).
"""

from __future__ import annotations

import os
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

from redis.exceptions import RedisError
from redis.lock import Lock

from endpoints.valkey import valkey

# A worker that froze in a pass loses the lock after this long. A living one renews in
# time, however long its pass takes.
_LEASE_SECONDS = 8
_RENEW_SECONDS = 2
_PROC = Path("/proc")
# Takes a lock away from exactly this holder, and from nobody who came meanwhile.
_TAKE_AWAY = """
if redis.call("get", KEYS[1]) == ARGV[1] then return redis.call("del", KEYS[1]) end
return 0
"""


def mark(endpoint_id: int) -> int:
    """Leave a mark: somebody wants this endpoint looked at."""
    count: int = valkey().incr(f"alight:look:{endpoint_id}")
    return count


def marks(endpoint_id: int) -> int:
    return int(valkey().get(f"alight:look:{endpoint_id}") or 0)


class NotOurs(Exception):
    """Another worker has the lock by now."""


class Hold:
    """The lock of one endpoint, as long as it is ours."""

    def __init__(self, lock: Lock) -> None:
        self._lock = lock
        self._renewed = time.monotonic()

    def ours(self) -> bool:
        """Whether nobody else can have it by now. Asked before each step."""
        try:
            return self._lock.owned()
        except RedisError:
            # Nobody else can take it from a Valkey that is away.
            return time.monotonic() - self._renewed < _LEASE_SECONDS

    def check(self) -> None:
        """Raises NotOurs."""
        if not self.ours():
            raise NotOurs

    def renew(self) -> None:
        with suppress(RedisError):
            self._lock.extend(_LEASE_SECONDS, replace_ttl=True)
            self._renewed = time.monotonic()

    def give_back(self) -> None:
        # The lease may have run out while Valkey or this process was away.
        with suppress(RedisError):
            self._lock.release()


@contextmanager
def held(endpoint_id: int) -> Iterator[Hold | None]:
    """The lock if it was free or its holder is dead, else None; never waits."""
    name = f"alight:lock:{endpoint_id}"
    # Not thread-local: the renewing thread owns it as well.
    lock = valkey().lock(name, timeout=_LEASE_SECONDS, thread_local=False)
    if not _acquired(lock) and not (_taken_from_the_dead(name) and _acquired(lock)):
        yield None
        return
    hold = Hold(lock)
    _renewer().add(hold)
    try:
        yield hold
    finally:
        _renewer().drop(hold)
        hold.give_back()


def _acquired(lock: Lock) -> bool:
    token = f"{this_process()}/{secrets.token_hex(8)}"
    return bool(lock.acquire(blocking=False, token=token))


# --- whose lock it is ---------------------------------------------------------


def this_process() -> str:
    """What no other process on any machine is called: boot, PID namespace, PID and
    the time it was started."""
    pid = os.getpid()
    return f"{_place()}/{pid}/{_start_time(pid)}"


def _taken_from_the_dead(name: str) -> bool:
    """Whether its holder is known to be dead, and the lock was taken away from it."""
    token = str(valkey().get(name) or "")
    if not token:
        return True  # given back meanwhile
    # Valkey counts a lease by the wall clock, which may have been set back.
    lasts_too_long = valkey().pttl(name) > _LEASE_SECONDS * 1000
    if not lasts_too_long and not _is_dead(token):
        return False
    return bool(valkey().eval(_TAKE_AWAY, 1, name, token))


def _is_dead(token: str) -> bool:
    """False also for what cannot be told from here."""
    try:
        boot, space, pid, started, _ = token.split("/")
        if f"{boot}/{space}" != _place():
            return False
        return _start_time(int(pid)) != started
    except ValueError:
        return False


@cache
def _place() -> str:
    boot = (_PROC / "sys/kernel/random/boot_id").read_text().strip()
    return f"{boot}/{(_PROC / 'self/ns/pid').readlink().name}"


def _start_time(pid: int) -> str:
    """In clock ticks since the boot; "" when there is no such process, or it is a
    corpse that nobody has buried."""
    try:
        # After the name, which may hold anything.
        fields = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in "ZX" else fields[19]


class _Renewer:
    """Extends the locks this process holds, from one thread."""

    def __init__(self) -> None:
        self._held: set[Hold] = set()
        self._guard = threading.Lock()
        threading.Thread(target=self._run, name="locks", daemon=True).start()

    def add(self, hold: Hold) -> None:
        with self._guard:
            self._held.add(hold)

    def drop(self, hold: Hold) -> None:
        with self._guard:
            self._held.discard(hold)

    def _run(self) -> None:
        pause = threading.Event()
        while True:
            pause.wait(_RENEW_SECONDS)
            with self._guard:
                held = list(self._held)
            for hold in held:
                hold.renew()


@cache
def _renewer() -> _Renewer:
    return _Renewer()
