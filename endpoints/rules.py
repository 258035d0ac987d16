"""What a person may type, and the sentence that says what to change. Pure.

Each check returns the message, or "" when the value is fine.
"""

from __future__ import annotations

import re

from templates_app.rules import (
    CONCURRENCY_MAX,
    PATH_MAX,
    REPLICAS_MAX,
    VALUE_MAX,
    env_problem,
    image_problem,
    mount_problem,
    path_problem,
    port_problem,
    text_problem,
    volume_problem,
)

# Said of containers in templates as well, and there for them.
__all__ = [
    "CONCURRENCY_MAX",
    "PATH_MAX",
    "REPLICAS_MAX",
    "VALUE_MAX",
    "env_problem",
    "image_problem",
    "mount_problem",
    "path_problem",
    "port_problem",
    "text_problem",
    "volume_problem",
]

NAME_MAX = 40
# Hosts the console may want for itself beside the endpoints.
RESERVED_NAMES = frozenset({"www", "console", "api", "alight", "localhost", "admin"})
# Seconds: how long idle, and how long a start may take.
IDLE_MAX = START_MAX = 86_400
START_MIN = 10
# How much text fits: names people see, descriptions.
DISPLAY_NAME_MAX = 80
DESCRIPTION_MAX = 2000


def name_problem(name: str) -> str:
    """A DNS label: lowercase letters, digits, hyphens; letter first; up to 40."""
    if not name:
        return "Give the endpoint a name. It becomes part of its URL."
    if name.lower() != name and name_problem(name.lower()) == "":
        return f'Use lowercase letters: "{name.lower()}".'
    if not re.fullmatch(r"[a-z0-9-]+", name):
        return (
            'Use only lowercase letters, digits and hyphens, such as "whisper-large".'
        )
    if not name[0].isalpha():
        return "Start with a letter."
    if name.endswith("-"):
        return "End with a letter or digit."
    if len(name) > NAME_MAX:
        return f"Keep it to {NAME_MAX} characters. This is {len(name)}."
    if name[2:4] == "--":
        # Browsers take "xn--…" for a name in another alphabet, and refuse a wrong one.
        return "Use one hyphen only after the first two letters."
    if name in RESERVED_NAMES:
        return f'The console keeps "{name}" for itself. Choose another name.'
    return ""


def taken(name: str, others: frozenset[str]) -> str:
    """`others` are names in use; the suggestion is the first number that is free."""
    number = 2
    base = name[: NAME_MAX - 3].rstrip("-")
    while f"{base}-{number}" in others:
        number += 1
    return f'"{name}" is taken. Try "{base}-{number}".'


def scale_problem(minimum: int, maximum: int) -> str:
    if minimum < 0:
        return "Keep at least 0 replicas."
    if maximum < 1:
        return "Allow at least 1 replica."
    if maximum > REPLICAS_MAX:
        return f"Keep the maximum to {REPLICAS_MAX} replicas."
    if minimum > maximum:
        return (
            "Minimum is above maximum. "
            f"Raise the maximum to {minimum} or lower the minimum to {maximum}."
        )
    return ""


def idle_problem(seconds: int) -> str:
    return _range_problem(seconds, 0, IDLE_MAX, "seconds")


def start_problem(seconds: int) -> str:
    return _range_problem(seconds, START_MIN, START_MAX, "seconds")


def concurrency_problem(count: int) -> str:
    return _range_problem(count, 1, CONCURRENCY_MAX, "requests")


def _range_problem(value: int, least: int, most: int, unit: str) -> str:
    return "" if least <= value <= most else f"Enter {least} to {most:,} {unit}."
