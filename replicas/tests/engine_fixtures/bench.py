"""One bench for each engine, so that the same tests run on both.

A behaviour is a word: what the container does once it runs. The Docker bench turns it
into a command for the tiny image, the fake one into an image that behaves so.
"""

from __future__ import annotations

import asyncio
import itertools
import tempfile
import uuid
from dataclasses import dataclass, field, replace

from docker import APIClient

from replicas.engine import names
from replicas.engine.base import (
    Engine,
    EngineRefused,
    EngineStreams,
    SignIn,
    Wanted,
)
from replicas.engine.docker import DockerEngine
from replicas.engine.errors import translate
from replicas.engine.fake import FakeEngine, FakeImage, FakeStreams, World
from replicas.engine.faults import Faults
from replicas.engine.faulty import FaultyEngine, FaultyStreams
from replicas.engine.streams import DockerStreams
from replicas.tests.engine_fixtures import tiny
from replicas.tests.engine_fixtures.registry import Registry

PROGRAM = "/no/such/program"
_SHELL = {
    "waits": "sleep 1000",
    "says": "echo one; echo two; sleep 1000",
    "says and ends": "echo one; echo two; echo three",
    "says much": "echo first; sleep 0.2; busybox seq 1 20000",
    "exits with 3": "echo last words; exit 3",
    "listens": "httpd -p 127.0.0.1:9090 -h /www; httpd -f -p 8080 -h /www",
    "draws": "i=0; while sleep 0.1; do i=$((i+1)); printf '\\r%d%%' $i; done",
    "stubborn": "trap '' TERM; echo one; while true; do sleep 1; done",
}
_FAKE = {
    "waits": FakeImage(),
    "says": FakeImage(says=("one", "two")),
    "says and ends": FakeImage(says=("one", "two", "three"), exits=0),
    "says much": FakeImage(says=("first", *map(str, range(1, 20_001))), exits=0),
    "exits with 3": FakeImage(says=("last words",), exits=3),
    "listens": FakeImage(listens=(8080,), loopback=(9090,)),
    "draws": FakeImage(),
    "stubborn": FakeImage(says=("one",), stubborn=True),
    "missing program": FakeImage(exits=127),
}


@dataclass
class Bench:
    """An engine, its streams, and containers of one installation on it."""

    engine: Engine
    streams: EngineStreams
    image: str
    installation: str = field(default_factory=lambda: uuid.uuid4().hex[:12])
    # An image that the registry has, one that it has not, one whose registry is away.
    offered: str = ""
    unknown: str = ""
    nowhere: str = "127.0.0.1:1/app:1"
    _count: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    @property
    def labels(self) -> dict[str, str]:
        return {names.INSTALLATION: self.installation}

    def wanted(self, behaviour: str = "waits", **changes) -> Wanted:
        number = next(self._count)
        plain = Wanted(
            name=names.container_name(self.installation, "whisper", number, 1),
            image=self.image,
            labels=names.container_labels(self.installation, "whisper", number, 1),
            port=8080,
            node="",
        )
        return replace(plain, **(self.behave(behaviour) | changes))

    def behave(self, behaviour: str) -> dict[str, object]:
        raise NotImplementedError

    async def publish(self, **behaviour) -> None:
        """Open a registry that has `offered` and lacks `unknown`.

        With `accounts` (passwords by name) it gives nothing to anybody else.
        """
        raise NotImplementedError

    def sign_in(self, username: str, password: str) -> SignIn:
        """A sign-in to the registry of `offered`."""
        return SignIn(names.split_registry(self.offered)[0], username, password)

    async def write(self, volume: str, path: str, content: str) -> None:
        """Make the volume, if need be, and a file in it."""
        raise NotImplementedError

    def forget(self, image: str) -> None:
        """Take the image off the node."""
        raise NotImplementedError

    def shell(self, answers: dict[str, str]) -> None:
        """Where the node has none: what it answers to scripts, and no way else."""

    def run(self, behaviour: str = "waits", **changes) -> str:
        made = self.engine.create(self.wanted(behaviour, **changes))
        self.engine.start(made.id)
        return made.id

    def look(self, container_id: str):
        """The container as `observe` reports it, None when it is gone."""
        found = self.engine.observe(self.labels)
        return next((one for one in found if one.id == container_id), None)

    def take_from_network(self, container_id: str) -> None:
        """Leave it running without a network."""
        raise NotImplementedError

    def go_away(self) -> Bench:
        """The same bench with an engine that does not answer."""
        raise NotImplementedError

    def rotate(self, container_id: str) -> None:
        """Where the engine does not by itself: throw away the beginning."""

    def draw(self, container_id: str) -> None:
        """Make a container that draws write a piece without a newline."""

    async def close(self) -> None:
        await self.streams.close()


