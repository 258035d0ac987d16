"""What things are called in the engine. Pure: the same input, the same name.

Labels say whose a container is; names are unique per attempt, so that creating the
same attempt twice finds the first one.
"""

from __future__ import annotations

import hashlib
import re

INSTALLATION = "alight.installation"
ENDPOINT = "alight.endpoint"
REPLICA = "alight.replica"
ATTEMPT = "alight.attempt"
# On built images: digest of the context they were built from.
BUILD = "alight.build"
# On containers that are no replicas: what they are for.
ROLE = "alight.role"

DEFAULT_REGISTRY = "docker.io"
# What people and programs call it, too.
_HUB = frozenset({"index.docker.io", "registry-1.docker.io", "hub.docker.com"})
_REFERENCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/:@-]*")
_UNFIT = re.compile(r"[^a-zA-Z0-9_.-]+")


def container_name(
    installation: str, endpoint_name: str, replica_id: int, attempt: int
) -> str:
    """Unique per attempt: `alight-<installation>-<endpoint>-<replica>-<attempt>`."""
    return _fit(f"alight-{installation}-{endpoint_name}-{replica_id}-{attempt}")


def container_labels(
    installation: str, endpoint_name: str, replica_id: int, attempt: int
) -> dict[str, str]:
    return {
        INSTALLATION: installation,
        ENDPOINT: endpoint_name,
        REPLICA: str(replica_id),
        ATTEMPT: str(attempt),
    }


def helper_name(installation: str, role: str, number: str) -> str:
    """Of a container that is no replica."""
    return _fit(f"alight-{installation}.{role}-{number}")


def network_name(installation: str) -> str:
    return _fit(f"alight-{installation}")


def bridge_name(installation: str) -> str:
    """The network's interface on the host, for firewall rules; 14 of 15 letters."""
    return f"alight{hashlib.sha256(installation.encode()).hexdigest()[:8]}"


def build_tag(image: str, digest: str) -> str:
    """The tag a build of this context gets, so that a changed one builds anew.

    >>> build_tag("alight/text-to-image", "0f3a" * 16)
    'alight/text-to-image:0f3a0f3a0f3a'
    """
    return f"{split_tag(image)[0]}:{digest[:12]}"


def split_tag(reference: str) -> tuple[str, str]:
    """Name and tag (or digest) of a reference, "latest" where it has neither.

    >>> split_tag("registry.lab.example:5000/app")
    ('registry.lab.example:5000/app', 'latest')
    >>> split_tag("app:1.0@sha256:00")
    ('app', 'sha256:00')
    """
    name, at, digest = reference.partition("@")
    head, colon, tail = name.rpartition(":")
    tagged = bool(colon) and "/" not in tail
    if at:
        return (head if tagged else name), digest
    return (head, tail) if tagged else (name, "latest")


def is_reference(text: str) -> bool:
    """Whether it can be an image's name, so that it is safe in an address.

    >>> is_reference("registry.lab.example:5000/app:1"), is_reference("../containers")
    (True, False)
    """
    return bool(_REFERENCE.fullmatch(text)) and ".." not in text


def split_registry(reference: str) -> tuple[str, str]:
    """Registry host and the path there.

    >>> split_registry("gradio/app:1")
    ('docker.io', 'gradio/app:1')
    >>> split_registry("registry.lab.example/app:1")
    ('registry.lab.example', 'app:1')
    """
    host, slash, path = reference.partition("/")
    if slash and ("." in host or ":" in host or host == "localhost"):
        return host, path
    return DEFAULT_REGISTRY, reference


def registry_host(written: str) -> str:
    """The registry as in image names, whatever way a person wrote it.

    >>> registry_host("https://index.docker.io/v1/")
    'docker.io'
    >>> registry_host("https://Registry.lab.example:5000/")
    'registry.lab.example:5000'
    """
    host = written.strip().lower().partition("://")[2] or written.strip().lower()
    host = host.partition("/")[0]
    return DEFAULT_REGISTRY if host in _HUB else host


def same_registry(registry: str, image: str) -> bool:
    """Whether the image comes from this registry."""
    return registry_host(registry) == registry_host(split_registry(image)[0])


def _fit(name: str) -> str:
    return _UNFIT.sub("-", name)
