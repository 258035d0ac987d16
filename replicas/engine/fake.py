"""An engine in memory, for tests and for the console without a machine.

`World` holds what is true; engines and streams made without one share
`World.shared()`. Tests change the world through its verbs:

    world = World()
    world.publish("app:1", FakeImage(ports=(3000,)))   # what the registry has
    world.images["app:1"] = FakeImage()                # what the node has
    engine, streams = FakeEngine(world), FakeStreams(world)
    world.say(container_id, "hello")                   # output
    world.rotate_away(container_id, 3)                 # of which the oldest is gone
    world.crash(container_id, code=3); world.run_out_of_memory(container_id)
    world.down = True                                  # the engine goes away
    world.hold_pulls(); world.step_pull("app:1", 0.5); world.finish_pull("app:1")
    world.publish("lab.example/app:1", FakeImage(private=True))    # needs a sign-in
    world.accounts["lab.example"] = {"ada": "password"}            # who may sign in
    world.gpus = [FoundGpu("GPU-1", "A10", 24)]        # None: they cannot be told
    world.containers[container_id].cpu = 12.5          # and memory, received, sent
    world.run_script = Machine().run                   # of the node; refused by default
    world.volumes["name"] = {"notes.txt": b"kept"}     # files by path
"""

from __future__ import annotations

import asyncio
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Callable,
    Collection,
)
from contextlib import aclosing

from replicas.engine import contexts, fake_accounts, fake_volumes
from replicas.engine.base import (
    LOST,
    NOTHING,
    EngineEvent,
    FetchProgress,
    FoundGpu,
    ImageFacts,
    ImageInfo,
    Known,
    LogChunk,
    NodeInfo,
    Observed,
    SignIn,
    Usage,
    Wanted,
)
from replicas.engine.errors import no_image_name, unreachable
from replicas.engine.fake_parts import Container, FakeImage
from replicas.engine.fake_world import World
from replicas.engine.names import is_reference
from replicas.engine.sharing import Sharing

__all__ = ["FakeEngine", "FakeImage", "FakeStreams", "World"]


class FakeEngine:
    """See `replicas.engine.base.Engine`."""

    def __init__(self, world: World | None = None) -> None:
        self.world = world or World.shared()

    def node(self) -> NodeInfo:
        with self.world.alive() as world:
            return world.node

    def observe(self, labels: dict[str, str]) -> list[Observed]:
        with self.world.alive() as world:
            return [
                held.observed()
                for held in world.containers.values()
                if labels.items() <= held.wanted.labels.items()
            ]

    def image(self, reference: str) -> ImageInfo | None:
        with self.world.alive() as world:
            found = world.local(reference)
            return found.info(reference) if found else None

    def create(self, wanted: Wanted) -> Observed:
        with self.world.alive() as world:
            return world.create(wanted).observed()

    def start(self, container_id: str) -> Observed:
        with self.world.alive() as world:
            return world.start(container_id).observed()

    def terminate(self, container_id: str) -> None:
        with self.world.alive() as world:
            held = world.containers.get(container_id)
            if held is not None and held.running and not held.image.stubborn:
                world.end(container_id, code=143)

    def stop(self, container_id: str, *, grace: int) -> None:
        with self.world.alive() as world:
            held = world.containers.get(container_id)
            if held is not None and held.running:
                world.end(container_id, code=137 if held.image.stubborn else 143)

    def remove(self, container_id: str) -> None:
        with self.world.alive() as world:
            world.remove(container_id)

    def tail(self, container_id: str, lines: int) -> list[str]:
        with self.world.alive() as world:
            held = world.containers.get(container_id)
            whole = [chunk.text for chunk in held.output] if held else []
            return whole[-lines:] if lines else []

    def listening_ports(
        self, container_id: str, *, loopback: bool = False
    ) -> list[int]:
        with self.world.alive() as world:
            held = world.containers.get(container_id)
            if held is None or not held.running:
                return []
            return sorted(held.loopback if loopback else held.listening)

    def gpus(self) -> list[FoundGpu] | None:
        with self.world.alive() as world:
            return None if world.gpus is None else list(world.gpus)

    def in_network(self, script: str) -> str:
        with self.world.alive() as world:
            return world.run_script(script)

    def remove_volume(self, name: str) -> None:
        with self.world.alive() as world:
            fake_volumes.remove(world, name)


