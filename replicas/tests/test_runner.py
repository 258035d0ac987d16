"""The worker's own loop, on the fake engine: it fetches, probes and watches."""

import asyncio
import contextlib
import socket

import pytest
from aiohttp import web
from channels.db import database_sync_to_async
from django.utils import timezone

from endpoints import vault
from endpoints.tests.factories import EndpointFactory, spec
from replicas.engine.fake import FakeImage, FakeStreams
from replicas.models import Replica
from replicas.reconciler import loop
from replicas.runner import probing
from replicas.runner.fetching import Fetcher
from replicas.runner.probing import Key, Prober, pauses
from replicas.runner.watching import Watcher
from replicas.states import ReplicaState as S
from replicas.tests.factories import ReplicaFactory
from replicas.tests.house import House

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.valkey]


@pytest.fixture
def house(valkey, monkeypatch):
    return House(monkeypatch)


@contextlib.asynccontextmanager
async def running(part):
    """The component, looking as often as it likes, until the test is done."""

    async def keep():
        while True:
            await part.sweep()
            await asyncio.sleep(0.02)

    task = asyncio.create_task(keep())
    try:
        yield
    finally:
        task.cancel()
        await part.close()


async def until(check, seconds=60):
    async with asyncio.timeout(seconds):
        while not await database_sync_to_async(check)():  # noqa: ASYNC110
            await asyncio.sleep(0.02)


def state_is(state):
    return lambda: Replica.objects.filter(state=state).exists()


async def test_it_pulls_what_a_replica_waits_for(house):
    endpoint = await database_sync_to_async(house.endpoint)()
    await database_sync_to_async(house.settle)(endpoint)
    async with running(Fetcher(FakeStreams(house.world))):
        await until(state_is(S.STARTING))
    story = await database_sync_to_async(house.story)(endpoint)
    assert "ImagePulled" in story


async def test_a_pull_that_fails_says_so(house):
    endpoint = await database_sync_to_async(
        lambda: EndpointFactory(spec=spec(image="lab/none:1").to_json())
    )()
    await database_sync_to_async(house.settle)(endpoint)
    async with running(Fetcher(FakeStreams(house.world))):
        await until(state_is(S.FAILED))
    replica = await Replica.objects.aget()
    assert "lab/none" in replica.trouble_text or "none" in replica.trouble_text


def private_pull(house, password="right"):
    """An endpoint whose image only ada gets, with the account's sign-in "lab"."""
    house.world.publish("lab.example/app:1", FakeImage(ports=(7860,), private=True))
    house.world.accounts["lab.example"] = {"ada": "right"}
    container = spec(image="lab.example/app:1", registry="lab")
    endpoint = EndpointFactory(spec=container.to_json())
    wish = vault.SignInWish("lab.example", "ada", password)
    row = vault.add_registry(endpoint.owner_id, "lab", wish)
    house.settle(endpoint)
    return row


async def test_a_private_image_is_pulled_with_the_owners_sign_in(house):
    await database_sync_to_async(private_pull)(house)
    async with running(Fetcher(FakeStreams(house.world))):
        await until(state_is(S.STARTING))


async def test_a_sign_in_that_is_refused_says_so_without_the_password(house):
    await database_sync_to_async(private_pull)(house, "canary-wrong")
    async with running(Fetcher(FakeStreams(house.world))):
        await until(state_is(S.FAILED))
    replica = await Replica.objects.aget()
    assert "lab.example" in replica.trouble_text
    assert "canary" not in replica.trouble_text


async def test_a_sign_in_that_is_gone_fails_the_start_and_says_what_to_do(house):
    row = await database_sync_to_async(private_pull)(house)
    await database_sync_to_async(row.delete)()
    async with running(Fetcher(FakeStreams(house.world))):
        await until(state_is(S.FAILED))
    replica = await Replica.objects.aget()
    assert replica.trouble == "SignInLost"
    assert "Add it on the Secrets page, or choose another." in replica.trouble_text


async def serve(handler, port=0):
    app = web.Application()
    app.router.add_get("/{tail:.*}", handler)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port, reuse_port=bool(port))
    await site.start()
    return runner, runner.addresses[0][1]


@pytest.fixture
def own_port():
    """One that nobody else is given while nothing listens on it."""
    with socket.socket() as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


def starting(port, path=""):
    endpoint = EndpointFactory(spec=spec(port=port, health_path=path).to_json())
    return ReplicaFactory(
        endpoint=endpoint,
        ready=True,
        state=S.STARTING,
        answered_at=None,
        address="127.0.0.1",
    )


