"""What the fake engine's registries give, and to whom."""

from __future__ import annotations

from replicas.engine import names
from replicas.engine.base import SignIn
from replicas.engine.errors import (
    image_refused,
    sign_in_for_another,
    sign_in_refused,
    translate,
)
from replicas.engine.fake_parts import FakeImage
from replicas.engine.fake_world import World


def check(world: World, sign_in: SignIn) -> None:
    """As `EngineStreams.check_sign_in`."""
    accounts = world.accounts.get(names.registry_host(sign_in.registry))
    if accounts is None:
        raise translate(
            500, "dial tcp: connection refused", image=f"{sign_in.registry}/"
        )
    if accounts.get(sign_in.username) != sign_in.password:
        raise sign_in_refused(sign_in)


def offered(world: World, image: str, sign_in: SignIn | None) -> FakeImage:
    """What a pull of the image gets; raises what it is refused with."""
    if sign_in is not None and not names.same_registry(sign_in.registry, image):
        raise sign_in_for_another(sign_in, image)
    found = world.offered(image)
    if isinstance(found, Exception):
        raise found
    if found is None:
        raise translate(404, "manifest unknown", image=image)
    if found.private and sign_in is None:
        raise translate(404, "pull access denied", image=image)
    if found.private and sign_in is not None:
        accounts = world.accounts.get(names.registry_host(sign_in.registry), {})
        if accounts.get(sign_in.username) != sign_in.password:
            raise image_refused(sign_in, image)
    return found
