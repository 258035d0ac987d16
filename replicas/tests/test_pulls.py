"""An image that somebody's sign-in brought is theirs; others ask the registry."""

import asyncio
from datetime import timedelta

import pytest
from channels.db import database_sync_to_async
from django.utils import timezone

from endpoints import vault
from endpoints.tests.factories import EndpointFactory, UserFactory, spec
from replicas import pulls
from replicas.engine.fake import FakeImage, FakeStreams
from replicas.models import ImagePull, Replica
from replicas.reconciler import loop
from replicas.runner.fetching import Fetcher
from replicas.states import ReplicaState as S
from replicas.tests.house import House

IMAGE, ID = "lab.example/app:1", "sha256:aa"


# --- Who may --------------------------------------------------------------------
@pytest.fixture
def alice(db):
    return UserFactory(username="alice").pk


@pytest.fixture
def bob(db):
    return UserFactory(username="bob").pk


def test_what_no_sign_in_brought_is_everybodys(alice, bob):
    assert pulls.may_use(alice, IMAGE, ID)
    pulls.got(alice, IMAGE, ID, private=False)
    assert pulls.may_use(bob, IMAGE, ID)


def test_what_a_sign_in_brought_is_its_owners(alice, bob):
    pulls.got(alice, IMAGE, ID, private=True)
    assert pulls.may_use(alice, IMAGE, ID)
    assert not pulls.may_use(bob, IMAGE, ID)


def test_another_name_of_it_is_no_way_round(alice, bob):
    pulls.got(alice, IMAGE, ID, private=True)
    assert not pulls.may_use(bob, "lab.example/app@sha256:bb", ID)
    assert not pulls.may_use(bob, "aa", ID)
    assert pulls.may_use(bob, IMAGE, "sha256:other")


def test_who_got_it_as_well_may_have_it(alice, bob):
    pulls.got(alice, IMAGE, ID, private=True)
    pulls.got(bob, IMAGE, ID, private=False)
    assert pulls.may_use(bob, IMAGE, ID)
    # And it stays private for a third.
    assert not pulls.may_use(UserFactory(username="charlie").pk, IMAGE, ID)


def test_nobody_gets_it_while_it_comes(alice, bob):
    pulls.begin(alice, IMAGE)
    assert not pulls.may_use(bob, IMAGE, ID)
    assert not pulls.may_use(alice, IMAGE, ID)
    assert pulls.may_use(bob, "lab.example/other:1", "sha256:other")
    pulls.got(alice, IMAGE, ID, private=True)
    assert not pulls.may_use(bob, IMAGE, ID)
    assert ImagePull.objects.count() == 1


def test_a_pull_that_failed_leaves_nothing(alice, bob):
    pulls.begin(alice, IMAGE)
    pulls.begin(alice, IMAGE)
    pulls.ended(alice, IMAGE)
    assert pulls.may_use(bob, IMAGE, ID)
    assert not ImagePull.objects.exists()


def test_a_pull_that_was_given_up_is_forgotten(alice, bob):
    pulls.begin(alice, IMAGE)
    ImagePull.objects.update(at=timezone.now() - timedelta(days=2))
    assert pulls.may_use(bob, IMAGE, ID)


def test_it_does_not_become_less_private(alice, bob):
    pulls.got(alice, IMAGE, ID, private=False)
    pulls.got(alice, IMAGE, ID, private=True)
    pulls.got(alice, IMAGE, ID, private=False)
    assert not pulls.may_use(bob, IMAGE, ID)


def test_it_stays_private_when_its_first_owner_goes(alice, bob):
    charlie = UserFactory(username="charlie")
    pulls.got(charlie.pk, IMAGE, ID, private=True)
    pulls.got(alice, IMAGE, ID, private=True)
    charlie.delete()
    assert pulls.may_use(alice, IMAGE, ID)
    assert not pulls.may_use(bob, IMAGE, ID)


# --- In the house ---------------------------------------------------------------
@pytest.fixture
def house(valkey, monkeypatch):
    made = House(monkeypatch)
    made.world.publish(IMAGE, FakeImage(ports=(7860,), private=True))
    made.world.accounts["lab.example"] = {"ada": "right"}
    return made


def start(house, who, password=None):
    """An endpoint of this account, asked for with its sign-in, if it has one."""
    owner = UserFactory(username=who)
    if password and not owner.registrycredential_set.exists():
        wish = vault.SignInWish("lab.example", "ada", password)
        vault.add_registry(owner.pk, "lab", wish)
    container = spec(image=IMAGE, registry="lab" if password else "")
    endpoint = EndpointFactory(owner=owner, spec=container.to_json())
    house.settle(endpoint)
    return endpoint


def state_of(endpoint):
    return S(Replica.objects.get(endpoint=endpoint).state)


async def fetched(house, endpoint, state):
    """Let the runner fetch until the endpoint's replica is in that state."""
    fetcher = Fetcher(FakeStreams(house.world))
    try:
        async with asyncio.timeout(60):
            while await database_sync_to_async(state_of)(endpoint) is not state:
                await fetcher.sweep()
                await asyncio.sleep(0.02)
    finally:
        await fetcher.close()


@pytest.mark.valkey
@pytest.mark.django_db(transaction=True)
async def test_knowing_its_name_is_not_enough(house):
    begin = database_sync_to_async(start)
    hers = await begin(house, "alice", "right")
    await fetched(house, hers, S.STARTING)

    # Bob knows the name and has no sign-in, or a wrong one.
    for password in (None, "guessed"):
        his = await begin(house, "bob", password)
        assert await database_sync_to_async(state_of)(his) is S.PULLING
        await fetched(house, his, S.FAILED)
        replica = await Replica.objects.aget(endpoint=his)
        assert replica.container_id == ""
        assert "lab.example" in replica.trouble_text

    # Charlie has one of his own that is right.
    theirs = await begin(house, "charlie", "right")
    assert await database_sync_to_async(state_of)(theirs) is S.PULLING
    await fetched(house, theirs, S.STARTING)

    # And who got it once starts again without a registry.
    house.world.registry.clear()
    for who in ("alice", "charlie"):
        again = await begin(house, who, "right")
        assert await database_sync_to_async(state_of)(again) is S.STARTING


@pytest.mark.valkey
@pytest.mark.django_db(transaction=True)
async def test_a_worker_that_died_after_the_pull_pulls_again(house):
    hers = await database_sync_to_async(start)(house, "alice", "right")
    # The engine has it, and nobody noted whose it is.
    await database_sync_to_async(pulls.begin)(hers.owner_id, IMAGE)
    house.world.images[IMAGE] = FakeImage(ports=(7860,), private=True)
    await database_sync_to_async(loop.reconcile)(hers.pk)
    assert await database_sync_to_async(state_of)(hers) is S.PULLING
    await fetched(house, hers, S.STARTING)


@pytest.mark.valkey
@pytest.mark.django_db(transaction=True)
async def test_a_worker_that_ends_during_a_pull_keeps_others_out(house):
    hers = await database_sync_to_async(start)(house, "alice", "right")
    house.world.hold_pulls()
    fetcher = Fetcher(FakeStreams(house.world))
    async with asyncio.timeout(60):
        while not await ImagePull.objects.aexists():
            await fetcher.sweep()
            await asyncio.sleep(0.02)
    await fetcher.close()
    assert not await database_sync_to_async(pulls.may_use)(hers.owner_id + 1, IMAGE, ID)
