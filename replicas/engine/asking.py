"""What the Docker engine and registries tell without a pull: facts and sign-ins."""

from __future__ import annotations

import asyncio
import json

from replicas.engine import errors, names, registry, registry_auth, translate
from replicas.engine.base import (
    EngineRefused,
    ImageFacts,
    ImageNotFound,
    RegistryRefused,
    RegistryUnreachable,
    SignIn,
)
from replicas.engine.wire import Wire

# Seconds: someone waits for the answer before a form. Two of them at worst.
_PATIENCE = 5.0
_CHECK_PATIENCE = 10.0


class Asker:
    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    async def image_facts(
        self, image: str, sign_in: SignIn | None, *, node: bool = True
    ) -> ImageFacts:
        """See `EngineStreams.image_facts`."""
        if not names.is_reference(image):
            raise errors.no_image_name(image)
        known = await asyncio.to_thread(registry_auth.credentials, image, sign_in)
        if node and (here := await self._on_node(image)):
            return here
        found = await registry.facts(image, known, patience=_PATIENCE)
        if found is not None:
            return found
        # The engine pulls it, so its word counts: it may reach what we do not.
        try:
            return await self._known_to_engine(image, known)
        except RegistryRefused as error:
            if sign_in is None:
                raise
            raise errors.image_refused(sign_in, image, error) from error

    async def _on_node(self, image: str) -> ImageFacts | None:
        try:
            return translate.image_facts(await self._wire.json(f"/images/{image}/json"))
        except ImageNotFound:
            return None

    async def _known_to_engine(self, image: str, known: dict[str, str]) -> ImageFacts:
        try:
            async with (
                asyncio.timeout(_PATIENCE),
                self._wire.open(
                    "GET",
                    f"/distribution/{image}/json",
                    headers=registry_auth.pull_headers(known),
                    image=image,
                ) as response,
            ):
                said = await response.json()
        except TimeoutError:
            raise errors.registry_silent(errors.registry_of(image)) from None
        return ImageFacts(False, digest=str(said["Descriptor"]["digest"]))

    async def check_sign_in(self, sign_in: SignIn) -> None:
        """See `EngineStreams.check_sign_in`."""
        image = f"{names.registry_host(sign_in.registry)}/"
        try:
            async with (
                asyncio.timeout(_CHECK_PATIENCE),
                self._wire.open(
                    "POST",
                    "/auth",
                    headers={"Content-Type": "application/json"},
                    data=json.dumps(registry_auth.as_asked(sign_in)).encode(),
                    image=image,
                ),
            ):
                return
        except TimeoutError:
            raise errors.registry_silent(errors.registry_of(image)) from None
        except errors.RateLimited:
            raise
        except RegistryRefused as error:
            raise errors.sign_in_refused(sign_in) from error
        except (EngineRefused, ImageNotFound) as error:
            raise RegistryUnreachable(str(error)) from error
