"""What a container's settings may be, and the sentence that says what to change. Pure.

Each check returns the message, or "" when the value is fine.
"""

from __future__ import annotations

import re

from templates_app.spec import IMAGE_PATTERN

ENV_NAME = re.compile(r"^[A-Za-z_][A-Za-z0-9_]*\Z")
VOLUME_NAME = re.compile(r"^[a-z0-9][a-z0-9_.-]{0,39}\Z")
REPLICAS_MAX = 8
CONCURRENCY_MAX = 500
# Where nobody says another: a page with its pictures and sockets is more than one
# request at a time.
CONCURRENCY_USUAL = 16
# What a request may ask for.
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")
# How much text fits: a path, one value.
PATH_MAX = 500
VALUE_MAX = 32_768


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
