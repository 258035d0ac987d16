"""What a registry tells of an image, before anything is pulled."""

import hashlib
import json

import pytest

from replicas.engine.registry import _Asker, _session, facts, layer_sizes
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


# --- Facts --------------------------------------------------------------------
async def test_facts_come_from_manifest_and_config(registry):
    for image in (registry.image, registry.image.replace(":1", ":many")):
        known = await facts(image, None, patience=60)
        assert (known.ports, known.volumes) == ((7860,), ("/data",))
        assert known.size == registry.size
        assert not known.present


async def test_the_digest_is_that_of_what_the_tag_names(registry):
    one = await facts(registry.image, None, patience=60)
    many = await facts(registry.image.replace(":1", ":many"), None, patience=60)
    assert one.digest == f"sha256:{hashlib.sha256(registry.manifest).hexdigest()}"
    assert many.digest != one.digest


@pytest.mark.parametrize("token", ["", "let-me-in"])
async def test_a_sign_in_opens_what_is_private(registry, token):
    registry.accounts, registry.token = {"ada": "word"}, token
    known = {"username": "ada", "password": "word"}
    assert (await facts(registry.image, known, patience=60)).ports == (7860,)
    assert await layer_sizes(registry.image, known) == sizes_of(registry)
    for wrong in (None, {}, {"username": "ada", "password": "guess"}):
        assert await facts(registry.image, wrong, patience=60) is None


async def test_a_password_never_goes_to_another_host_unencrypted(registry):
    registry.token, registry.realm = "let-me-in", "http://elsewhere.example/token"
    registry.accounts = {"ada": "word"}
    known = {"username": "ada", "password": "word"}
    with pytest.raises(ValueError, match="sends us"):
        async with _session(10) as session:
            await _Asker(session, registry.image, known).facts()


async def test_an_answer_without_end_is_none(registry):
    registry.manifest = b"x" * 5_000_000
    assert await facts(registry.image, None, patience=60) is None


async def test_a_registry_that_says_nothing_is_not_waited_for(registry):
    registry.hold()
    assert await facts(registry.image, None, patience=0.2) is None


@pytest.mark.parametrize(
    "url",
    [
        "http://cdn.example/blob",
        "http://127.0.0.1:1@cdn.example/blob",
        "http://127.0.0.1:8080/v1/secrets",
        "https://127.0.0.1/blob",
        "https://10.1.2.3/blob",
        "https://[::1]/blob",
        "https://localhost/blob",
    ],
)
def test_a_registry_does_not_choose_where_inside_this_machine_asks(url):
    asker = _Asker(None, "registry.example/app:1", None)
    with pytest.raises(ValueError, match="sends us"):
        asker._check(url)


@pytest.mark.parametrize(
    ("image", "url"),
    [
        ("registry.example/app:1", "https://cdn.example/blob"),
        ("10.1.2.3:5000/app:1", "https://10.1.2.3:6000/token"),
        ("127.0.0.1:5000/app:1", "http://localhost:6000/token"),
    ],
)
def test_it_may_send_us_to_where_it_is_and_to_others_encrypted(image, url):
    _Asker(None, image, None)._check(url)
