"""Asks a registry about an image, before the engine pulls it.

The engine tells a layer's size only when its turn comes, so a percentage from the
start needs the manifest; and what an image exposes is known only from its config.
This is a courtesy: the engine may know registries that this process does not reach,
so whatever goes wrong here, it is asked, too.
"""

from __future__ import annotations

import base64
import hashlib
import ipaddress
import json
import logging
import platform
import re
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any
from urllib.parse import urljoin, urlsplit

import aiohttp

from replicas.engine import names, translate
from replicas.engine.base import ImageFacts

log = logging.getLogger(__name__)

_PATIENCE = 15.0
# Manifests and configs are far smaller; an answer that goes on is none.
_LONGEST = 4 * 1024 * 1024
# Where the default registry really listens.
_HUB = "registry-1.docker.io"
_MANIFESTS = ", ".join(
    [
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    ]
)
# Whatever a registry may answer, its manifest is a courtesy.
_TROUBLE = (
    aiohttp.ClientError,
    OSError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    RecursionError,
    OverflowError,
)
_MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}
_CHALLENGE = re.compile(r'\b(\w{1,32})="([^"]*)"')
# Registries keep layers and configs elsewhere and send who asks there.
_REDIRECTS = 3

Credentials = Mapping[str, Any]


async def layer_sizes(image: str, credentials: Credentials | None) -> dict[str, int]:
    """Bytes by layer id, as the engine's messages name them; empty when unknown."""
    try:
        async with _session(_PATIENCE) as session:
            return await _Asker(session, image, credentials).sizes()
    except _TROUBLE as error:
        log.debug("No layer sizes for %s: %s", image, error)
        return {}


async def facts(
    image: str, credentials: Credentials | None, *, patience: float
) -> ImageFacts | None:
    """What manifest and config tell; None when they cannot be had.

    `patience` is in seconds, for all of it.
    """
    try:
        async with _session(patience) as session:
            return await _Asker(session, image, credentials).facts()
    except _TROUBLE as error:
        log.debug("No facts about %s: %s", image, error)
        return None


def _session(patience: float) -> aiohttp.ClientSession:
    timeout = aiohttp.ClientTimeout(total=patience)
    return aiohttp.ClientSession(timeout=timeout, trust_env=True)


