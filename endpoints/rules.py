"""What a person may type, and the sentence that says what to change. Pure.

Each check returns the message, or "" when the value is fine.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from templates_app.rules import (
    CONCURRENCY_MAX,
    CONCURRENCY_USUAL,
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
    "CONCURRENCY_USUAL",
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
# Seconds that a request waits for a replica at most.
HOLD_MAX = 3600
# For longer than this, the minimum is what to raise.
WARM_DAYS_MAX = 31
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


def free_name(name: str, others: frozenset[str]) -> str:
    """`name` with the first number that is not among `others`."""
    number = 2
    base = name[: NAME_MAX - 3].rstrip("-")
    while f"{base}-{number}" in others:
        number += 1
    return f"{base}-{number}"


def taken(name: str, others: frozenset[str]) -> str:
    """`others` are names in use; the suggestion is the first number that is free."""
    return f'"{name}" is taken. Try "{free_name(name, others)}".'


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


def hold_problem(seconds: int) -> str:
    return _range_problem(seconds, 0, HOLD_MAX, "seconds")


def warm_problem(until: datetime, now: datetime) -> str:
    """Both aware."""
    if until <= now:
        return "That time is over. Choose one that is still to come."
    if until - now > timedelta(days=WARM_DAYS_MAX):
        return (
            f"Keep it warm for {WARM_DAYS_MAX} days at most. For longer, raise the "
            "minimum."
        )
    return ""


def concurrency_problem(count: int) -> str:
    return _range_problem(count, 1, CONCURRENCY_MAX, "requests")


def _range_problem(value: int, least: int, most: int, unit: str) -> str:
    return "" if least <= value <= most else f"Enter {least} to {most:,} {unit}."


# --- Secrets and registry sign-ins -------------------------------------------
DOCKER_HUB = "docker.io"
_HUB_NAMES = frozenset(
    {"", DOCKER_HUB, "index.docker.io", "registry-1.docker.io", "hub.docker.com"}
)
_REGISTRY = re.compile(
    r"^(?:[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:]+\])(?::(\d{1,5}))?\Z"
)
# As long as their columns.
SECRET_NAME_MAX = 100
REGISTRY_MAX = USERNAME_MAX = 255


def secret_name_problem(name: str) -> str:
    """The name of an environment variable."""
    if not name:
        return 'Give the secret a name, such as "HF_TOKEN".'
    return text_problem(name, SECRET_NAME_MAX) or env_problem(name)


def secret_value_problem(value: str) -> str:
    return text_problem(value, VALUE_MAX) if value else "Enter the value."


def sign_in_name_problem(name: str) -> str:
    """What a registry sign-in is called."""
    if not name:
        return 'Give the sign-in a name, such as "github".'
    if not volume_problem(name):
        return ""
    return (
        "Use up to 40 lowercase letters, digits, hyphens, dots and underscores, "
        'such as "github".'
    )


def registry_of(typed: str) -> str:
    """The registry's host as images name it; Docker Hub for what is empty."""
    bare = typed.strip().lower()
    bare = re.sub(r"^https?://", "", bare).removesuffix("/v1/").rstrip("/")
    return DOCKER_HUB if bare in _HUB_NAMES else bare


def registry_problem(typed: str) -> str:
    """A host, with a port if it has one."""
    found = _REGISTRY.match(registry_of(typed))
    fits = len(typed) <= REGISTRY_MAX
    if found and fits and not (found[1] and port_problem(int(found[1]))):
        return ""
    return (
        'Write the host alone, such as "ghcr.io" or "registry.lab.example:5000". '
        "Empty is Docker Hub."
    )


def username_problem(name: str) -> str:
    if not name:
        return "Enter the user name at that registry."
    if ":" in name:
        return "Leave the colon out: registries take what follows it for the password."
    return text_problem(name, USERNAME_MAX)
