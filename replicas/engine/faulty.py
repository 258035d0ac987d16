"""An engine that fails, hangs or loses its answer when it is told to, for tests.

It stands before a real one and hands everything on; `faults.py` says what goes wrong
and is told so from outside, while it runs. Without faults it is the engine behind it.
For a whole console:

    ALIGHT_ENGINE=replicas.engine.faulty.FaultyEngine
    ALIGHT_ENGINE_STREAMS=replicas.engine.faulty.FaultyStreams
    ALIGHT_FAULTS=/a/folder

What can be struck is read from the protocols, so a new method is struck as well.
"""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import suppress
from functools import cache
from typing import Any

from django.conf import settings

from replicas.engine.base import Engine, EngineStreams, Observed
from replicas.engine.docker import DockerEngine
from replicas.engine.faults import Fault, Faults
from replicas.engine.streams import DockerStreams

# Seconds between looks whether what hangs may go on, or an open stream is struck.
_PAUSE = 0.02


def calls_of(protocol: type) -> tuple[str, ...]:
    """The names of its methods, in order."""
    return tuple(
        name
        for name, member in vars(protocol).items()
        if inspect.isfunction(member) and not name.startswith("_")
    )


ACTS = calls_of(Engine)
WAITS = tuple(
    name
    for name in calls_of(EngineStreams)
    if inspect.iscoroutinefunction(vars(EngineStreams)[name])
)
STREAMS = tuple(name for name in calls_of(EngineStreams) if name not in WAITS)


class _Struck:
    """What both have: the engine behind, the faults, and which container is whose."""

    def __init__(self, behind: Any, faults: Faults | None) -> None:
        self.behind = behind
        self.faults = faults or _faults(settings.ALIGHT_FAULTS)

    def _take(self, call: str, args: Any, kwargs: Any) -> Fault | None:
        if not self.faults.planned():
            return None
        names = [_NAMES.get(arg, "") for arg in args if isinstance(arg, str)]
        return self.faults.take(call, f"{args} {kwargs} {names}")

    def __getattr__(self, name: str) -> Any:
        """Only asked for what is not above: everything of the engine behind."""
        member = getattr(self.behind, name)
        wrap = self._wrapper(name)
        return wrap(name, member) if wrap is not None else member

    def _wrapper(self, name: str) -> Callable[[str, Any], Any] | None:
        raise NotImplementedError


class FaultyEngine(_Struck):
    """See `replicas.engine.base.Engine`."""

    def __init__(self, behind: Engine | None = None, faults: Faults | None = None):
        super().__init__(behind or DockerEngine(), faults)

    def _wrapper(self, name: str) -> Callable[[str, Any], Any] | None:
        return self._act if name in ACTS else None

    def _act(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            fault = self._take(name, args, kwargs)
            if fault is not None and fault.does == "hang":
                self._hang(fault)
            elif fault is not None and fault.does == "fail":
                raise fault.exception()
            answer = real(*args, **kwargs)
            _learn(answer)
            if fault is not None and fault.does == "lose":
                raise fault.exception()
            return answer

        return call

    def _hang(self, fault: Fault) -> None:
        ends = time.monotonic() + fault.seconds
        while self.faults.holds(fault):
            if time.monotonic() >= ends:
                raise fault.exception()
            time.sleep(_PAUSE)


class FaultyStreams(_Struck):
    """See `replicas.engine.base.EngineStreams`.

    A stream can be struck when it is opened, or later, by a fault that is told while
    it is open.
    """

    def __init__(
        self, behind: EngineStreams | None = None, faults: Faults | None = None
    ):
        super().__init__(behind or DockerStreams(), faults)

    def _wrapper(self, name: str) -> Callable[[str, Any], Any] | None:
        if name in STREAMS:
            return self._stream
        return self._wait if name in WAITS else None

    def _wait(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        async def call(*args: Any, **kwargs: Any) -> Any:
            fault = self._take(name, args, kwargs)
            if fault is not None and fault.does == "hang":
                await self._hang(fault)
            elif fault is not None and fault.does == "fail":
                raise fault.exception()
            answer = await real(*args, **kwargs)
            if fault is not None and fault.does == "lose":
                raise fault.exception()
            return answer

        return call

    async def _hang(self, fault: Fault) -> None:
        ends = time.monotonic() + fault.seconds
        while self.faults.holds(fault):
            if time.monotonic() >= ends:
                raise fault.exception()
            await asyncio.sleep(_PAUSE)

    def _stream(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, None]:
            # Now: what counts for some streams is when they were asked for.
            pieces = real(*args, **kwargs)
            return self._pieces(name, args, kwargs, pieces)

        return call

    async def _pieces(
        self, name: str, args: Any, kwargs: Any, source: AsyncIterator[Any]
    ) -> AsyncGenerator[Any, None]:
        mark, given = self.faults.mark(), 0
        fault = self._take(name, args, kwargs)
        coming: asyncio.Future[Any] | None = None
        try:
            while True:
                if coming is None:
                    coming = asyncio.ensure_future(_step(source))
                if fault is not None and given >= fault.after:
                    await self._strike(fault, coming)
                    fault = None
                await asyncio.wait({coming}, timeout=_PAUSE)
                if coming.done():
                    piece, coming = coming.result(), None
                    if piece is _END:
                        return
                    given += 1
                    yield piece
                if fault is None and mark != (now := self.faults.mark()):
                    mark, fault = now, self._take(name, args, kwargs)
        finally:
            await _close(source, coming)

    async def _strike(self, fault: Fault, coming: asyncio.Future[Any]) -> None:
        """Fail, hang, or let the next piece be lost and then fail."""
        if fault.does == "hang":
            await self._hang(fault)
            return
        if fault.does == "lose":
            await asyncio.wait({coming})
        raise fault.exception()


_END = object()
# Containers' names by id: faults are about endpoints, most calls name a container.
_NAMES: dict[str, str] = {}


def _learn(answer: Any) -> None:
    for seen in answer if isinstance(answer, list) else [answer]:
        if isinstance(seen, Observed):
            _NAMES[seen.id] = seen.name


async def _step(source: AsyncIterator[Any]) -> Any:
    """The next piece. Its end is told as a value: a future cannot carry the other."""
    try:
        return await anext(source)
    except StopAsyncIteration:
        return _END


async def _close(source: Any, coming: asyncio.Future[Any] | None) -> None:
    if coming is not None:
        coming.cancel()
        await asyncio.gather(coming, return_exceptions=True)
    with suppress(AttributeError):
        await source.aclose()


@cache
def _faults(home: str) -> Faults:
    if not home:
        raise ValueError("ALIGHT_FAULTS names no folder to read faults from.")
    return Faults(home)
