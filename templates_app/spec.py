"""What a container needs to become a replica, as plain data.

A `ContainerSpec` is written in a catalogue file or on the clone form, kept on the
endpoint as JSON, and read by the engine adapters. Nothing here does I/O.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

# A reference as the Docker CLI accepts it: [host[:port]/]path[:tag][@digest].
IMAGE_PATTERN = re.compile(
    r"^(?P<name>[a-z0-9]+(?:[._-]+[a-z0-9]+)*(?::[0-9]{1,5})?"
    r"(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*)"
    r"(?::(?P<tag>[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}))?"
    r"(?:@(?P<digest>sha256:[0-9a-f]{64}))?\Z"
)


@dataclass(frozen=True)
class VolumeSpec:
    """A volume of the owner's, by name, in every replica. `mount` is absolute."""

    name: str
    mount: str


@dataclass(frozen=True)
class EnvVar:
    """One environment variable. A secret's `value` is sealed text, never plain.

    needed: a template that has no value of its own for it asks for one, with `note`.
    """

    name: str
    value: str
    secret: bool = False
    needed: bool = False
    note: str = ""


@dataclass(frozen=True)
class LogHint:
    """Known trouble: when a log line matches `pattern`, the page explains it."""

    pattern: str
    title: str
    body: str
    tier: str = ""


@dataclass(frozen=True)
class Example:
    """A request that the container answers, for people to try it with.

    path: with its query, begins with a slash. body: text, JSON most often.
    """

    method: str
    path: str
    body: str = ""


@dataclass(frozen=True)
class ContainerSpec:
    """The container an endpoint runs.

    image: reference to pull, or the tag a build produces.
    build: name of a folder in `templates_app/catalogue/builds/` that the engine
      builds `image` from; empty for images that are pulled.
    port: 1 to 65535, where the container listens.
    health_path: asked for a 200; empty means an open port is enough.
    command, args: replace the image's entrypoint and command; empty keeps them.
    shm_mb: size of /dev/shm in MiB; 0 keeps the engine's default.
    secrets: keys of the owner's account-wide secrets, set as variables of those names.
    registry: key of the owner's registry sign-in to pull with; empty for none.
    openai: whether it answers OpenAI's clients below /v1.
    """

    image: str
    port: int
    build: str = ""
    health_path: str = ""
    command: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    env: tuple[EnvVar, ...] = ()
    volume: VolumeSpec | None = None
    shm_mb: int = 0
    secrets: tuple[str, ...] = ()
    registry: str = ""
    hints: tuple[LogHint, ...] = field(default=())
    openai: bool = False
    example: Example | None = None

    def to_json(self) -> dict[str, Any]:
        """As JSON reads it back: lists, not tuples, so that both compare alike."""
        data: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return data

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> ContainerSpec:
        """Read what `to_json` wrote; unknown keys raise TypeError."""
        values = dict(data)
        volume = values.pop("volume", None)
        example = values.pop("example", None)
        return cls(
            command=tuple(values.pop("command", ())),
            args=tuple(values.pop("args", ())),
            secrets=tuple(values.pop("secrets", ())),
            env=tuple(EnvVar(**item) for item in values.pop("env", ())),
            hints=tuple(LogHint(**item) for item in values.pop("hints", ())),
            volume=VolumeSpec(**volume) if volume else None,
            example=Example(**example) if example else None,
            **values,
        )
