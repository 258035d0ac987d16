"""How often somebody may guess: tries are counted, and those beyond have to wait.

Counted in Valkey, for all processes together; while that is away each process counts
for itself. A count begins with the first try and ends by itself: a try that is refused
is not counted, so whoever goes on trying does not make anybody's wait longer. docs/adr
has why (0014).
"""

from __future__ import annotations

import ipaddress
import logging
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol

import redis
from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry

log = logging.getLogger(__name__)

_PREFIX = "alight:tries:"
# Whoever signs in does not wait for a Valkey that hangs; it is asked again after a
# while.
_PATIENCE, _AGAIN = 0.5, 5.0
# Counts that one process keeps by itself, at most.
_ROOM = 10_000


@dataclass(frozen=True)
class Limit:
    """`most` tries in `seconds`, which begin with the first."""

    most: int
    seconds: int


# What is counted: a name such as "address:10.0.0.5", and its limit.
Counted = tuple[str, Limit]


class Counters(Protocol):
    """Where tries are counted. Both of ours pass endpoints/tests/test_limits.py."""

    def take(self, asked: Sequence[Counted]) -> float:
        """Count one try everywhere and answer 0; or nowhere where one of them has no
        room, and answer the seconds until it has."""

    def give_back(self, ended: str, less: Sequence[str]) -> None:
        """The try was no guess: one count ends, the others have one try less."""

    def forget(self, *words: str) -> int:
        """End the counts whose names have one of these words between their colons;
        all without words. How many there were."""


class InMemory:
    """The counts of one process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # Tries, and when they end, by name.
        self._counts: dict[str, tuple[int, float]] = {}

    def take(self, asked: Sequence[Counted]) -> float:
        now = time.monotonic()
        with self._lock:
            self._tidy(now)
            found = {name: self._counts.get(name, (0, 0.0)) for name, _ in asked}
            full = [
                found[name][1] - now
                for name, limit in asked
                if found[name][0] >= limit.most
            ]
            if full:
                return max(full)
            for name, limit in asked:
                count, ends = found[name]
                self._counts[name] = (count + 1, ends if count else now + limit.seconds)
        return 0.0

    def give_back(self, ended: str, less: Sequence[str]) -> None:
        with self._lock:
            self._counts.pop(ended, None)
            for name in less:
                count, ends = self._counts.pop(name, (0, 0.0))
                if count > 1:
                    self._counts[name] = (count - 1, ends)

    def forget(self, *words: str) -> int:
        with self._lock:
            found = [name for name in self._counts if _names(name, words)]
            for name in found:
                del self._counts[name]
        return len(found)

    def _tidy(self, now: float) -> None:
        """What ended is gone; where all is full, so is what began first."""
        ended = [name for name, (_, ends) in self._counts.items() if ends <= now]
        for name in ended:
            del self._counts[name]
        while len(self._counts) >= _ROOM:
            del self._counts[next(iter(self._counts))]


def _names(name: str, words: Sequence[str]) -> bool:
    return not words or not set(words).isdisjoint(name.split(":"))


class InValkey:
    """The counts of all processes. Raises redis.RedisError and OSError."""

    # One script each: two processes that try at once are counted one after the other.
    _TAKE = """
    local wait = 0
    for i, key in ipairs(KEYS) do
      if tonumber(redis.call('GET', key) or '0') >= tonumber(ARGV[2 * i - 1]) then
        wait = math.max(wait, 1, redis.call('PTTL', key))
      end
    end
    if wait > 0 then return wait end
    for i, key in ipairs(KEYS) do
      if redis.call('INCR', key) == 1 then
        redis.call('PEXPIRE', key, ARGV[2 * i])
      end
    end
    return 0
    """
    _GIVE_BACK = """
    for i, key in ipairs(KEYS) do
      if i > 1 and tonumber(redis.call('GET', key) or '0') > 1 then
        redis.call('DECR', key)
      else
        redis.call('DEL', key)
      end
    end
    return 0
    """

    def __init__(self, client: redis.Redis) -> None:
        self._client = client

    def take(self, asked: Sequence[Counted]) -> float:
        keys = [_PREFIX + name for name, _ in asked]
        numbers = [n for _, limit in asked for n in (limit.most, limit.seconds * 1000)]
        answer: Any = self._client.eval(self._TAKE, len(keys), *keys, *numbers)
        return int(answer) / 1000

    def give_back(self, ended: str, less: Sequence[str]) -> None:
        keys = [_PREFIX + name for name in (ended, *less)]
        self._client.eval(self._GIVE_BACK, len(keys), *keys)

    def forget(self, *words: str) -> int:
        keys = [key.decode() for key in self._client.scan_iter(f"{_PREFIX}*", 1000)]
        found = [key for key in keys if _names(key.removeprefix(_PREFIX), words)]
        return sum(int(str(self._client.delete(key))) for key in found)


class Shared:
    """Valkey's counts, and this process's own while Valkey is away."""

    def __init__(self, far: Counters) -> None:
        self._far, self._near = far, InMemory()
        self._ask_from = 0.0

    def take(self, asked: Sequence[Counted]) -> float:
        if time.monotonic() >= self._ask_from:
            try:
                return self._far.take(asked)
            except (redis.RedisError, OSError) as error:
                self._away(error)
        return self._near.take(asked)

    def give_back(self, ended: str, less: Sequence[str]) -> None:
        self._near.give_back(ended, less)
        if time.monotonic() >= self._ask_from:
            try:
                self._far.give_back(ended, less)
            except (redis.RedisError, OSError) as error:
                self._away(error)

    def forget(self, *words: str) -> int:
        """Raises redis.RedisError and OSError: who asks for it wants to know."""
        return self._near.forget(*words) + self._far.forget(*words)

    def _away(self, error: Exception) -> None:
        self._ask_from = time.monotonic() + _AGAIN
        log.warning("Valkey is away: this process counts tries by itself. %s", error)


@cache
def counters() -> Counters:
    """This process's, shared by its threads."""
    client = redis.Redis.from_url(
        settings.ALIGHT_VALKEY_URL,
        socket_timeout=_PATIENCE,
        socket_connect_timeout=_PATIENCE,
        retry=Retry(NoBackoff(), 0),
    )
    return Shared(InValkey(client))


def place_of(address: str) -> str:
    """Whom an address stands for: IPv6 gives each customer a whole /64."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return "unknown"
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped:
            return str(found.ipv4_mapped)
        # Without colons, which stand between a name's words.
        return format(int(found) >> 64, "016x")
    return str(found)


def wait_words(seconds: float) -> str:
    """A wait as people say it: "40 s", "5 min"."""
    whole = max(1, -int(-seconds // 1))
    return f"{whole} s" if whole <= 90 else f"{-(-whole // 60)} min"
