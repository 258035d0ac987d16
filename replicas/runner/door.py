"""The worker's door: what other processes of this installation ask of the engine.

A private socket (ALIGHT_WORKER_SOCKET, for its owner only) that speaks HTTP and JSON;
endpoints/worker.py is its caller and has checked who asks; the ingress calls /wake,
and whoever watches over the worker /healthz.
A refusal is status 409 with `reason` and a sentence. Bodies may hold passwords: they
are never logged.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import asdict
from pathlib import Path

from aiohttp import web
from django.conf import settings

from endpoints import advice
from replicas import pulls, tasks
from replicas.engine import errors
from replicas.engine.base import (
    EngineError,
    EngineStreams,
    RegistryUnreachable,
    SignIn,
)
from replicas.runner import signing_in
from replicas.runner.threads import in_thread
from replicas.runner.volumes import VolumeKeeper
from replicas.runner.waking import Waker

log = logging.getLogger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

# Seconds for a registry, fewer than the caller waits for this door.
_PATIENCE = 8.0
# Turns of beat without a whole sweep after which it counts as stuck.
_ROUNDS = 6
# Seconds that open answers get when the worker ends.
_FAREWELL = 1.0


class Door:
    """Opens at the first sweep; each later one sees to it that somebody is reached."""

    def __init__(self, streams: EngineStreams, keeper: VolumeKeeper) -> None:
        self._streams = streams
        self._keeper = keeper
        self._waker = Waker()
        self._path = Path(settings.ALIGHT_WORKER_SOCKET)
        self._runner: web.AppRunner | None = None
        self._mine = (0, 0)

    async def sweep(self) -> None:
        # Where two workers run, the one that came last has the name, and the other
        # takes it when that one has gone.
        if self._runner is None or not await self._somebody_listens():
            await self._open()

    async def close(self) -> None:
        if self._runner is None:
            return
        if _identity(self._path) == self._mine:
            self._path.unlink(missing_ok=True)
        await self._runner.cleanup()
        await self._waker.close()
        self._runner = None

    async def _somebody_listens(self) -> bool:
        if _identity(self._path) == self._mine:
            return True
        try:
            # One that is frozen takes no more connections, and says nothing.
            async with asyncio.timeout(_FAREWELL):
                _, writer = await asyncio.open_unix_connection(self._path)
        except (TimeoutError, OSError):
            return False
        writer.close()
        return True

    async def _open(self) -> None:
        await self.close()
        app = web.Application(middlewares=[_refusals])
        app.add_routes(
            [
                web.post("/image-facts", self._image_facts),
                web.post("/check-sign-in", self._check_sign_in),
                web.post("/look-at-volumes", self._look_at_volumes),
                web.post("/measure-volumes", self._measure_volumes),
                web.get("/volumes/{volume_id}/archive", self._archive),
                web.post("/wake", self._wake),
                web.get("/healthz", self._healthz),
            ]
        )
        runner = web.AppRunner(
            app,
            access_log=None,
            # Work ends when the one who asked for it has gone.
            handler_cancellation=True,
            shutdown_timeout=_FAREWELL,
        )
        # First what may fail: the folder may be full or gone.
        listening = _listen(self._path)
        await runner.setup()
        await web.SockSite(runner, listening).start()
        self._mine = _identity(self._path)
        self._runner = runner

    async def _image_facts(self, request: web.Request) -> web.Response:
        asked = await request.json()
        sign_in = await in_thread(
            signing_in.sign_in, asked["owner_id"], asked["registry"]
        )
        try:
            async with asyncio.timeout(_PATIENCE):
                facts = await self._streams.image_facts(asked["image"], sign_in=sign_in)
                if facts.present and not await in_thread(
                    pulls.may_use, asked["owner_id"], asked["image"], facts.id
                ):
                    # Somebody else's sign-in brought it: only the registry can tell.
                    facts = await self._streams.image_facts(
                        asked["image"], sign_in=sign_in, node=False
                    )
        except TimeoutError:
            raise _slow(errors.registry_of(asked["image"])) from None
        return web.json_response(asdict(facts))

    async def _check_sign_in(self, request: web.Request) -> web.Response:
        asked = await request.json()
        sign_in = SignIn(asked["registry"], asked["username"], asked["password"])
        try:
            async with asyncio.timeout(_PATIENCE):
                await self._streams.check_sign_in(sign_in)
        except TimeoutError:
            raise _slow(sign_in.registry) from None
        return web.json_response({})

    async def _look_at_volumes(self, request: web.Request) -> web.Response:
        await self._keeper.remove_all()
        return web.json_response({})

    async def _measure_volumes(self, request: web.Request) -> web.Response:
        asked = await request.json()
        await self._keeper.measure(asked["owner_id"])
        return web.json_response({})

    async def _archive(self, request: web.Request) -> web.StreamResponse:
        volume_id = int(request.match_info["volume_id"])
        answer = web.StreamResponse()
        async with aclosing(self._keeper.archive(volume_id)) as pieces:
            # What goes wrong before the first piece can still be told.
            first = await anext(pieces, b"")
            await answer.prepare(request)
            try:
                await answer.write(first)
                async for piece in pieces:
                    await answer.write(piece)
            except BaseException as error:
                # Without its last chunk the answer is seen to be broken.
                _break_off(request)
                if isinstance(error, EngineError):
                    log.warning("Download of volume %s broke off: %s", volume_id, error)
                raise
        return answer

    async def _wake(self, request: web.Request) -> web.Response:
        asked = await request.json()
        if not await self._waker.wake(asked["name"]):
            raise web.HTTPNotFound
        return web.json_response({})

    async def _healthz(self, request: web.Request) -> web.Response:
        """200 while it makes its rounds to their end; 503 with how long it has not."""
        ago = tasks.swept_ago()
        late = ago > _ROUNDS * settings.ALIGHT_SWEEP_SECONDS
        return web.json_response({"swept": round(ago, 1)}, status=503 if late else 200)


def _break_off(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()


@web.middleware
async def _refusals(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except EngineError as error:
        said = {"reason": error.reason, "message": str(error)}
        return web.json_response(said, status=409)
    except web.HTTPException:
        raise
    except Exception:
        log.exception("The worker could not answer %s", request.path)
        said = {
            "reason": "WorkerFailed",
            "message": "The worker hit a problem of its own. Its log says which: see "
            f"“{advice.find_log('worker')}”.",
        }
        return web.json_response(said, status=500)


def _listen(path: Path) -> socket.socket:
    """A socket under this name that listens already when it gets the name."""
    made = Path(f"{path}.{os.getpid()}.tmp")
    made.unlink(missing_ok=True)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listening.bind(str(made))
        made.chmod(0o600)
        listening.listen(128)
        made.rename(path)
    except OSError:
        listening.close()
        raise
    return listening


def _identity(path: Path) -> tuple[int, int]:
    """Which file this is; (0, 0) for none."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return (0, 0)
    return found.st_dev, found.st_ino


def _slow(registry: str) -> RegistryUnreachable:
    return RegistryUnreachable(
        f"{registry} has not answered within {_PATIENCE:.0f} s. Check its address, "
        "then try again."
    )
