"""What a person may type, and the sentence that says what to change. Pure.

Each check returns the message, or "" when the value is fine.
"""

from __future__ import annotations

import re

from templates_app.spec import IMAGE_PATTERN

NAME_MAX = 40
# Hosts the console may want for itself beside the endpoints.
RESERVED_NAMES = frozenset({"www", "console", "api", "alight", "localhost", "admin"})
ENV_NAME = re.compile(r"^[A-Za-z_][A-Za-z0-9_]*\Z")
VOLUME_NAME = re.compile(r"^[a-z0-9][a-z0-9_.-]{0,39}\Z")
REPLICAS_MAX = 8
CONCURRENCY_MAX = 500
# Seconds: how long idle, and how long a start may take.
IDLE_MAX = START_MAX = 86_400
START_MIN = 10
# How much text fits: names people see, descriptions, a path, one value.
DISPLAY_NAME_MAX = 80
DESCRIPTION_MAX = 2000
PATH_MAX = 500
VALUE_MAX = 32_768


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


def port_problem(port: int | None) -> str:
    return "" if port and 1 <= port <= 65535 else "Enter a port from 1 to 65535."


def path_problem(path: str) -> str:
    if path and not path.startswith("/"):
        return f'Start the path with a slash: "/{path}".'
    if len(path) > PATH_MAX:
        return text_problem(path, PATH_MAX)
    if re.search(r"[\s\x00-\x1f\x7f\ud800-\udfff]", path):
        return "Leave spaces and line breaks out of the path."
    return ""


def image_problem(image: str) -> str:
    if not image:
        return "Enter the image to run, such as registry.lab.example/app:1.0."
    if len(image) > 255 or not IMAGE_PATTERN.match(image):
        return "That is not an image name. Write it like registry.lab.example/app:1.0."
    return ""


def env_problem(name: str) -> str:
    if ENV_NAME.match(name):
        return ""
    return (
        "Use letters, digits and underscores, and start with a letter, "
        'such as "HF_TOKEN".'
    )


def mount_problem(path: str) -> str:
    if len(path) > PATH_MAX:
        return text_problem(path, PATH_MAX)
    if re.fullmatch(r"/[^\s\x00:\ud800-\udfff]+", path) and ".." not in path.split("/"):
        return ""
    return 'Enter an absolute path inside the container, such as "/data".'


def idle_problem(seconds: int) -> str:
    return _range_problem(seconds, 0, IDLE_MAX, "seconds")


def start_problem(seconds: int) -> str:
    return _range_problem(seconds, START_MIN, START_MAX, "seconds")


def concurrency_problem(count: int) -> str:
    return _range_problem(count, 1, CONCURRENCY_MAX, "requests")


def _range_problem(value: int, least: int, most: int, unit: str) -> str:
    return "" if least <= value <= most else f"Enter {least} to {most:,} {unit}."


def volume_problem(name: str) -> str:
    if VOLUME_NAME.match(name):
        return ""
    return (
        "Use up to 40 lowercase letters, digits, hyphens, dots and underscores, "
        'such as "checkpoints".'
    )


def text_problem(text: str, most: int) -> str:
    """Text that can be stored and shown: short enough, and without broken letters."""
    if len(text) > most:
        return f"Keep it to {most:,} characters. This is {len(text):,}."
    if "\x00" in text or any("\ud800" <= letter <= "\udfff" for letter in text):
        return "Leave out the characters that are not text."
    return ""
