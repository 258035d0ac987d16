"""The engine's HTTP interface over its socket, for long streams.

One session belongs to one event loop. Connections are not counted: every followed
container holds one.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterable, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from aiohttp import HttpVersion, HttpVersion11

from replicas.engine import errors
from replicas.engine.base import EngineError

_CONNECT = 10.0
_BUFFER = 1024 * 1024
# Longest message in a stream of JSON lines.
_LINE = 4 * 1024 * 1024

Params = Mapping[str, str]


class Wire:
    """Raises EngineUnreachable when nothing answers, else what the engine said."""

    def __init__(self, host: str, *, version: HttpVersion = HttpVersion11) -> None:
        self._host = host
        self._version = version
        self._session: aiohttp.ClientSession | None = None

    async def json(
        self, path: str, *, params: Params | None = None, silence: float = 60
    ) -> Any:
        async with self.open("GET", path, params=params, silence=silence) as response:
            return await response.json()

    async def messages(
        self, response: aiohttp.ClientResponse
    ) -> AsyncIterator[dict[str, Any]]:
        """JSON objects, one a line, as they come."""
        held = b""
        async for piece in response.content.iter_any():
            *lines, held = (held + piece).split(b"\n")
            for line in lines:
                if line.strip():
                    yield json.loads(line)
            if len(held) > _LINE:
                raise errors.translate(0, "a message in its stream was too long")
        if held.strip():
            yield json.loads(held)

    @asynccontextmanager
    async def open(
        self,
        method: str,
        path: str,
        *,
        params: Params | None = None,
        headers: Mapping[str, str] | None = None,
        data: bytes | AsyncIterable[bytes] | None = None,
        silence: float | None = None,
        image: str = "",
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """A response whose body is still to come. `silence`: seconds without a byte
        after which the engine counts as gone; None waits for ever."""
        timeout = aiohttp.ClientTimeout(
            total=None, sock_connect=_CONNECT, sock_read=silence
        )
        try:
            async with self._open().request(
                method,
                path,
                params=params,
                headers=headers,
                data=data,
                timeout=timeout,
            ) as response:
                if response.status >= 400:
                    raise await _refusal(response, image)
                yield response
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise errors.unreachable(str(error)) from error

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            base, connector = _connector(self._host)
            self._session = aiohttp.ClientSession(
                base_url=base,
                connector=connector,
                version=self._version,
                read_bufsize=_BUFFER,
                auto_decompress=False,
            )
        return self._session


def _connector(host: str) -> tuple[str, aiohttp.BaseConnector]:
    scheme, _, rest = host.partition("://")
    if scheme in {"unix", "http+unix"}:
        return "http://engine", aiohttp.UnixConnector(
            path=f"/{rest.lstrip('/')}", limit=0
        )
    return f"http://{rest}", aiohttp.TCPConnector(limit=0)


async def _refusal(response: aiohttp.ClientResponse, image: str) -> EngineError:
    text = await response.text()
    try:
        said = str(json.loads(text)["message"])
    except (ValueError, KeyError, TypeError):
        said = text
    return errors.translate(response.status, said, image=image)
