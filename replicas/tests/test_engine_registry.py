"""Sizes of layers from a registry's manifest, before anything is pulled."""

import json

import pytest

from replicas.engine.registry import layer_sizes
from replicas.tests.engine_fixtures.registry import Registry


@pytest.fixture
async def registry():
    opened = await Registry().open(random_bytes=1000)
    yield opened
    await opened.close()


def sizes_of(registry):
    layers = json.loads(registry.manifest)["layers"]
    return {one["digest"].removeprefix("sha256:")[:12]: one["size"] for one in layers}


async def test_sizes_by_the_ids_that_the_engine_names(registry):
    assert await layer_sizes(registry.image, None) == sizes_of(registry)


async def test_the_manifest_of_this_machine_is_picked(registry):
    assert await layer_sizes(registry.image.replace(":1", ":many"), {}) == sizes_of(
        registry
    )


async def test_a_token_is_fetched_when_asked_for(registry):
    registry.token = "let-me-in"
    assert await layer_sizes(registry.image, None) == sizes_of(registry)


@pytest.mark.parametrize("path", ["app:2", "other:1", "secret:1"])
async def test_what_cannot_be_known_is_left_to_the_engine(registry, path):
    assert await layer_sizes(f"127.0.0.1:{registry.port}/{path}", None) == {}


async def test_no_registry_is_no_error():
    assert await layer_sizes("127.0.0.1:1/app:1", None) == {}
