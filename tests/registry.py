"""A registry of one image for a whole console, as fast as a test lets it be."""

import asyncio
import threading

import pytest

from replicas.tests.engine_fixtures.registry import Registry

# Of the image's larger layer, which cannot be compressed.
RANDOM_BYTES = 30_000_000


class OwnRegistry:
    """`Registry` in a thread of its own. `image` can be pulled, `host`/other cannot."""

    def __init__(self):
        self._dripping = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._made = self._run(Registry().open(random_bytes=RANDOM_BYTES))
        self.image, self.size = self._made.image, self._made.size
        self.host = f"127.0.0.1:{self._made.port}"

    def hold(self):
        """Let no byte of a layer through from now on."""
        self._loop.call_soon_threadsafe(self._made.hold)

    def trickle(self, per_second):
        """From now on let so many bytes through each second, until `release`."""
        self.hold()
        self._dripping = asyncio.run_coroutine_threadsafe(
            self._drip(per_second // 20), self._loop
        )

    async def _drip(self, drop):
        while True:
            self._made.release(drop)
            await asyncio.sleep(1 / 20)

    def release(self):
        """Let all bytes through."""
        if self._dripping is not None:
            self._dripping.cancel()
        self._loop.call_soon_threadsafe(self._made.release)

    def close(self):
        self.release()
        self._run(self._made.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self, work):
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)


@pytest.fixture
def slow_registry():
    made = OwnRegistry()
    yield made
    made.close()
