"""The container engine as the rest of the house sees it.

Acts name a replica and a node, never "the" engine, so that an adapter for many nodes
is a sibling of the one for a single machine. "Already so" is success: creating a
container that exists returns it, stopping a stopped one returns quietly.

Errors an adapter raises (all are `EngineError`; `reason` is a word for machines, the
text a sentence for people):

    EngineError
    ├── EngineUnreachable      nothing answers on the engine's socket
    │   └── EngineSlow         it took the call and has not answered it in time
    ├── ImageNotFound          the registry does not know the image
    ├── RegistryRefused        the registry wants a sign-in, or refused this one
    ├── RegistryUnreachable    no registry answered
    ├── BuildFailed            a step of the Dockerfile failed; `tail` has its output
    ├── NoSuchCommand          the image has no such program
    ├── DiskFull               no space left on the node
    ├── GpuUnavailable         the node's engine cannot give GPUs to containers
    ├── GpuLost                the GPU that was asked for is not there any more
    ├── VolumeInUse            a container still has the volume
    └── EngineRefused          anything else the engine said no to
"""

from __future__ import annotations

from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Callable,
    Collection,
    Sequence,
)
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple, Protocol


class EngineError(Exception):
    """Something the engine could not do. `str(error)` is a sentence for people."""

    reason = "EngineError"

    def __init__(self, message: str, *, tail: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.tail = tuple(tail)


class EngineUnreachable(EngineError):
    reason = "EngineUnreachable"


class EngineSlow(EngineUnreachable):
    """One call hangs. The engine may answer others: about other containers, say."""

    reason = "EngineSlow"


class ImageNotFound(EngineError):
    reason = "ImageNotFound"


class RegistryRefused(EngineError):
    reason = "RegistryRefused"


class RegistryUnreachable(EngineError):
    reason = "RegistryUnreachable"


class BuildFailed(EngineError):
    reason = "BuildFailed"


class NoSuchCommand(EngineError):
    reason = "NoSuchCommand"


class DiskFull(EngineError):
    reason = "DiskFull"


class GpuUnavailable(EngineError):
    reason = "GpuUnavailable"


class GpuLost(EngineError):
    reason = "GpuLost"


class VolumeInUse(EngineError):
    reason = "VolumeInUse"


class EngineRefused(EngineError):
    reason = "EngineRefused"


@dataclass(frozen=True)
class Wanted:
    """One attempt of one replica, ready to be created.

    name: the container's name, unique per attempt (see `names.container_name`).
    labels: say whose it is; `observe` finds containers by them.
    env: plain values, secrets already opened.
    gpus: device UUIDs; empty means none, and the container must see none.
    cores: CPU limit, may be fractional; memory_mb and shm_mb in MiB, 0 for no limit
      (memory) or the engine's default (shm).
    volumes: (volume name, mount path) pairs; the engine makes missing volumes.
    """

    name: str
    image: str
    labels: dict[str, str]
    port: int
    node: str
    command: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    env: dict[str, str] = field(default_factory=dict)
    gpus: tuple[str, ...] = ()
    cores: float = 0
    memory_mb: int = 0
    shm_mb: int = 0
    volumes: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Observed:
    """A container as the engine reports it now.

    running is False for created and exited containers; `exit_code` is None until it
    has exited. `address` is the container's own IP, empty when not running, and when it
    runs without: its engine was killed while it started it, or somebody took it from
    its network.
    `oom` is a hint only: it is also true when just a child process was killed.
    `error` is why it could not run, as far as the engine knows. A program that the
    image lacks shows here, with exit code 127: an init process stands before it.
    A paused container is running, and its port takes connections that nobody serves.
    """

    id: str
    name: str
    labels: dict[str, str]
    node: str
    running: bool
    created: bool  # created, but never started
    exit_code: int | None
    oom: bool
    address: str
    started_at: datetime | None
    finished_at: datetime | None
    error: str = ""
    paused: bool = False


@dataclass(frozen=True)
class ImageInfo:
    """A local image: `size` in bytes on disk, `ports` the exposed TCP ports."""

    id: str
    size: int
    layers: int
    ports: tuple[int, ...] = ()
    volumes: tuple[str, ...] = ()


@dataclass(frozen=True)
class ImageFacts:
    """What can be known of an image before it is pulled; 0, () and "" when unknown.

    present: it is on the node already. ports: exposed TCP ports. size: bytes on disk
    when present, else bytes to pull. digest: of the manifest, "sha256:…". id: as in
    `ImageInfo`, of an image that is present.
    """

    present: bool
    ports: tuple[int, ...] = ()
    volumes: tuple[str, ...] = ()
    size: int = 0
    digest: str = ""
    id: str = ""


@dataclass(frozen=True)
class SignIn:
    """Name and password at a registry ("ghcr.io", "docker.io", "10.0.0.5:5000")."""

    registry: str
    username: str
    password: str = field(repr=False)


@dataclass(frozen=True)
class FoundGpu:
    """A GPU of a node. `memory_gb` is 0 when it cannot be told."""

    uuid: str
    model: str
    memory_gb: int


@dataclass(frozen=True)
class NodeInfo:
    """What a machine offers: cores, memory in MiB."""

    name: str
    cores: int
    memory_mb: int
    engine_version: str


@dataclass(frozen=True)
class FetchProgress:
    """How far a pull or build is.

    verb: "pull" or "build". done/total in bytes (pull) or steps (build); total is 0
    while unknown. layer/layers count finished and known layers (pull only). speed is
    bytes per second over the last seconds. step is the Dockerfile line being run,
    line the newest line of build output. unpacking is true in a pull's last moments.
    """

    verb: str
    done: int = 0
    total: int = 0
    layer: int = 0
    layers: int = 0
    speed: float = 0.0
    step: str = ""
    line: str = ""
    unpacking: bool = False


LOST = "lost"


class Known(NamedTuple):
    """What who goes on reading has already, so that the engine need not look for it.

    lines: about how many from a little before `since` on, 0 when there is nothing
    before that or it is not known. newest: time of the last (ns). It only saves time:
    what is given is the same with and without it.
    """

    lines: int = 0
    newest: int = 0


NOTHING = Known()


class LogChunk(NamedTuple):
    """Part of a container's output: nanoseconds since the epoch, stream, bytes.

    A line over 16 KiB comes in several chunks that share `at`; only the last one has
    `complete` set. The text never includes the newline. A last line without one is
    completed by an empty chunk when the container has ended.

    A chunk of the stream LOST, alone in its batch, says that the engine no longer had
    what came before `at`; its text is the last time that was read (ns), or `since`.
    """

    at: int
    stream: str  # "stdout", "stderr" or LOST
    text: str
    complete: bool = True


@dataclass(frozen=True)
class Usage:
    """What a running container uses. at: when this was read.

    cpu: core-seconds since its start. memory and limit in bytes, the page cache that
    can be given back left out; limit is the node's memory where there is no other.
    received and sent: bytes over the network since its start.
    """

    at: datetime
    cpu: float
    memory: int
    limit: int
    received: int
    sent: int


@dataclass(frozen=True)
class EngineEvent:
    """Something happened to a container of ours: look again.

    action is Docker's own word: create, start, die, oom, destroy, …
    """

    action: str
    container_id: str
    labels: dict[str, str]
    at: int


class Engine(Protocol):
    """Short acts, called from worker threads. All raise `EngineError`."""

    def node(self) -> NodeInfo: ...

    def observe(self, labels: dict[str, str]) -> list[Observed]:
        """Every container, running or not, that has all these labels."""
        ...

    def image(self, reference: str) -> ImageInfo | None: ...

    def create(self, wanted: Wanted) -> Observed:
        """The container, made or found by its name. Its network is made on demand."""
        ...

    def start(self, container_id: str) -> Observed:
        """Start it and return it with its address."""
        ...

    def terminate(self, container_id: str) -> None:
        """Ask it to end (its image's stop signal) and return at once.

        Not running, or gone, is success.
        """
        ...

    def stop(self, container_id: str, *, grace: int) -> None:
        """Ask it to end, kill it after `grace` seconds. Gone is success."""
        ...

    def remove(self, container_id: str) -> None:
        """Remove it and its anonymous volumes, killing it if need be."""
        ...

    def tail(self, container_id: str, lines: int) -> list[str]:
        """The last lines of its output, oldest first; empty when it is gone."""
        ...

    def listening_ports(
        self, container_id: str, *, loopback: bool = False
    ) -> list[int]:
        """TCP ports of the running container that can be reached, ascending.

        With `loopback`, those bound to nothing but 127.0.0.1 or ::1 instead, which
        nobody outside the container can reach. Empty when it does not run.
        """
        ...

    def gpus(self) -> list[FoundGpu] | None:
        """The node's GPUs, as its containers would see them. Takes a second or two.

        Empty when the engine cannot give GPUs; None when they cannot be told now.
        """
        ...

    def in_network(self, script: str) -> str:
        """Run a shell script in the network of the node, and return its output.

        It has the node's own programs, and its files below /host; it may change the
        node's packet filter and write no file. Takes about a second.
        """
        ...

    def remove_volume(self, name: str) -> None:
        """Remove it with its files; gone is success.

        Raises VolumeInUse while a container, running or not, has it.
        """
        ...


class EngineStreams(Protocol):
    """Long waits, awaited in the worker's own event loop. All raise `EngineError`."""

    def events(self, labels: dict[str, str]) -> AsyncIterator[EngineEvent]:
        """Events from this call on, not from the first step.

        So: call, then observe, then iterate, and nothing falls between. Raises
        EngineUnreachable when the engine goes away; observe again then, since what
        happened meanwhile is not told.
        """
        ...

    def logs(self, container_id: str, *, since: int) -> AsyncIterator[LogChunk]:
        """Output from `since` (ns, inclusive; 0 for all) until the container ends.

        A container that was created but never started ends at once, and so does one
        that is gone. Raises EngineUnreachable when the engine goes away before that;
        resume from the last time then, and drop what is there already.
        """
        ...

    def log_batches(
        self, container_id: str, *, since: int, known: Known = NOTHING
    ) -> AsyncGenerator[list[LogChunk], None]:
        """`logs` in batches of what came together, the way to follow many lines."""
        ...

    def live_tail(self, container_id: str) -> AsyncIterator[tuple[str, bytes]]:
        """Output from now on as (stream, bytes), in the pieces it was written in.

        Unlike `logs` this does not wait for newlines, so a progress bar drawn with
        carriage returns moves. For display only: no times, and a reader that is too
        slow loses pieces. An adapter may end it at once.
        """
        ...

    async def fetch(
        self,
        image: str,
        *,
        build: str,
        on_progress: Callable[[FetchProgress], None],
        sign_in: SignIn | None = None,
    ) -> ImageInfo:
        """Pull `image`, or build it from the named context. Cancelling stops it.

        Who asks for the same image with the same sign-in meanwhile shares the work
        and its progress; it stops when the last one cancels. Progress comes a few
        times a second. A build makes the tag `contexts.resolve(image, build)`: create
        containers from that.

        Without `sign_in` the node's own is used, if it has one. One for another
        registry than the image's is refused and sent nowhere.
        """
        ...

    async def image_facts(
        self, image: str, *, sign_in: SignIn | None = None, node: bool = True
    ) -> ImageFacts:
        """What is known of an image, from the node or else from its registry.

        Without `node` the registry is asked, whatever the node has. Answers within
        ten seconds or so. Raises ImageNotFound, RegistryRefused, RegistryUnreachable.
        """
        ...

    async def check_sign_in(self, sign_in: SignIn) -> None:
        """Try it at its registry. Raises RegistryRefused, RegistryUnreachable."""
        ...

    async def usage(self, container_id: str) -> Usage | None:
        """What it uses now; None when it does not run or is gone.

        May take a second or two, however many are asked at once.
        """
        ...

    async def volume_sizes(self, names: Collection[str]) -> dict[str, int]:
        """Bytes by name; what is not there, or cannot be told, is left out.

        Slow: the engine counts every file.
        """
        ...

    def volume_archive(
        self, name: str, *, gzip: bool = False
    ) -> AsyncGenerator[bytes, None]:
        """A tar of the volume's files as it is made; paths begin with "./".

        Close it to stop early. Raises EngineRefused when there is no such volume.
        """
        ...

    async def volume_fill(self, name: str, files: AsyncIterable[bytes]) -> None:
        """Put a tar's files into the volume, over those it has; a missing one is made.

        files: a tar as `volume_archive` gives it, owners and modes included. When it
        breaks off, some files may be there already.
        """
        ...

    async def close(self) -> None: ...