class DockerBench(Bench):
    client: APIClient
    registry: Registry | None = None

    @classmethod
    async def open(cls) -> DockerBench:
        bench = cls(DockerEngine(), DockerStreams(), "")
        bench.engine = DockerEngine(installation=bench.installation)
        bench.streams = DockerStreams(installation=bench.installation)
        bench.client = APIClient(version="auto")
        bench.image = tiny.ensure(bench.client)
        return bench

    async def publish(self, **behaviour) -> None:
        self.registry = await Registry(**behaviour).open(random_bytes=1_500_000)
        self.offered = self.registry.image
        self.unknown = f"127.0.0.1:{self.registry.port}/app:2"

    def behave(self, behaviour: str) -> dict[str, object]:
        if behaviour == "missing program":
            return {"command": (PROGRAM,)}
        return {"args": ("sh", "-c", _SHELL[behaviour])}

    async def write(self, volume: str, path: str, content: str) -> None:
        events = self.streams.events(self.labels)
        wanted = self.wanted(volumes=((volume, "/data"),))
        text = f"mkdir -p $(dirname /data/{path}); printf '{content}' > /data/{path}"
        wanted = replace(wanted, args=("sh", "-c", text))
        made = await asyncio.to_thread(self.engine.create, wanted)
        await asyncio.to_thread(self.engine.start, made.id)
        await next_event(events, "die", made.id)
        await events.aclose()
        assert self.look(made.id).exit_code == 0, self.engine.tail(made.id, 5)
        self.engine.remove(made.id)

    def forget(self, image: str) -> None:
        self.client.remove_image(image, force=True)

    def take_from_network(self, container_id: str) -> None:
        seen = self.client.inspect_container(container_id)
        for network in seen["NetworkSettings"]["Networks"]:
            self.client.disconnect_container_from_network(container_id, network)

    def go_away(self) -> Bench:
        socket = f"unix:///run/{uuid.uuid4().hex}.sock"
        return DockerBench(DockerEngine(socket), DockerStreams(socket), self.image)

    async def close(self) -> None:
        await self.streams.close()
        if self.registry is not None:
            await self.registry.close()
        for container in self.engine.observe(self.labels):
            self.engine.remove(container.id)
        mine = {"label": [f"{names.INSTALLATION}={self.installation}"]}
        for volume in self.client.volumes(filters=mine)["Volumes"] or ():
            self.client.remove_volume(volume["Name"])
        for network in self.client.networks(filters=mine):
            self.client.remove_network(network["Id"])
        if self.offered and self.engine.image(self.offered):
            self.client.remove_image(self.offered, force=True)
        self.client.close()


class FakeBench(Bench):
    world: World

    @classmethod
    async def open(cls) -> FakeBench:
        world = World()
        bench = cls(FakeEngine(world), FakeStreams(world), "app:waits")
        bench.world = world
        for behaviour, image in _FAKE.items():
            world.images[f"app:{behaviour}"] = image
        refused = translate(500, "dial tcp: connection refused", image=bench.nowhere)
        world.publish(bench.nowhere, refused)
        return bench

    async def publish(self, *, accounts=None, token="") -> None:
        self.offered, self.unknown = "127.0.0.1:5000/app:1", "127.0.0.1:5000/app:2"
        image = FakeImage(ports=(7860,), volumes=("/data",), private=bool(accounts))
        self.world.publish(self.offered, image)
        self.world.accounts["127.0.0.1:5000"] = accounts or {}

    async def write(self, volume: str, path: str, content: str) -> None:
        self.world.volumes.setdefault(volume, {})[path] = content.encode()

    def forget(self, image: str) -> None:
        del self.world.images[image]

    def behave(self, behaviour: str) -> dict[str, object]:
        command = (PROGRAM,) if behaviour == "missing program" else ()
        return {"image": f"app:{behaviour}", "command": command}

    def take_from_network(self, container_id: str) -> None:
        self.world.take_from_network(container_id)

    def go_away(self) -> Bench:
        self.world.go_down()
        return self

    def shell(self, answers: dict[str, str]) -> None:
        def run(script: str) -> str:
            if script in answers:
                return answers[script]
            raise EngineRefused("The helper in the machine’s network said: no way")

        self.world.run_script = run

    def rotate(self, container_id: str) -> None:
        self.world.rotate_away(container_id, 5000)

    def draw(self, container_id: str) -> None:
        self.world.draw(container_id, b"\r1%", "stdout")


class FaultyBench(FakeBench):
    """The fake behind an engine that could be struck, and is not."""

    @classmethod
    async def open(cls) -> FaultyBench:
        bench = await super().open()
        bench.home = tempfile.TemporaryDirectory(prefix="alight-faults-")
        faults = Faults(bench.home.name)
        bench.engine = FaultyEngine(bench.engine, faults)
        bench.streams = FaultyStreams(bench.streams, faults)
        return bench

    async def close(self) -> None:
        await super().close()
        self.home.cleanup()


async def next_event(events, action: str, container_id: str):
    """The next event of this kind about this container."""
    async for event in events:
        if (event.action, event.container_id) == (action, container_id):
            return event
    raise AssertionError("The events ended.")


async def first(stream):
    """Its first element; the stream is closed after it."""
    async for element in stream:
        await stream.aclose()
        return element
    raise AssertionError("The stream ended.")