class _Asker:
    def __init__(
        self,
        session: aiohttp.ClientSession,
        image: str,
        credentials: Credentials | None,
    ) -> None:
        self._session = session
        self._basic = _basic(credentials)
        self._headers = {"Accept": _MANIFESTS}
        self._base, self._tag = manifest_address(image)

    async def sizes(self) -> dict[str, int]:
        manifest, _ = await self._own_manifest()
        return {
            layer["digest"].partition(":")[2][:12]: int(layer["size"])
            for layer in manifest.get("layers", ())
        }

    async def facts(self) -> ImageFacts:
        manifest, digest = await self._own_manifest()
        blobs = self._base.removesuffix("/manifests") + "/blobs"
        config = json.loads(await self._blob(f"{blobs}/{manifest['config']['digest']}"))
        ports, volumes = translate.exposed(config.get("config") or {})
        size = sum(int(layer["size"]) for layer in manifest["layers"])
        return ImageFacts(False, ports, volumes, size, digest)

    async def _own_manifest(self) -> tuple[Any, str]:
        """The manifest for this machine, and the digest of what the tag names."""
        body = await self._get(f"{self._base}/{self._tag}")
        digest = f"sha256:{hashlib.sha256(body).hexdigest()}"
        manifest = json.loads(body)
        if "manifests" in manifest:
            ours = _for_this_machine(manifest["manifests"])
            manifest = json.loads(await self._get(f"{self._base}/{ours}"))
        return manifest, digest

    async def _get(self, url: str) -> bytes:
        async with self._ask(url, self._headers) as response:
            if response.status != 401:
                return await _body(response)
            challenge = response.headers.get("WWW-Authenticate", "")
        self._headers["Authorization"] = await self._answer(challenge)
        async with self._ask(url, self._headers) as response:
            return await _body(response)

    async def _blob(self, url: str) -> bytes:
        """As `_get`, from wherever the registry sends us: without our sign-in there."""
        headers = self._headers
        for _ in range(_REDIRECTS):
            async with self._ask(url, headers) as response:
                if response.status not in (301, 302, 303, 307, 308):
                    return await _body(response)
                url = urljoin(url, response.headers["Location"])
            headers = {}
            self._check(url)
        raise ValueError("the registry sends us on and on")

    def _ask(
        self, url: str, headers: Mapping[str, str]
    ) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        """Never follows by itself: a registry is anybody's, and would choose where
        this machine asks."""
        return self._session.get(url, headers=headers, allow_redirects=False)

    def _check(self, url: str) -> None:
        """Unencrypted, and on this machine, only where the registry is so too."""
        asked, own = urlsplit(url), urlsplit(self._base)
        if asked.scheme == "https" and not _is_inside(asked.hostname or ""):
            return
        same = (asked.scheme, asked.hostname) == (own.scheme, own.hostname)
        if same or (_is_loopback(own.netloc) and _is_loopback(asked.hostname or "")):
            return
        raise ValueError("the registry sends us where it is not")

    async def _answer(self, challenge: str) -> str:
        """What the registry wants to see: our sign-in, or a token for it."""
        scheme, _, rest = challenge.partition(" ")
        if scheme.lower() != "bearer":
            if not self._basic:
                raise ValueError("the registry wants a sign-in")
            return self._basic
        asked = dict(_CHALLENGE.findall(rest))
        self._check(asked["realm"])
        params = {key: asked[key] for key in ("service", "scope") if key in asked}
        headers = {"Authorization": self._basic} if self._basic else {}
        async with self._session.get(
            asked["realm"], params=params, headers=headers, allow_redirects=False
        ) as response:
            given = json.loads(await _body(response))
        return f"Bearer {given.get('token') or given['access_token']}"


async def _body(response: aiohttp.ClientResponse) -> bytes:
    response.raise_for_status()
    if response.status != 200:
        raise ValueError(f"the registry answered {response.status}")
    held = b""
    async for piece in response.content.iter_any():
        held += piece
        if len(held) > _LONGEST:
            raise ValueError("the registry's answer is too long")
    return held


def manifest_address(image: str) -> tuple[str, str]:
    """Where an image's manifests are, and the tag or digest to ask for.

    >>> manifest_address("redis:7")
    ('https://registry-1.docker.io/v2/library/redis/manifests', '7')
    >>> manifest_address("127.0.0.1:5000/a/b")
    ('http://127.0.0.1:5000/v2/a/b/manifests', 'latest')
    """
    name, tag = names.split_tag(image)
    host, path = names.split_registry(name)
    if host in {names.DEFAULT_REGISTRY, "index.docker.io"}:
        host = _HUB
        path = path if "/" in path else f"library/{path}"
    scheme = "http" if _is_loopback(host) else "https"
    return f"{scheme}://{host}/v2/{path}/manifests", tag


def _is_loopback(host: str) -> bool:
    """The engine, too, speaks plain HTTP with registries of the same machine."""
    name = host.rpartition(":")[0] or host
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return False


def _is_inside(host: str) -> bool:
    """An address, not a name, that only this machine or its network has."""
    try:
        return not ipaddress.ip_address(host.strip("[]")).is_global
    except ValueError:
        return host == "localhost"


def _for_this_machine(manifests: list[dict[str, Any]]) -> str:
    machine = platform.machine()
    wanted = {"os": "linux", "architecture": _MACHINES.get(machine, machine)}
    for one in manifests:
        if wanted.items() <= one.get("platform", {}).items():
            return str(one["digest"])
    raise ValueError("no manifest for this machine")


def _basic(credentials: Credentials | None) -> str:
    """The header of a name and password; empty without them."""
    known = credentials or {}
    name = known.get("Username") or known.get("username")
    word = known.get("Password") or known.get("password")
    if not name or not word:
        return ""
    return f"Basic {base64.b64encode(f'{name}:{word}'.encode()).decode('ascii')}"
