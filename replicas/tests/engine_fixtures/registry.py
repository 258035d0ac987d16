"""A registry of two images, small enough to read and slow enough to watch."""

from __future__ import annotations

import asyncio
import base64
import gzip
import hashlib
import io
import json
import os
import tarfile
from dataclasses import dataclass, field

from aiohttp import web

from replicas.tests.engine_fixtures import tiny

_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
_PIECE = 64 * 1024


@dataclass
class Registry:
    """Serves `app:1`, the tiny image under a layer of random bytes of its own.

    pace: held at 0 bytes; each `release` lets that many more bytes of blobs through.
    token: asked for when set, as public registries do.
    accounts: passwords by name; who is none of them gets nothing. They sign in by
    "Basic", or with a token set, fetch it with their name and password.
    """

    blobs: dict[str, bytes] = field(default_factory=dict)
    manifest: bytes = b""
    token: str = ""
    accounts: dict[str, str] = field(default_factory=dict)
    realm: str = ""  # where tokens are, if not here
    port: int = 0
    asked: list[str] = field(default_factory=list)
    served: int = 0
    _allowed: int = 1 << 40
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    _runner: web.AppRunner | None = None

    def hold(self) -> None:
        self._allowed = 0

    def release(self, more: int = 1 << 40) -> None:
        self._allowed += more
        self._news.set()

    @property
    def image(self) -> str:
        return f"127.0.0.1:{self.port}/app:1"

    @property
    def size(self) -> int:
        return sum(one["size"] for one in json.loads(self.manifest)["layers"])

    async def open(self, *, random_bytes: int) -> Registry:
        self._fill([tiny.rootfs(os.urandom(16)), _ballast(random_bytes)])
        app = web.Application()
        app.router.add_get("/v2/", self._base)
        app.router.add_get("/v2/app/manifests/{ref}", self._manifests)
        app.router.add_get("/v2/app/blobs/{digest}", self._blob)
        app.router.add_get("/v2/secret/manifests/{ref}", self._denied)
        app.router.add_get("/v2/{name}/manifests/{ref}", self._unknown)
        app.router.add_get("/token", self._token)
        self._runner = web.AppRunner(
            app, handler_cancellation=True, shutdown_timeout=0.1
        )
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.port = self._runner.addresses[0][1]
        return self

    async def close(self) -> None:
        self.release()
        assert self._runner is not None
        await self._runner.cleanup()

    def _fill(self, trees: list[bytes]) -> None:
        packed = [gzip.compress(tree, 1, mtime=0) for tree in trees]
        config = {
            "architecture": "amd64",
            "os": "linux",
            "config": {
                "Env": ["PATH=/bin"],
                "Cmd": ["sleep", "3600"],
                "ExposedPorts": {"7860/tcp": {}, "53/udp": {}},
                "Volumes": {"/data": {}},
            },
            "rootfs": {"type": "layers", "diff_ids": [_digest(t) for t in trees]},
            "history": [{"created_by": "test"} for _ in trees],
        }
        layer = "application/vnd.docker.image.rootfs.diff.tar.gzip"
        made = json.dumps(config).encode()
        manifest = {
            "schemaVersion": 2,
            "mediaType": _MANIFEST,
            "config": {
                "mediaType": "application/vnd.docker.container.image.v1+json",
                **self._keep(made),
            },
            "layers": [{"mediaType": layer, **self._keep(blob)} for blob in packed],
        }
        self.manifest = json.dumps(manifest).encode()

    def _keep(self, blob: bytes) -> dict[str, object]:
        self.blobs[_digest(blob)] = blob
        return {"size": len(blob), "digest": _digest(blob)}

    def _refuses(self, request: web.Request) -> web.Response | None:
        self.asked.append(request.path)
        shown = request.headers.get("Authorization", "")
        if self.token:
            if shown == f"Bearer {self.token}":
                return None
            realm = self.realm or f"http://127.0.0.1:{self.port}/token"
            scope = 'service="test",scope="repository:app:pull"'
            return _wants(f'Bearer realm="{realm}",{scope}')
        return self._refuses_name(shown)

    def _refuses_name(self, shown: str) -> web.Response | None:
        if not self.accounts or shown in self._basic_words():
            return None
        return _wants('Basic realm="test"')

    def _basic_words(self) -> list[str]:
        pairs = [f"{name}:{word}".encode() for name, word in self.accounts.items()]
        return [f"Basic {base64.b64encode(pair).decode()}" for pair in pairs]

    async def _base(self, request: web.Request) -> web.Response:
        return self._refuses(request) or web.json_response({})

    async def _token(self, request: web.Request) -> web.Response:
        # Without a scope it is somebody who only tries the sign-in.
        assert request.query.get("scope") in {None, "repository:app:pull"}
        refused = self._refuses_name(request.headers.get("Authorization", ""))
        return refused or web.json_response({"token": self.token})

    async def _manifests(self, request: web.Request) -> web.Response:
        if refused := self._refuses(request):
            return refused
        ref = request.match_info["ref"]
        if ref == "many":
            return self._index()
        if ref not in {"1", _digest(self.manifest)}:
            return await self._unknown(request)
        return web.Response(
            body=self.manifest,
            content_type=_MANIFEST,
            headers={"Docker-Content-Digest": _digest(self.manifest)},
        )

    def _index(self) -> web.Response:
        def entry(machine: str, digest: str) -> dict[str, object]:
            platform = {"os": "linux", "architecture": machine}
            size = len(self.manifest)
            return {"digest": digest, "size": size, "platform": platform}

        ours = _digest(self.manifest)
        machines = [entry("s390x", _digest(b"other")), entry("amd64", ours)]
        return web.Response(
            body=json.dumps({"schemaVersion": 2, "manifests": machines}).encode(),
            content_type=_LIST,
        )

    async def _blob(self, request: web.Request) -> web.StreamResponse:
        if refused := self._refuses(request):
            return refused
        blob = self.blobs[request.match_info["digest"]]
        response = web.StreamResponse()
        response.content_length = len(blob)
        await response.prepare(request)
        for at in range(0, len(blob), _PIECE):
            piece = blob[at : at + _PIECE]
            while self._allowed < len(piece):
                self._news.clear()
                await self._news.wait()
            self._allowed -= len(piece)
            self.served += len(piece)
            await response.write(piece)
        return response

    async def _unknown(self, request: web.Request) -> web.Response:
        error = {"code": "MANIFEST_UNKNOWN", "message": "manifest unknown"}
        return web.json_response({"errors": [error]}, status=404)

    async def _denied(self, request: web.Request) -> web.Response:
        error = {"code": "DENIED", "message": "requested access is denied"}
        return web.json_response({"errors": [error]}, status=403)


def _wants(challenge: str) -> web.Response:
    error = {"code": "UNAUTHORIZED", "message": "authentication required"}
    return web.json_response(
        {"errors": [error]}, status=401, headers={"WWW-Authenticate": challenge}
    )


def _digest(blob: bytes) -> str:
    return f"sha256:{hashlib.sha256(blob).hexdigest()}"


def _ballast(size: int) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        entry = tarfile.TarInfo("data/ballast")
        entry.size = size
        tar.addfile(entry, io.BytesIO(os.urandom(size)))
    return buffer.getvalue()
