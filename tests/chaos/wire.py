"""A socket between the console and its engine that spoils calls on demand.

Docker's client and ours send one request at a time on a connection, each in a piece of
its own that begins with its method; so it is enough to read the first line of pieces.
"""

import asyncio
import contextlib
import re
import threading
from dataclasses import dataclass, field
from pathlib import Path

_REQUEST = re.compile(rb"(GET|HEAD|POST|PUT|DELETE) (?:/v[\d.]+)?(\S*) HTTP/1.1\r\n")
_BODY = b'{"message":"the test has this call refused"}'
_REFUSAL = (
    b"HTTP/1.1 500 Internal Server Error\r\nContent-Type: application/json\r\n"
    b"Content-Length: %d\r\n\r\n%b" % (len(_BODY), _BODY)
)
_PIECE = 1 << 16
_ANSWERS_WITHIN = 5.0  # seconds; a stop may take as long as its container likes


@dataclass
class Spoiled:
    """Calls that match go wrong until it is over. struck: how many did.

    how: "hang" (until it is over), "refuse" (a 500), "cut" (before the engine has it)
    or "mute" (the engine does it, and its answer is cut off).
    """

    pattern: re.Pattern[str]
    how: str
    over: asyncio.Event = field(default_factory=asyncio.Event)
    struck: int = 0


class Wire:
    """Listens from `open` until `close`; connections end with it, as with dockerd."""

    def __init__(self, path: Path, engine: Path) -> None:
        self.path, self._engine = path, engine
        self._rules: list[Spoiled] = []
        self._open: set[asyncio.Task[None]] = set()
        # What each open connection was asked last.
        self._asked: dict[asyncio.StreamWriter, str] = {}
        self._server: asyncio.Server | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    @property
    def host(self) -> str:
        return f"unix://{self.path}"

    def open(self):
        self._call(self._listen())

    def close(self):
        self._call(self._hang_up())

    def end(self):
        self.close()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def cut(self, pattern: str) -> int:
        """Break the connections that were asked this last; how many there were."""
        return self._call(self._cut(re.compile(pattern)))

    @contextlib.contextmanager
    def spoiled(self, pattern: str, how: str):
        rule = Spoiled(re.compile(pattern), how)
        self._call(self._add(rule))
        # Streams that are open already were asked before it.
        self._call(self._cut(rule.pattern))
        try:
            yield rule
        finally:
            self._call(self._drop(rule))

    # --- in its own thread --------------------------------------------------------

    def _call(self, work):
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    async def _listen(self):
        self.path.unlink(missing_ok=True)
        self._server = await asyncio.start_unix_server(self._serve, str(self.path))

    async def _hang_up(self):
        if self._server is not None:
            self._server.close()
            self._server = None
        self.path.unlink(missing_ok=True)
        open_ones = list(self._open)
        for task in open_ones:
            task.cancel()
        await asyncio.gather(*open_ones, return_exceptions=True)

    async def _cut(self, pattern):
        cut = [w for w, asked in self._asked.items() if pattern.match(asked)]
        for writer in cut:
            writer.transport.abort()
        return len(cut)

    async def _add(self, rule):
        self._rules.append(rule)

    async def _drop(self, rule):
        self._rules.remove(rule)
        rule.over.set()

    async def _serve(self, reader, writer):
        task = asyncio.current_task()
        self._open.add(task)
        try:
            await self._pass_on(reader, writer)
        except (OSError, asyncio.CancelledError):
            return
        finally:
            self._open.discard(task)
            self._asked.pop(writer, None)
            writer.transport.abort()

    async def _pass_on(self, reader, writer):
        far_reader, far_writer = await asyncio.open_unix_connection(str(self._engine))
        back = asyncio.create_task(_copy(far_reader, writer))
        try:
            far = (far_reader, far_writer)
            forth = asyncio.create_task(self._forth(reader, writer, far, back))
            await asyncio.wait({forth, back}, return_when=asyncio.FIRST_COMPLETED)
            if back.cancelled():  # by a rule, which sees to the rest
                await asyncio.wait({forth})
            forth.cancel()
            await asyncio.gather(forth, return_exceptions=True)
        finally:
            back.cancel()
            await asyncio.gather(back, return_exceptions=True)
            far_writer.transport.abort()

    async def _forth(self, reader, writer, far, back):
        _far_reader, far_writer = far
        while piece := await reader.read(_PIECE):
            request = _REQUEST.match(piece)
            if request:
                what = f"{request[1].decode()} {request[2].decode()}"
                self._asked[writer] = what
                if await self._spoil(what, piece, writer, far, back):
                    return
            far_writer.write(piece)
            await far_writer.drain()
        # The client is done; the engine may still be answering.
        with contextlib.suppress(OSError):
            far_writer.write_eof()
        await back

    async def _spoil(self, what, piece, writer, far, back):
        """Whether this connection ends here."""
        rule = next((r for r in self._rules if r.pattern.match(what)), None)
        if rule is None:
            return False
        rule.struck += 1
        if rule.how == "hang":
            await rule.over.wait()
            return False
        if rule.how == "refuse":
            writer.write(_REFUSAL)
            await writer.drain()
        if rule.how == "mute":
            back.cancel()
            await asyncio.wait({back})
            await _unheard(piece, *far)
        return True


async def _unheard(piece, far_reader, far_writer):
    """Let the engine have this: it has, once it answers, and nobody hears of that."""
    far_writer.write(piece)
    await far_writer.drain()
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(far_reader.read(1), _ANSWERS_WITHIN)


async def _copy(reader, writer):
    while piece := await reader.read(_PIECE):
        writer.write(piece)
        await writer.drain()