def answered():
    return Replica.objects.exclude(answered_at=None).exists()


async def test_without_a_health_check_it_only_connects(house, monkeypatch):
    requests = []

    async def handler(request):
        requests.append(request)
        return web.Response()

    monkeypatch.setattr("replicas.tasks.reconcile", lambda _: None)
    runner, port = await serve(handler)
    await database_sync_to_async(starting)(port)
    async with running(Prober()):
        await until(answered)
    await runner.cleanup()
    assert requests == []


async def test_with_a_health_check_it_waits_for_200(house, monkeypatch):
    answers = iter([503, 503, 200])

    async def handler(request):
        return web.Response(status=next(answers, 200))

    monkeypatch.setattr("replicas.tasks.reconcile", lambda _: None)
    runner, port = await serve(handler)
    await database_sync_to_async(starting)(port, "/healthz")
    async with running(Prober()):
        await until(answered)
    await runner.cleanup()
    assert next(answers, "used up") == "used up"


async def test_three_misses_are_silence_and_one_answer_ends_it(
    house, monkeypatch, own_port
):
    monkeypatch.setattr("replicas.tasks.reconcile", lambda _: None)
    monkeypatch.setattr("replicas.runner.probing.INTERVAL", 0.02)

    async def handler(request):
        return web.Response()

    runner, _ = await serve(handler, own_port)

    def make():
        endpoint = EndpointFactory(spec=spec(port=own_port).to_json())
        return ReplicaFactory(endpoint=endpoint, ready=True, address="127.0.0.1")

    await database_sync_to_async(make)()
    silent = Replica.objects.exclude(silent_since=None)
    async with running(Prober()):
        await until(lambda: not silent.exists())
        await runner.cleanup()
        await until(silent.exists)
        again, _ = await serve(handler, own_port)
        await until(lambda: not silent.exists())
        await again.cleanup()


@pytest.mark.parametrize("state", [S.STARTING, S.READY, S.UNHEALTHY])
@pytest.mark.parametrize(
    "before", [{"address": "10.213.0.77"}, {"started_at": timezone.now()}]
)
def test_what_was_heard_before_a_restart_counts_for_nothing(house, state, before):
    """Another container may have the address by now."""
    replica = ReplicaFactory(
        ready=True, state=state, answered_at=None, silent_since=timezone.now()
    )
    start = (replica.pk, replica.attempt, state, replica.address, replica.started_at)
    former = Key(*start)._replace(**before)
    assert not probing._answered(former, replica.endpoint_id, 1)
    assert not probing._silent(former, False)
    replica.refresh_from_db()
    assert replica.answered_at is None
    assert replica.silent_since is not None


async def test_a_container_that_dies_is_looked_at_at_once(house):
    endpoint = await database_sync_to_async(house.endpoint)()
    await database_sync_to_async(house.up)(endpoint)
    replica = await Replica.objects.aget()
    watcher = asyncio.create_task(Watcher(FakeStreams(house.world)).run())
    try:
        await asyncio.sleep(0)
        await database_sync_to_async(house.world.crash)(replica.container_id)
        await until(state_is(S.FAILED))
    finally:
        watcher.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watcher


async def test_what_happened_while_the_engine_was_away_is_found(house, monkeypatch):
    endpoint = await database_sync_to_async(house.endpoint)()
    await database_sync_to_async(house.up)(endpoint)
    replica = await Replica.objects.aget()
    due, looks = [], []

    def sweep():
        due.extend(loop.sweep())
        looks.append(len(due))

    monkeypatch.setattr("replicas.tasks.sweep", sweep)
    watcher = asyncio.create_task(Watcher(FakeStreams(house.world)).run())
    try:
        # It has looked, and listens by now: a break that nobody heard is none.
        await until(lambda: looks and house.world.listeners)
        await database_sync_to_async(house.world.go_down)()
        house.world.containers[replica.container_id].running = False
        await database_sync_to_async(house.world.come_back)()
        await until(lambda: endpoint.pk in due)
    finally:
        watcher.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watcher


def test_probes_come_quickly_at_first_and_slowly_later():
    tries = pauses(2.0)
    first = [next(tries) for _ in range(10)]
    assert first[0] <= 0.05
    assert sum(first) < 1.0
    passed = sum(first)
    for pause in (next(tries) for _ in range(160)):
        # Who waits for the answer waits little longer than the start takes.
        assert pause < passed / 15 or passed < 1
        passed += pause
    assert pause == 2.0
