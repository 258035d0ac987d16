"""Containers that count, and whether all they wrote was kept: once, and in order."""

import re
import time
from itertools import pairwise

PORT = 8080
# "17 1763839123123456789 oi- line 4": a record of replicas/logs/records.py.
_RECORD = re.compile(rb"(\d+) \d+ o\S\S line (\d+)$")


def script(lines, each, pause=0.1):
    """Serves at once, and writes `each` numbered lines every `pause` seconds."""
    return (
        f"httpd -p {PORT} -h /www; i=0; while [ $i -lt {lines} ]; do"
        f" busybox seq $((i + 1)) $((i + {each})) | busybox sed 's/^/line /';"
        f" i=$((i + {each})); sleep {pause}; done; sleep 100000"
    )


class Flood:
    """`containers` replicas in some endpoints; each writes `lines` lines, rounded up to
    whole ticks of `each`; `lines` of all together. Use as a context manager."""

    def __init__(self, console, api, image, *, containers, lines, each, name="flood"):
        self._console, self._api, self._image = console, api, image
        # They write whole ticks.
        self._lines, self._each = -(-lines // each) * each, each
        # An endpoint has eight replicas at most.
        sizes = [min(5, containers - done) for done in range(0, containers, 5)]
        self._sizes = {f"{name}-{n}": size for n, size in enumerate(sizes)}
        self.lines = self._lines * containers

    def __enter__(self):
        self._known = set(self._all())
        for name, size in self._sizes.items():
            self._api.create(
                name,
                self._image,
                PORT,
                command=["sh"],
                args=["-c", script(self._lines, self._each)],
                min_replicas=size,
                max_replicas=size,
            )
        return self

    def __exit__(self, *_):
        for name in self._sizes:
            self._api.delete(name)

    def written(self):
        """Lines on file by now, by their numbers."""
        return sum(map(_newest, self._logs()))

    def wait_for(self, lines, seconds):
        """Until so many are on file. Fails with what every container has."""
        deadline = time.monotonic() + seconds
        while self.written() < lines:
            assert time.monotonic() < deadline, [*map(_newest, self._logs())]
            time.sleep(0.05)

    def faults(self):
        """Lines on file, and how many are missing, doubled, or not in their place."""
        told = dict.fromkeys(("lines", "missing", "doubled", "misplaced"), 0)
        for path in self._logs():
            found = [*map(_RECORD.match, path.read_bytes().split(b"\n"))]
            numbers = [int(one[2]) for one in found if one]
            records = [int(one[1]) for one in found if one]
            told["lines"] += len(numbers)
            told["missing"] += self._lines - len(set(numbers))
            told["doubled"] += len(numbers) - len(set(numbers))
            for row in (numbers, records):
                told["misplaced"] += sum(a >= b for a, b in pairwise(row))
        return told

    def _all(self):
        return self._console.kept_logs.glob("*/*.log")

    def _logs(self):
        return sorted(set(self._all()) - self._known)


def _newest(path):
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 4096))
        found = [_RECORD.match(raw) for raw in file.read().split(b"\n")]
    return max((int(one[2]) for one in found if one), default=0)
