"""Sends one request through the ingress and tells what comes back, as it comes."""

from __future__ import annotations

import asyncio
import codecs
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

import httpx

from endpoints import advice
from endpoints.models import Endpoint
from endpoints.reaching import OWN_PAGE, host_header, ingress_url, pass_cookie
from endpoints.trying.asked import Asked
from endpoints.trying.showing import (
    Kind,
    Shown,
    content_type,
    packed,
    packing,
    shown,
)

# Seconds of silence, a cold start included, and of an answer that never ends.
LONGEST = 1800
# Bytes of text that are shown, and of what must be whole to be shown.
TEXT_MAX = 1_000_000
WHOLE_MAX = 8_000_000


@dataclass(frozen=True)
class Begun:
    """The first of an answer. seconds: since the request was sent."""

    status: int
    reason: str
    headers: tuple[tuple[str, str], ...]
    seconds: float


@dataclass(frozen=True)
class Text:
    text: str


@dataclass(frozen=True)
class Ended:
    """size: bytes that were read. cut: the rest was not waited for."""

    seconds: float
    size: int
    cut: bool = False


@dataclass(frozen=True)
class Trouble:
    """There is no answer, or no more of it; a sentence says why and what to do."""

    sentence: str


Piece = Begun | Text | Shown | Ended | Trouble


async def send(
    endpoint: Endpoint, asked: Asked, cookie: str = ""
) -> AsyncGenerator[Piece, None]:
    """Begun, then Text as it arrives or one Shown, then Ended; or Trouble at any time.

    cookie: the value of a pass; "" for none. Close it to stop early.
    """
    began = time.monotonic()
    try:
        async with _client() as client:
            request = _request(client, endpoint, asked, cookie)
            answer = await client.send(request, stream=True)
            async with aclosing(answer), aclosing(_told(answer, began)) as pieces:
                async for piece in pieces:
                    yield piece
    except httpx.ReadTimeout:
        yield Trouble(
            f"Nothing came within {LONGEST // 60} min, so it was ended here. Send what "
            "takes longer with one of the snippets, or with X-OctoAI-Async: 1."
        )
    except httpx.ConnectError:
        yield Trouble(f"The ingress does not answer. See “{advice.status()}”.")
    except httpx.RequestError:
        yield Trouble(
            "The answer broke off. If that goes on, the endpoint's logs say why."
        )


def _client() -> httpx.AsyncClient:
    transport = httpx.AsyncHTTPTransport(verify=False, trust_env=False)
    patience = httpx.Timeout(None, connect=5.0, read=LONGEST)
    return httpx.AsyncClient(transport=transport, timeout=patience, trust_env=False)


def _request(
    client: httpx.AsyncClient, endpoint: Endpoint, asked: Asked, cookie: str
) -> httpx.Request:
    cookies = [value for name, value in asked.headers if name.lower() == "cookie"]
    headers = [
        pair
        for pair in asked.headers
        if pair[0].lower() not in ("cookie", "accept-encoding")
    ]
    named = {name.lower() for name, _ in headers}
    usual = [("Accept", "*/*"), ("User-Agent", "Alight")]
    headers += [pair for pair in usual if pair[0].lower() not in named]
    # Whatever was typed: a packed answer is not unpacked here, so it cannot be shown.
    headers.append(("Accept-Encoding", "identity"))
    if shown := "; ".join([*cookies, *([pass_cookie(cookie)] if cookie else [])]):
        headers.append(("Cookie", shown))
    if cookie:
        headers.append(OWN_PAGE)
    url = httpx.URL(ingress_url()).copy_with(raw_path=asked.path.encode())
    request = client.build_request(asked.method, url, content=asked.body or None)
    length = {k: v for k, v in request.headers.items() if k == "content-length"}
    request.headers = httpx.Headers(
        [("Host", host_header(endpoint)), *headers, *length.items()]
    )
    return request


async def _told(answer: httpx.Response, began: float) -> AsyncGenerator[Piece, None]:
    yield Begun(
        answer.status_code,
        answer.reason_phrase,
        tuple(answer.headers.multi_items()),
        time.monotonic() - began,
    )
    said = content_type(answer.headers.get("content-type", ""))
    how = packing(answer.headers.get("content-encoding", ""))
    size, cut = 0, False
    # Read as it is sent: unpacked, one chunk may be larger than the machine.
    if said.kind is Kind.TEXT and not how:
        decoder = codecs.getincrementaldecoder(said.charset)(errors="replace")
        async for chunk in answer.aiter_raw():
            room = TEXT_MAX - size
            size += min(len(chunk), room)
            if text := decoder.decode(chunk[:room]):
                yield Text(text)
            if cut := len(chunk) > room or _too_long(began):
                break
    else:
        body = bytearray()
        async for chunk in answer.aiter_raw():
            body += chunk
            size = len(body)
            if cut := size > WHOLE_MAX or _too_long(began):
                break
        if size and not cut:
            # Setting out megabytes takes a while; the web process has others to serve.
            whole = bytes(body)
            if how:
                yield await asyncio.to_thread(packed, whole, how)
            else:
                yield await asyncio.to_thread(shown, whole, said)
    yield Ended(time.monotonic() - began, size, cut)


def _too_long(began: float) -> bool:
    return time.monotonic() - began > LONGEST
