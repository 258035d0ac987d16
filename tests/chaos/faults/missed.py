"""A fault that met nothing."""

import os


class Missed(Exception):
    """There was nothing to strike; the message says why."""


def send(pid, number):
    """Raises Missed where there is no such process any more."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        words = "it ended by itself"
        raise Missed(words) from None
