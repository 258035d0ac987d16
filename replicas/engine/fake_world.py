"""What is true for the fake engine: images, containers, and what happens to them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from typing import TypeVar

from replicas.engine.base import (
    EngineError,
    EngineEvent,
    EngineRefused,
    FoundGpu,
    LogChunk,
    NodeInfo,
    Wanted,
)
from replicas.engine.errors import translate, unreachable
from replicas.engine.fake_parts import Container, FakeImage
from replicas.engine.names import split_tag

Found = TypeVar("Found")


class World:
    """One node and one registry. Every verb may be called from any thread."""

    _shared: World | None = None

    def __init__(self, *, node: NodeInfo | None = None, address: str = "") -> None:
        self.node = node or NodeInfo("node-1", 8, 32 * 1024, "20.10.24")
        # Given to every container when set, such as 127.0.0.1 in tests that dial.
        self.address = address
        self.down = False
        self.images: dict[str, FakeImage] = {}
        self.registry: dict[str, FakeImage | EngineError] = {}
        # Passwords by name, by registry; there is no other registry to sign in to.
        self.accounts: dict[str, dict[str, str]] = {}
        self.containers: dict[str, Container] = {}
        # Files by path, by volume.
        self.volumes: dict[str, dict[str, bytes]] = {}
        self.gpus: list[FoundGpu] | None = []
        # What the node's shell answers to a script.
        self.run_script: Callable[[str], str] = _no_shell
        self.events: list[EngineEvent] = []
        self.listeners: list[Callable[[], None]] = []
        self._lock = threading.RLock()
        self._made = 0
        self._clock = 0
        self._holding = False
        self._shares: dict[str, float] = {}

    @classmethod
    def shared(cls) -> World:
        """The world of engines that were given none."""
        if cls._shared is None:
            cls._shared = cls()
        return cls._shared

    @classmethod
    def reset(cls) -> World:
        cls._shared = cls()
        return cls._shared

    @contextmanager
    def alive(self) -> Iterator[World]:
        """The world, locked. Raises EngineUnreachable while the engine is down."""
        with self._lock:
            if self.down:
                raise unreachable()
            yield self

    # --- What tests do -------------------------------------------------------
    def publish(self, reference: str, image: FakeImage | EngineError) -> None:
        """Offer an image in the registry, or the error that asking for it gives."""
        self.registry[reference] = image

    def hold_pulls(self) -> None:
        """From now on fetches wait for `step_pull` and `finish_pull`."""
        self._holding = True

    def step_pull(self, reference: str, share: float) -> None:
        with self._lock:
            self._shares[reference] = share
        self._changed()

    def finish_pull(self, reference: str) -> None:
        self.step_pull(reference, 1.0)

    def say(self, container_id: str, text: str, stream: str = "stdout") -> None:
        """Write a line, or several."""
        with self._lock:
            held = self.containers[container_id]
            for line in text.split("\n"):
                held.output.append(LogChunk(self._tick(), stream, line))
                held.pieces.append((stream, f"{line}\n".encode()))
        self._changed()

    def rotate_away(self, container_id: str, lines: int) -> None:
        """Forget the oldest of what it wrote."""
        with self._lock:
            held = self.containers[container_id]
            del held.output[:lines]
            held.output_gone += lines
        self._changed()

    def draw(self, container_id: str, piece: bytes, stream: str = "stderr") -> None:
        """Write bytes without a newline, which only the live tail shows."""
        with self._lock:
            self.containers[container_id].pieces.append((stream, piece))
        self._changed()

    def listen(self, container_id: str, port: int, *, loopback: bool = False) -> None:
        with self._lock:
            held = self.containers[container_id]
            (held.loopback if loopback else held.listening).add(port)

    def crash(self, container_id: str, code: int = 1) -> None:
        self.end(container_id, code=code)

    def run_out_of_memory(self, container_id: str) -> None:
        with self._lock:
            self.containers[container_id].oom = True
            self._tell("oom", container_id)
            self.end(container_id, code=137)

    def vanish(self, container_id: str) -> None:
        """Someone else removes the container by force."""
        self.remove(container_id)

    def take_from_network(self, container_id: str) -> None:
        """As `docker network disconnect` does: it runs on, and has no address."""
        self.containers[container_id].address = ""

    def go_down(self) -> None:
        self.down = True
        self._changed()

    def come_back(self) -> None:
        self.down = False
        self._changed()

    # --- What the engine does ------------------------------------------------
    def local(self, reference: str) -> FakeImage | None:
        return _find(self.images, reference)

    def offered(self, reference: str) -> FakeImage | EngineError | None:
        return _find(self.registry, reference)

    def share_of(self, reference: str) -> float:
        return self._shares.get(reference, 0.0 if self._holding else 1.0)

    def create(self, wanted: Wanted) -> Container:
        for held in self.containers.values():
            if held.wanted.name == wanted.name:
                if not wanted.labels.items() <= held.wanted.labels.items():
                    raise EngineRefused(f"{wanted.name} belongs to someone else.")
                return held
        image = self.local(wanted.image)
        if image is None:
            raise translate(404, f"No such image: {wanted.image}", image=wanted.image)
        for name, _ in wanted.volumes:
            self.volumes.setdefault(name, {})
        self._made += 1
        made = Container(
            id=sha256(f"{wanted.name}/{self._made}".encode()).hexdigest(),
            wanted=replace(wanted, cores=min(wanted.cores, self.node.cores)),
            node=self.node.name,
            address=self.address or f"10.213.0.{self._made + 1}",
            image=image,
        )
        self.containers[made.id] = made
        self._tell("create", made.id)
        return made

    def start(self, container_id: str) -> Container:
        held = self.containers.get(container_id)
        if held is None:
            raise translate(404, f"No such container: {container_id}")
        if held.running:
            return held
        if held.image.start_error is not None:
            held.error = str(held.image.start_error)
            raise held.image.start_error
        held.running, held.started_at = True, self._now()
        held.exit_code, held.finished_at, held.oom = None, None, False
        held.listening = set(held.image.listens)
        held.loopback = set(held.image.loopback)
        self._tell("start", container_id)
        for line in held.image.says:
            self.say(container_id, line)
        if held.image.exits is not None:
            self.end(container_id, code=held.image.exits)
        return held

    def end(self, container_id: str, *, code: int) -> None:
        with self._lock:
            held = self.containers[container_id]
            held.running, held.exit_code = False, code
            held.finished_at = self._now()
            held.listening, held.loopback = set(), set()
            self._tell("die", container_id)

    def remove(self, container_id: str) -> None:
        with self._lock:
            held = self.containers.get(container_id)
            if held is None:
                return
            if held.running:
                self.end(container_id, code=137)
            self._tell("destroy", container_id)
            del self.containers[container_id]
        self._changed()

    def _tell(self, action: str, container_id: str) -> None:
        labels = dict(self.containers[container_id].wanted.labels)
        self.events.append(EngineEvent(action, container_id, labels, self._tick()))
        self._changed()

    def _changed(self) -> None:
        for listener in tuple(self.listeners):
            listener()

    def _tick(self) -> int:
        """A time that is never the same twice, as the engine's log times are."""
        self._clock = max(time.time_ns(), self._clock + 1)
        return self._clock

    @staticmethod
    def _now() -> datetime:
        return datetime.now(UTC)


def _find(held: Mapping[str, Found], reference: str) -> Found | None:
    wanted = split_tag(reference)
    return next((it for key, it in held.items() if split_tag(key) == wanted), None)


def _no_shell(_script: str) -> str:
    raise EngineRefused("This node has no shell.")
