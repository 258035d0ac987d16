"""Asks a registry for the sizes of an image's layers, before the engine pulls them.

The engine tells a layer's size only when its turn comes, so a percentage from the
start needs the manifest. This is a courtesy: whatever goes wrong, the pull goes on
without it, and the sizes come from the engine as it goes.
"""

from __future__ import annotations

import ipaddress
import logging
import platform
import re
from collections.abc import Mapping
from typing import Any

import aiohttp

from replicas.engine import names

log = logging.getLogger(__name__)

_PATIENCE = 15.0
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
)
_MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}
_CHALLENGE = re.compile(r'(\w+)="([^"]*)"')

Credentials = Mapping[str, Any]


async def layer_sizes(image: str, credentials: Credentials | None) -> dict[str, int]:
    """Bytes by layer id, as the engine's messages name them; empty when unknown."""
    timeout = aiohttp.ClientTimeout(total=_PATIENCE)
    try:
        async with aiohttp.ClientSession(timeout=timeout, trust_env=True) as session:
            return await _Asker(session, image, credentials).sizes()
    except _TROUBLE as error:
        log.debug("No layer sizes for %s: %s", image, error)
        return {}


class _Asker:
    def __init__(
        self,
        session: aiohttp.ClientSession,
        image: str,
        credentials: Credentials | None,
    ) -> None:
        self._session = session
        self._auth = _basic(credentials)
        self._headers = {"Accept": _MANIFESTS}
        self._base, self._tag = manifest_address(image)

    async def sizes(self) -> dict[str, int]:
        manifest = await self._manifest(self._tag)
        if "manifests" in manifest:
            manifest = await self._manifest(_for_this_machine(manifest["manifests"]))
        return {
            layer["digest"].partition(":")[2][:12]: int(layer["size"])
            for layer in manifest.get("layers", ())
        }

    async def _manifest(self, reference: str) -> Any:
        url = f"{self._base}/{reference}"
        async with self._session.get(url, headers=self._headers) as response:
            if response.status != 401:
                response.raise_for_status()
                return await response.json(content_type=None)
            challenge = response.headers.get("WWW-Authenticate", "")
        self._headers["Authorization"] = await self._answer(challenge)
        async with self._session.get(url, headers=self._headers) as response:
            response.raise_for_status()
            return await response.json(content_type=None)

    async def _answer(self, challenge: str) -> str:
        """What the registry wants to see: our sign-in, or a token for it."""
        scheme, _, rest = challenge.partition(" ")
        if scheme.lower() != "bearer":
            if self._auth is None:
                raise ValueError("the registry wants a sign-in")
            return self._auth.encode()
        asked = dict(_CHALLENGE.findall(rest))
        params = {key: asked[key] for key in ("service", "scope") if key in asked}
        async with self._session.get(
            asked["realm"], params=params, auth=self._auth
        ) as response:
            response.raise_for_status()
            given = await response.json(content_type=None)
        return f"Bearer {given.get('token') or given['access_token']}"


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


def _for_this_machine(manifests: list[dict[str, Any]]) -> str:
    machine = platform.machine()
    wanted = {"os": "linux", "architecture": _MACHINES.get(machine, machine)}
    for one in manifests:
        if wanted.items() <= one.get("platform", {}).items():
            return str(one["digest"])
    raise ValueError("no manifest for this machine")


def _basic(credentials: Credentials | None) -> aiohttp.BasicAuth | None:
    name = (credentials or {}).get("Username") or (credentials or {}).get("username")
    word = (credentials or {}).get("Password") or (credentials or {}).get("password")
    return aiohttp.BasicAuth(name, word) if name and word else None
