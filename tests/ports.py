"""Ports for what a test starts later, which nobody else takes meanwhile.

The kernel gives those of its own range (usually from 32768) to whoever asks for any, in
other lanes, too. These are below it, and each lane has some of its own.
"""

import os
import random
from itertools import count, islice

from launcher.errors import LaunchError
from launcher.ports import usable

_FIRST, _LANES, _EACH = 20_000, 8, 1_500
# From anywhere: another run on this machine has the same ones.
_turns = count(random.randrange(_EACH))


def free_port() -> int:
    """On no loopback does anybody listen on it, and this lane gets it once."""
    lane = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]) % _LANES
    first = _FIRST + lane * _EACH
    for turn in islice(_turns, _EACH):
        port = first + turn % _EACH
        try:
            usable(("127.0.0.1", "::1"), port)
        except LaunchError:
            continue
        return port
    raise AssertionError("each port of this lane is taken")
