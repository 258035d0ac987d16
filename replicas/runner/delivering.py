"""Sends requests that are answered later, through the ingress as a client would.

Cold endpoints wake, each request has its turn, and a private endpoint is called with a
pass of its owner. What is not finished when this ends is sent by whoever comes next.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Coroutine
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import IO, Any, TypeVar
from uuid import UUID

import aiohttp
from django.utils import timezone
from yarl import URL

from endpoints import asynchronous, passes
from endpoints.models import AsyncRequest, Endpoint
from endpoints.reaching import OWN_PAGE, host_header, ingress_url, pass_cookie
from replicas.delivery import leases, queue
from replicas.delivery.verdicts import Next, verdict
from replicas.runner.jobs import Jobs
from replicas.runner.threads import in_thread

T = TypeVar("T")

log = logging.getLogger(__name__)

# Bytes of an answer that are kept.
ANSWER_MAX = 512 * 1024 * 1024
_PIECE = 1 << 18
# Bytes of an answer between two looks whether there is room for more.
_STEP = 4 << 20
# Seconds of silence before and in an answer; the ingress itself gives up sooner.
_SILENCE = 2 * 3600.0
# Seconds the ingress is asked to hold it for a replica, before it is asked anew.
_HOLD = 600
_PASS_LIFE = timedelta(hours=1)
_PASS_SPARE = timedelta(minutes=5)
_TOO_LARGE = (
    f"The answer has more than {ANSWER_MAX >> 20} MB. Send the request without"
    " X-OctoAI-Async."
)
_NO_ROOM = "The answer could not be kept: the disk is full or broken."
_TOO_MUCH = (
    "The answer could not be kept: this endpoint's have"
    f" {asynchronous.KEPT_BYTES_MAX >> 30} GB. Delete"
    " those you have, and send the request again."
)
_NOT_SENT = "The request could not be sent as it is. The worker's log says why."
_ODD = "The container answered with the status {}, which cannot be given back."
_NOBODY = "The endpoint's owner may not sign in any more, so nothing is sent for them."
# Seconds between two looks for what is older than it is kept.
_PRUNE = 600.0


@dataclass(frozen=True)
class Heard:
    """code: as in `verdict`. status, headers and file: a container's answer. reason:
    why there is none, where the ingress knows. shown: the pass it was sent with."""

    code: str
    status: int = 0
    headers: tuple[tuple[str, str], ...] = ()
    file: Path | None = None
    reason: str = ""
    shown: str = ""


class _NotKept(Exception):
    """The answer cannot be kept; the text says why."""

    def __init__(self, why: str, status: int) -> None:
        super().__init__(why)
        self.status = status


class Deliverer:
    """A task for each request in hand. `close` ends them all, to be sent again."""

    def __init__(self) -> None:
        self._jobs: Jobs[UUID, int] = Jobs(self._deliver)
        self._in_hand: set[UUID] = set()
        self._http: aiohttp.ClientSession | None = None
        self._passes = _Passes()
        self._looking: asyncio.Task[None] | None = None
        self._pruned = 0.0
        self._one_by_one = asyncio.Lock()

    async def sweep(self) -> None:
        # Of two at a time the older would end what the newer just began.
        async with self._one_by_one:
            await self._sweep()

    async def _sweep(self) -> None:
        wanted = await in_thread(queue.due, frozenset(self._in_hand))
        self._jobs.fit(wanted)
        await self._passes.keep_only(set(wanted.values()))
        if time.monotonic() - self._pruned > _PRUNE:
            self._pruned = time.monotonic()
            await in_thread(asynchronous.prune, timezone.now())

    async def close(self) -> None:
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.wait({self._looking})
        await self._jobs.close()
        await self._passes.keep_only(set())
        if self._http is not None:
            await self._http.close()

    async def _deliver(self, request_id: UUID, endpoint_id: int) -> None:
        try:
            held = await in_thread(leases.take, asynchronous.request_file(request_id))
        except FileNotFoundError:
            why = "What was to be sent is no longer on the disk. Send it again."
            await in_thread(asynchronous.fail, request_id, 500, why)
            return
        if held is None:
            return
        self._in_hand.add(request_id)
        try:
            await self._until_answered(request_id)
        finally:
            self._in_hand.discard(request_id)
            leases.give_back(held)
        self._look_soon()

    def _look_soon(self) -> None:
        """There is room for another; many that end together cause one look."""
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look())

    async def _look(self) -> None:
        try:
            await self.sweep()
        except Exception:
            log.exception("Requests to be answered later are looked at again soon")

    async def _until_answered(self, request_id: UUID) -> None:
        tries = failures = 0
        while True:
            try:
                request, heard = await self._sent(request_id)
            except _NotKept as error:
                await in_thread(asynchronous.fail, request_id, error.status, str(error))
                return
            if request is None:
                return
            told = verdict(heard.code, tries, request.attempts, failures)
            why = heard.reason or told.why
            match told.next:
                case Next.KEEP:
                    await _whole(in_thread(_keep, request_id, heard))
                    return
                case Next.FAIL:
                    await in_thread(asynchronous.fail, request_id, 503, why)
                    return
                case Next.RENEW:
                    await self._passes.end(request.endpoint_id, heard.shown)
            seen = told.next is Next.RESEND
            await _whole(in_thread(asynchronous.put_back, request_id, why, seen=seen))
            await asyncio.sleep(told.pause)
            tries += not seen
            failures = 0 if seen else failures + (heard.code == "failed")

    async def _sent(self, request_id: UUID) -> tuple[AsyncRequest | None, Heard]:
        """What comes of sending it once; None when nobody waits for it any more.

        Ended before there is an answer it waits again, as if it had not been sent:
        that this worker ends is not its doing. Raises _NotKept.
        """
        try:
            request = await _whole(in_thread(asynchronous.begin, request_id))
            if request is None:
                return None, Heard("")
            return request, await self._ask(request)
        except asyncio.CancelledError:
            back = in_thread(asynchronous.put_back, request_id, "", seen=False)
            await _whole(back)
            raise

    async def _ask(self, request: AsyncRequest) -> Heard:
        """What comes of sending it once. Raises _NotKept."""
        url = URL(ingress_url() + request.path, encoded=True)
        shown = await self._passes.cookie(request.endpoint)
        try:
            async with self._session().request(
                request.method,
                url,
                headers=_headers(request, shown),
                data=await in_thread(_body, request.pk),
                allow_redirects=False,
            ) as answer:
                return await _heard(request, answer, shown)
        except _NotKept:
            raise
        except aiohttp.ClientConnectorError:
            return Heard("away")
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            log.info("Request %s was broken off: %r", request.pk, error)
            return Heard("lost")
        except Exception as error:
            # Sent again it would only be the same.
            log.exception("Request %s cannot be sent", request.pk)
            raise _NotKept(_NOT_SENT, 500) from error

    def _session(self) -> aiohttp.ClientSession:
        if self._http is None:
            self._http = aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(
                    total=None, sock_connect=5, sock_read=_SILENCE
                ),
                # A connection each: none is reused that is just being closed.
                connector=aiohttp.TCPConnector(limit=0, force_close=True),
                cookie_jar=aiohttp.DummyCookieJar(),
                skip_auto_headers=("Accept", "Accept-Encoding", "User-Agent"),
                auto_decompress=False,
            )
        return self._http


@dataclass
class _Passes:
    """What private endpoints are shown, for those that have a request in hand."""

    _kept: dict[int, passes.Admission] = field(default_factory=dict)
    _one_by_one: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def cookie(self, endpoint: Endpoint) -> str:
        """The value of a pass; "" for a public endpoint. Raises _NotKept."""
        if endpoint.public:
            return ""
        if not endpoint.owner.is_active:
            raise _NotKept(_NOBODY, 401)
        async with self._one_by_one:
            kept = self._kept.get(endpoint.pk)
            now = timezone.now()
            if kept is None or kept.until < now + _PASS_SPARE:
                until = now + _PASS_LIFE
                kept = await in_thread(passes.issue, endpoint, endpoint.owner, until)
                self._kept[endpoint.pk] = kept
        return kept.cookie

    async def end(self, endpoint_id: int, shown: str = "") -> None:
        """What the endpoint is shown, if it is still this one; "" for any."""
        async with self._one_by_one:
            kept = self._kept.get(endpoint_id)
            if kept and shown in ("", kept.cookie):
                await in_thread(passes.end, kept)
                # Last: ended twice is fine, left behind is not.
                del self._kept[endpoint_id]

    async def keep_only(self, endpoint_ids: set[int]) -> None:
        for endpoint_id in self._kept.keys() - endpoint_ids:
            await self.end(endpoint_id)


def _headers(request: AsyncRequest, shown: str) -> list[tuple[str, str]]:
    named = {name.lower() for name, _ in request.headers}
    # Nobody waits to look at a page: it is to be held until it can be answered.
    mode = [] if "sec-fetch-mode" in named else [("Sec-Fetch-Mode", "cors")]
    return [
        ("Host", host_header(request.endpoint)),
        ("X-Alight-Wait", str(_HOLD)),
        *((name, value) for name, value in request.headers),
        *mode,
        *([("Cookie", pass_cookie(shown)), OWN_PAGE] if shown else []),
    ]


def _body(request_id: UUID) -> bytes | None:
    # Ten megabytes at most, and 256 requests at a time.
    return asynchronous.request_file(request_id).read_bytes() or None


async def _heard(
    request: AsyncRequest, answer: aiohttp.ClientResponse, shown: str
) -> Heard:
    if code := answer.headers.get("X-Alight-Answer", ""):
        reason = _reason(await answer.text(errors="replace"))
        return Heard(code, reason=reason, shown=shown)
    if answer.status not in range(200, 600):
        raise _NotKept(_ODD.format(answer.status), 502)
    file = await _save(request, answer)
    return Heard("", answer.status, tuple(answer.headers.items()), file)


def _reason(text: str) -> str:
    """The sentence an answer of the ingress has for people; "" when it is a page."""
    try:
        error = json.loads(text)["error"]
        return str(error.get("reason") or "")
    except (ValueError, KeyError, TypeError, AttributeError):
        return ""


async def _save(request: AsyncRequest, answer: aiohttp.ClientResponse) -> Path:
    """The body in a file of its own. Raises _NotKept."""
    out = await in_thread(asynchronous.new_part)
    size = looked = 0
    unwritten = bytearray()
    try:
        with out:
            async for piece in answer.content.iter_chunked(_PIECE):
                size += len(piece)
                if size > ANSWER_MAX:
                    raise _NotKept(_TOO_LARGE, 502)
                unwritten += piece
                if len(unwritten) >= _PIECE:
                    await _whole(asyncio.to_thread(_write, out, bytes(unwritten)))
                    unwritten.clear()
                if size - looked >= _STEP:
                    looked = size
                    await in_thread(_check_room, request, size)
            await _whole(asyncio.to_thread(_write, out, bytes(unwritten)))
            await in_thread(_check_room, request, size)
    except BaseException:
        _drop(out)
        raise
    return Path(out.name)


def _check_room(request: AsyncRequest, size: int) -> None:
    try:
        asynchronous.grow(request, size)
    except asynchronous.TooMuch:
        raise _NotKept(_TOO_MUCH, 507) from None
    except asynchronous.DiskFull:
        raise _NotKept(_NO_ROOM, 507) from None


async def _whole(work: Coroutine[Any, Any, T]) -> T:
    """What it gives. Cancelled, it is waited for all the same: threads run on."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task})
        raise


def _drop(out: IO[bytes]) -> None:
    Path(out.name).unlink(missing_ok=True)


def _write(out: IO[bytes], piece: bytes) -> None:
    try:
        out.write(piece)
        out.flush()
    except OSError as error:
        raise _NotKept(_NO_ROOM, 507) from error


def _keep(request_id: UUID, heard: Heard) -> None:
    """The answer is there from now on, unless nobody waits for it any more."""
    if heard.file is None:
        return
    kept = asynchronous.answer_file(request_id)
    asynchronous.settle(heard.file)
    heard.file.rename(kept)
    if not asynchronous.complete(request_id, heard.status, heard.headers):
        kept.unlink(missing_ok=True)
