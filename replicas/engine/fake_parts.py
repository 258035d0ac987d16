"""Images and containers of the fake engine."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256

from replicas.engine.base import (
    EngineError,
    FetchProgress,
    ImageInfo,
    LogChunk,
    Observed,
    Usage,
    Wanted,
)
from replicas.engine.errors import bad_exit


@dataclass(frozen=True)
class FakeImage:
    """An image and how its containers behave.

    says: lines written at start. exits: the exit code of containers that end at once;
    None for those that go on. listens: ports open once it runs; loopback: those only
    its own processes reach. start_error: raised by `start`. stubborn: does not end when
    asked to. private: its registry gives it only to `World.accounts`.
    """

    size: int = 100_000_000
    layers: int = 4
    ports: tuple[int, ...] = ()
    volumes: tuple[str, ...] = ()
    says: tuple[str, ...] = ()
    exits: int | None = None
    listens: tuple[int, ...] = ()
    loopback: tuple[int, ...] = ()
    start_error: EngineError | None = None
    stubborn: bool = False
    private: bool = False

    def info(self, reference: str) -> ImageInfo:
        digest = sha256(reference.encode()).hexdigest()
        return ImageInfo(
            f"sha256:{digest}", self.size, self.layers, self.ports, self.volumes
        )

    def progress(self, verb: str, share: float) -> FetchProgress:
        """How a fetch looks when `share` (0 to 1) of it is done."""
        done = int(self.layers * share)
        if verb == "build":
            step = f"RUN step {done}"
            return FetchProgress("build", done, self.layers, step=step, line="working")
        return FetchProgress(
            "pull",
            done=int(self.size * share),
            total=self.size,
            layer=done,
            layers=self.layers,
            speed=self.size / 10,
            unpacking=share >= 1,
        )


@dataclass
class Container:
    id: str
    wanted: Wanted
    node: str
    address: str
    image: FakeImage
    running: bool = False
    exit_code: int | None = None
    oom: bool = False
    started_at: datetime | None = None
    finished_at: datetime | None = None
    error: str = ""
    output: list[LogChunk] = field(default_factory=list)
    output_gone: int = 0
    pieces: list[tuple[str, bytes]] = field(default_factory=list)
    listening: set[int] = field(default_factory=set)
    loopback: set[int] = field(default_factory=set)
    # What it has used: core-seconds, and bytes.
    cpu: float = 0.0
    memory: int = 1_000_000
    received: int = 0
    sent: int = 0

    def usage(self) -> Usage:
        limit = (self.wanted.memory_mb or 32 * 1024) * 1024 * 1024
        return Usage(
            datetime.now(UTC), self.cpu, self.memory, limit, self.received, self.sent
        )

    def observed(self) -> Observed:
        program = (*self.wanted.command, *self.wanted.args, "")[0]
        return Observed(
            id=self.id,
            name=self.wanted.name,
            labels=dict(self.wanted.labels),
            node=self.node,
            running=self.running,
            created=self.started_at is None,
            exit_code=self.exit_code,
            oom=self.oom,
            address=self.address if self.running else "",
            started_at=self.started_at,
            finished_at=self.finished_at,
            error=self.error or bad_exit(self.exit_code, program),
        )