class FakeStreams:
    """See `replicas.engine.base.EngineStreams`."""

    def __init__(self, world: World | None = None) -> None:
        self.world = world or World.shared()
        self._fetches: Sharing[FetchProgress, ImageInfo] = Sharing()

    def events(self, labels: dict[str, str]) -> AsyncIterator[EngineEvent]:
        return self._events(labels, len(self.world.events))

    async def _events(
        self, labels: dict[str, str], seen: int
    ) -> AsyncIterator[EngineEvent]:
        async with aclosing(self._changes()) as changes:
            async for _ in changes:
                with self.world.alive() as world:
                    news, seen = world.events[seen:], len(world.events)
                for event in news:
                    if labels.items() <= event.labels.items():
                        yield event

    async def logs(self, container_id: str, *, since: int) -> AsyncIterator[LogChunk]:
        async with aclosing(self.log_batches(container_id, since=since)) as batches:
            async for batch in batches:
                for chunk in batch:
                    yield chunk

    async def log_batches(
        self, container_id: str, *, since: int, known: Known = NOTHING
    ) -> AsyncGenerator[list[LogChunk], None]:
        read, last = 0, since
        async with aclosing(self._changes()) as changes:
            async for _ in changes:
                with self.world.alive() as world:
                    held = world.containers.get(container_id)
                    gone = held.output_gone if held else 0
                    output = held.output[max(0, read - gone) :] if held else []
                    over = held is None or not held.running
                if output and gone > read and output[0].at > last > 0:
                    yield [LogChunk(output[0].at, LOST, str(last))]
                read = max(read, gone) + len(output)
                last = max([last, *(chunk.at for chunk in output)])
                if batch := [chunk for chunk in output if chunk.at >= since]:
                    yield batch
                if over:
                    return

    async def live_tail(self, container_id: str) -> AsyncIterator[tuple[str, bytes]]:
        with self.world.alive() as world:
            held: Container | None = world.containers.get(container_id)
            read = len(held.pieces) if held else 0
        async with aclosing(self._changes()) as changes:
            async for _ in changes:
                with self.world.alive() as world:
                    held = world.containers.get(container_id)
                    pieces = held.pieces[read:] if held else []
                    over = held is None or not held.running
                read += len(pieces)
                for piece in pieces:
                    yield piece
                if over:
                    return

    async def fetch(
        self,
        image: str,
        *,
        build: str,
        on_progress: Callable[[FetchProgress], None],
        sign_in: SignIn | None = None,
    ) -> ImageInfo:
        wanted = contexts.resolve(image, build) if build else image

        async def work(tell: Callable[[FetchProgress], None]) -> ImageInfo:
            if build:
                return await self._fetch(wanted, "build", self._built(wanted), tell)
            with self.world.alive() as world:
                found = fake_accounts.offered(world, wanted, sign_in)
            return await self._fetch(wanted, "pull", found, tell)

        return await self._fetches.run((wanted, sign_in), work, on_progress)

    def _built(self, tag: str) -> FakeImage:
        with self.world.alive() as world:
            found = world.offered(tag)
        if isinstance(found, Exception):
            raise found
        return found or FakeImage()

    async def _fetch(
        self,
        image: str,
        verb: str,
        made: FakeImage,
        tell: Callable[[FetchProgress], None],
    ) -> ImageInfo:
        async with aclosing(self._changes()) as changes:
            async for _ in changes:
                with self.world.alive() as world:
                    share = world.share_of(image)
                tell(made.progress(verb, share))
                if share >= 1:
                    break
        with self.world.alive() as world:
            world.images[image] = made
        return made.info(image)

    async def image_facts(
        self, image: str, *, sign_in: SignIn | None = None, node: bool = True
    ) -> ImageFacts:
        if not is_reference(image):
            raise no_image_name(image)
        with self.world.alive() as world:
            here = world.local(image) if node else None
            found = here or fake_accounts.offered(world, image, sign_in)
        info = found.info(image)
        known = (info.ports, info.volumes, info.size, info.id)
        return ImageFacts(here is not None, *known, id=info.id if here else "")

    async def check_sign_in(self, sign_in: SignIn) -> None:
        with self.world.alive() as world:
            fake_accounts.check(world, sign_in)

    async def usage(self, container_id: str) -> Usage | None:
        with self.world.alive() as world:
            held = world.containers.get(container_id)
            return held.usage() if held is not None and held.running else None

    async def volume_sizes(self, names: Collection[str]) -> dict[str, int]:
        with self.world.alive() as world:
            return {
                name: sum(map(len, world.volumes[name].values()))
                for name in names
                if name in world.volumes
            }

    async def volume_archive(
        self, name: str, *, gzip: bool = False
    ) -> AsyncGenerator[bytes, None]:
        with self.world.alive() as world:
            packed = fake_volumes.pack(world, name, gzip=gzip)
        for at in range(0, len(packed), fake_volumes.PIECE):
            yield packed[at : at + fake_volumes.PIECE]

    async def volume_fill(self, name: str, files: AsyncIterable[bytes]) -> None:
        whole = b"".join([piece async for piece in files])
        with self.world.alive() as world:
            fake_volumes.unpack(world, name, whole)

    async def close(self) -> None:
        await self._fetches.close()

    async def _changes(self) -> AsyncGenerator[None, None]:
        """One step at once, then one after every change of the world."""
        loop = asyncio.get_running_loop()
        news = asyncio.Event()

        def wake() -> None:
            loop.call_soon_threadsafe(news.set)

        self.world.listeners.append(wake)
        try:
            while True:
                news.clear()
                if self.world.down:
                    raise unreachable()
                yield
                await news.wait()
        finally:
            self.world.listeners.remove(wake)
