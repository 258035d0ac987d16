"""A registry of one image for a whole console, as fast as a test lets it be."""

import asyncio
import threading

import pytest

from replicas.tests.engine_fixtures.registry import Registry

# Of the image's larger layer, which cannot be compressed.
RANDOM_BYTES = 6_000_000


class OwnRegistry:
    """`Registry` in a thread of its own. `image` can be pulled, `host`/other cannot."""

    def __init__(self):
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._made = self._run(Registry().open(random_bytes=RANDOM_BYTES))
        self.image, self.size = self._made.image, self._made.size
        self.host = f"127.0.0.1:{self._made.port}"

    def hold(self):
        """Let no byte of a layer through from now on."""
        self._loop.call_soon_threadsafe(self._made.hold)

    def release(self, *more):
        """Let so many more bytes through; all, when no number is given."""
        self._loop.call_soon_threadsafe(self._made.release, *more)

    def close(self):
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
