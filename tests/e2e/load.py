"""Many clients of one endpoint at once, each a thread with connections of its own."""

import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import count

import requests

# Of a stream of the told server: 30 lines in three seconds.
LINES, PAUSE = 30, 0.1


@dataclass(frozen=True)
class Stream:
    """A stream that came whole. who: revision and replica; ended: time.time()."""

    who: str
    ended: float


def read_stream(session, url, lines=LINES, pause=PAUSE, begun=lambda: None):
    """Read a stream of the told server. begun: called at its first line.

    Raises AssertionError and what requests raises when it does not come whole.
    """
    asked = f"{url}/stream?lines={lines}&pause={pause}"
    got = []
    with session.get(asked, stream=True, timeout=60) as answer:
        assert answer.status_code == 200, f"{answer.status_code}: {answer.text}"
        for line in answer.iter_lines(chunk_size=None):
            got.append(line.decode())
            if len(got) == 1:
                begun()
    who = got[0].rpartition(" ")[0]
    assert got == [*(f"{who} {n}" for n in range(1, lines + 1)), "end"], got
    return Stream(who, time.time())


@dataclass
class Load:
    """A tenth streams, the others short GETs and POSTs; never more than `clients` open.

    Runs from `with` to its end, or until `at_least` were answered if that is later.
    failed: what went wrong, for each request that did. revisions: answers by revision.
    """

    url: str
    clients: int = 16
    at_least: int = 0
    asked: int = 0
    streamed: int = 0
    failed: list = field(default_factory=list)
    revisions: Counter = field(default_factory=Counter)

    def __enter__(self):
        self._numbers, self._lock = count(1), threading.Lock()
        self._over = threading.Event()
        self._pool = ThreadPoolExecutor(self.clients)
        self._running = [self._pool.submit(self._client) for _ in range(self.clients)]
        return self

    def __exit__(self, *_):
        self._over.set()
        self._pool.shutdown()
        for client in self._running:
            client.result()

    def _client(self):
        with requests.Session() as session:
            while not (self._over.is_set() and self.asked >= self.at_least):
                with self._lock:
                    number = next(self._numbers)
                    self.asked = number
                self._one(session, number)

    def _one(self, session, number):
        try:
            who = self._ask(session, number)
        except (requests.RequestException, AssertionError) as error:
            with self._lock:
                self.failed.append(f"request {number}: {error!r}")
            return
        with self._lock:
            self.revisions[who.split()[0]] += 1

    def _ask(self, session, number):
        if number % 10 == 0:
            with self._lock:
                self.streamed += 1
            return read_stream(session, self.url).who
        if number % 2:
            answer = session.get(self.url, timeout=30)
            body = ""
        else:
            body = f"body {number}"
            answer = session.post(self.url, data=body, timeout=30)
        assert answer.status_code == 200, f"{answer.status_code}: {answer.text}"
        who, _, echo = answer.text.partition("\n")
        assert echo == body, answer.text
        return who
