"""Sign-ins to registries that “docker login” left on this machine."""

from __future__ import annotations

from docker import auth
from docker.errors import DockerException

from replicas.engine import names

PULL_HEADER, BUILD_HEADER = "X-Registry-Auth", "X-Registry-Config"


def credentials(image: str) -> dict[str, str]:
    """The sign-in for pulling `image`; empty when nobody signed in. Blocks briefly."""
    host = names.split_registry(image)[0]
    try:
        return auth.load_config().resolve_authconfig(host) or {}
    except DockerException:
        # A broken helper must not stand in the way of public images.
        return {}


def pull_headers(known: dict[str, str]) -> dict[str, str]:
    return {PULL_HEADER: _header(known)} if known else {}


def build_headers() -> dict[str, str]:
    """Header with every sign-in, for the images a Dockerfile starts from."""
    try:
        known = auth.load_config().get_all_credentials()  # type: ignore[no-untyped-call]
    except DockerException:
        return {}
    return {BUILD_HEADER: _header(known)} if known else {}


def _header(value: object) -> str:
    return auth.encode_header(value).decode("ascii")
