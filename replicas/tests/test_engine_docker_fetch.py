"""Pulls and builds through real Docker: progress, sharing, and what goes wrong."""

from __future__ import annotations

import asyncio

import pytest

from replicas.engine import contexts
from replicas.engine.base import (
    BuildFailed,
    ImageNotFound,
    RegistryRefused,
    RegistryUnreachable,
)
from replicas.engine.fetching import build_params
from replicas.tests.engine_fixtures import tiny
from replicas.tests.engine_fixtures.bench import DockerBench

pytestmark = pytest.mark.docker


@pytest.fixture(scope="module", autouse=True)
def tidy():
    yield
    tiny.forget()


@pytest.fixture
async def bench():
    made = await DockerBench.open()
    yield made
    await made.close()


class Told:
    """Collects progress and lets a test wait for one that it wants."""

    def __init__(self) -> None:
        self.all = []
        self.news = asyncio.Event()

    def __call__(self, progress) -> None:
        self.all.append(progress)
        self.news.set()

    async def until(self, wanted):
        async with asyncio.timeout(60):
            while not any(map(wanted, self.all)):
                self.news.clear()
                await self.news.wait()


def fetch(bench, told, image="", build=""):
    image = image or bench.offered
    return asyncio.create_task(
        bench.streams.fetch(image, build=build, on_progress=told)
    )


# --- Pull ---------------------------------------------------------------------
async def test_the_total_is_known_before_the_bytes_come(bench):
    await bench.publish()
    bench.registry.hold()
    bench.registry.release(400_000)
    told = Told()
    task = fetch(bench, told)
    await told.until(lambda p: p.total == bench.registry.size and p.layers == 2)
    assert not task.done()
    bench.registry.release()
    await task
    assert [p.done for p in told.all] == sorted(p.done for p in told.all)
    assert told.all[-1].done == told.all[-1].total == bench.registry.size


async def test_two_who_ask_share_one_download(bench):
    await bench.publish()
    bench.registry.hold()
    one, two = Told(), Told()
    first = fetch(bench, one)
    await one.until(lambda p: p.layers == 2)
    second = fetch(bench, two)
    await two.until(lambda p: p.layers == 2)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    bench.registry.release()
    assert await second == bench.engine.image(bench.offered)
    blobs = sum(len(blob) for blob in bench.registry.blobs.values())
    assert bench.registry.served == blobs


async def test_the_last_who_leaves_stops_the_download(bench):
    await bench.publish()
    bench.registry.hold()
    told = Told()
    task = fetch(bench, told)
    await told.until(lambda p: p.layers == 2)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert bench.engine.image(bench.offered) is None


async def test_a_registry_that_wants_a_token_gives_one_to_the_engine(bench):
    await bench.publish(token="let-me-in")
    assert (await fetch(bench, Told())).layers == 2


async def test_a_registry_that_refuses(bench):
    await bench.publish()
    image = f"127.0.0.1:{bench.registry.port}/secret:1"
    with pytest.raises(RegistryRefused, match="sign-in"):
        await fetch(bench, Told(), image)


async def test_a_host_name_that_nobody_knows(bench):
    with pytest.raises(RegistryUnreachable, match=r"registry\.invalid did not answer"):
        await fetch(bench, Told(), "registry.invalid/app:1")


# --- Build --------------------------------------------------------------------
@pytest.fixture
def recipe(settings, tmp_path, bench):
    """Writes a context named "echo" and tidies the images that come of it."""
    settings.BASE_DIR = tmp_path
    folder = tmp_path / "templates_app" / "catalogue" / "builds" / "echo"
    folder.mkdir(parents=True)
    made = []

    def write(*steps: str) -> str:
        (folder / "Dockerfile").write_text("\n".join(steps) + "\n")
        (folder / "app.txt").write_text("hello\n")
        made.append(contexts.resolve("alight-test/echo", "echo"))
        return made[-1]

    yield write
    for tag in made:
        if bench.engine.image(tag):
            bench.client.remove_image(tag, force=True)


async def test_a_build_goes_step_by_step(bench, recipe):
    tag = recipe(
        f"FROM {bench.image}", "COPY app.txt /", "RUN echo so far so good", "EXPOSE 81"
    )
    told = Told()
    found = await fetch(bench, told, "alight-test/echo", "echo")
    assert bench.engine.image(tag) == found
    assert found.ports == (81, 8080)
    assert {p.step for p in told.all} >= {"COPY app.txt /", "RUN echo so far so good"}
    (steps,) = {p.total for p in told.all}
    assert steps >= 4  # and one for our label
    assert told.all[-1].done == steps


async def test_a_changed_context_is_another_image(bench, recipe):
    one = recipe(f"FROM {bench.image}", "COPY app.txt /one")
    await fetch(bench, Told(), "alight-test/echo", "echo")
    two = recipe(f"FROM {bench.image}", "COPY app.txt /two")
    assert bench.engine.image(one) is not None
    assert bench.engine.image(two) is None


async def test_a_failing_step_is_named_with_its_output(bench, recipe):
    recipe(f"FROM {bench.image}", "RUN echo the disk of dreams; exit 7")
    told = Told()
    with pytest.raises(BuildFailed, match="exit code 7") as caught:
        await fetch(bench, told, "alight-test/echo", "echo")
    assert "RUN echo the disk of dreams" in str(caught.value)
    assert caught.value.tail[-1] == "the disk of dreams"


async def test_a_dockerfile_that_is_none(bench, recipe):
    recipe("FRM scratch")
    with pytest.raises(BuildFailed, match="FRM"):
        await fetch(bench, Told(), "alight-test/echo", "echo")


async def test_a_base_image_without_a_registry(bench, recipe):
    recipe("FROM 127.0.0.1:1/base:1")
    with pytest.raises(RegistryUnreachable, match=r"127\.0\.0\.1:1 did not answer"):
        await fetch(bench, Told(), "alight-test/echo", "echo")


async def test_a_base_image_that_the_registry_lacks(bench, recipe):
    await bench.publish()
    recipe(f"FROM {bench.unknown}")
    with pytest.raises(ImageNotFound, match="app:2"):
        await fetch(bench, Told(), "alight-test/echo", "echo")


async def test_cancelling_stops_the_build(bench, recipe):
    tag = recipe(f"FROM {bench.image}", "RUN echo waiting; sleep 600")
    told = Told()
    task = fetch(bench, told, "alight-test/echo", "echo")
    await told.until(lambda p: p.line == "waiting")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert bench.engine.image(tag) is None


# --- Proxies ------------------------------------------------------------------
def test_proxies_go_along_to_the_build():
    params = build_params("app:1", "ab", {"HTTPS_PROXY": "http://proxy.lab:3128"})
    assert '"HTTPS_PROXY": "http://proxy.lab:3128"' in params["buildargs"]
    assert "networkmode" not in params


def test_a_proxy_on_loopback_is_reached_through_the_hosts_network():
    params = build_params("app:1", "ab", {"http_proxy": "http://127.0.0.1:3128"})
    assert params["networkmode"] == "host"
