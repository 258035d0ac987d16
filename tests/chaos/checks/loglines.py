"""No line of a log is missing, and none is there twice."""

from tests.chaos.checks import Check


class LogLines(Check):
    """lines(endpoint) gives (replica, attempt, text) of what its containers wrote."""

    name = "no log line lost or doubled"

    def __init__(self, lines):
        self._lines = lines

    def settled(self, world):
        return [
            f"{endpoint.name}: {what}"
            for endpoint in world.endpoints
            if endpoint.ready_count
            for what in broken(self._lines(endpoint.name))
        ]


def broken(lines):
    """Where "line N" is not followed by "line N + 1" of the same start."""
    last = {}
    for replica, attempt, text in lines:
        if not text.startswith("line "):
            continue
        number, key = int(text.split()[1]), (replica, attempt)
        if key in last and number != last[key] + 1:
            yield f"replica {replica}, start {attempt}: {number} follows {last[key]}"
        last[key] = number
