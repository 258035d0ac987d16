"""Sign-ins to registries in the engine's form: an account's, or this machine's own,
which “docker login” left here."""

from __future__ import annotations

from docker import auth
from docker.errors import DockerException

from replicas.engine import errors, names
from replicas.engine.base import SignIn

PULL_HEADER, BUILD_HEADER = "X-Registry-Auth", "X-Registry-Config"


# What the default registry is called by those who sign in to it.
_HUB = "https://index.docker.io/v1/"


def credentials(image: str, sign_in: SignIn | None = None) -> dict[str, str]:
    """The sign-in for pulling `image`; empty when nobody signed in. Blocks briefly.

    Raises RegistryRefused when `sign_in` is for another registry: nobody else may see
    its password.
    """
    if sign_in is not None:
        if not names.same_registry(sign_in.registry, image):
            raise errors.sign_in_for_another(sign_in, image)
        return as_asked(sign_in)
    host = names.split_registry(image)[0]
    try:
        return auth.load_config().resolve_authconfig(host) or {}
    except DockerException:
        # A broken helper must not stand in the way of public images.
        return {}


def as_asked(sign_in: SignIn) -> dict[str, str]:
    """In the engine's words."""
    host = names.registry_host(sign_in.registry)
    return {
        "username": sign_in.username,
        "password": sign_in.password,
        "serveraddress": _HUB if host == names.DEFAULT_REGISTRY else host,
    }


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
