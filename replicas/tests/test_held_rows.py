"""Two transactions of PostgreSQL meet: what the second may do before the first ends.

Each pair is one of the table in docs/adr/0018-two-databases.md. SQLite lets the second
one begin only then; endpoints/tests/test_at_once.py has both databases.
"""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.db import transaction
from django.utils import timezone

from endpoints import keys, passes, revisions, services, sharing, timeline, volumes
from endpoints.holding import hold
from endpoints.models import Endpoint, Pass, Revision, Scope, Volume
from endpoints.steps import Reason
from endpoints.tests.factories import (
    EndpointFactory,
    MediumTierFactory,
    TierFactory,
    spec,
    volume,
)
from replicas import booking, pruning
from replicas import services as moves
from replicas.models import Gpu, Node, Replica
from replicas.reconciler import execute
from replicas.reconciler.actions import Forget
from replicas.states import ReplicaState as S
from replicas.tests.factories import GpuFactory, ReplicaFactory
from tests.together import meet

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.valkey,
    pytest.mark.postgres,
]


@pytest.fixture(autouse=True)
def valkey_there(valkey):
    """A move tells open pages."""


# --- Events ----------------------------------------------------------------------
def test_a_later_event_is_not_seen_before_an_earlier_one(alice):
    endpoint = EndpointFactory(owner=alice)
    met = meet(
        lambda: timeline.record(endpoint, Reason.CHANGED),
        lambda: timeline.record(endpoint, Reason.PAUSED),
    )
    assert met.waited
    assert met.first.pk < met.second.pk


def test_events_of_two_endpoints_do_not_wait_for_each_other(alice):
    one, other = EndpointFactory(owner=alice), EndpointFactory(owner=alice)
    met = meet(
        lambda: timeline.record(one, Reason.CHANGED),
        lambda: timeline.record(other, Reason.CHANGED),
    )
    assert not met.waited


# --- Volumes ---------------------------------------------------------------------
def cloned(alice):
    files = spec(volume=volume("checkpoints"))
    wish = services.Wish(name="art", spec=files, tier=TierFactory())
    return lambda: services.create(alice, wish)


def test_a_volume_that_is_just_being_chosen_is_not_deleted(alice):
    row = volumes.ensure(alice.pk, "checkpoints")
    met = meet(cloned(alice), lambda: volumes.delete(row))
    assert met.waited
    assert isinstance(met.second, volumes.VolumeInUse)
    assert Volume.objects.get() == row
    assert not Volume.objects.get().deleting


def test_who_chooses_a_volume_that_is_just_being_deleted_gets_a_new_one(alice):
    row = volumes.ensure(alice.pk, "checkpoints")
    create = cloned(alice)
    met = meet(lambda: volumes.delete(row), create)
    assert met.waited
    assert isinstance(met.second, Endpoint)
    kept = Volume.objects.get(deleting=False)
    assert kept != row
    assert volumes.users_of(kept) == ["art"]


# --- Passes ----------------------------------------------------------------------
def test_who_is_shut_out_while_a_ticket_is_redeemed_has_no_pass(alice):
    endpoint = EndpointFactory(owner=alice)
    until = timezone.now() + timedelta(hours=1)
    ticket = passes.hand_over(endpoint, alice, "browser", until)

    def shut_out():
        alice.is_active = False
        alice.save()

    met = meet(lambda: passes.redeem(endpoint.name, ticket), shut_out)
    assert met.waited
    assert met.first is not None
    assert not Pass.objects.usable().exclude(digest=None).exists()


# --- Revisions -------------------------------------------------------------------
@pytest.fixture
def worn(alice, settings):
    """An endpoint with so many revisions that the first is history."""
    endpoint = EndpointFactory(owner=alice)
    for n in range(2, pruning.REVISIONS_KEPT + 3):
        services.change(endpoint, "alice", spec=spec(image=f"lab/app:{n}").to_json())
    long_ago = timezone.now() - timedelta(days=settings.ALIGHT_HISTORY_DAYS + 1)
    Revision.objects.update(created_at=long_ago)
    return endpoint


def test_a_revision_that_somebody_just_goes_back_to_is_not_pruned(worn):
    met = meet(
        lambda: revisions.roll_back(worn, 1, "alice"),
        lambda: pruning._revisions(timezone.now(), dry_run=False),
    )
    assert met.waited
    worn.refresh_from_db()
    assert revisions.wanted(worn).number == 1


def test_nobody_goes_back_to_a_revision_that_is_just_being_pruned(worn):
    met = meet(
        lambda: pruning._revisions(timezone.now(), dry_run=False),
        lambda: revisions.roll_back(worn, 1, "alice"),
    )
    assert met.waited
    assert met.first[0] > 0
    assert isinstance(met.second, revisions.NoSuchRevision)
    worn.refresh_from_db()
    assert revisions.wanted(worn).number == worn.revision


# --- GPUs ------------------------------------------------------------------------
def waiting():
    return ReplicaFactory(endpoint=EndpointFactory(tier=MediumTierFactory()))


def assign(pk):
    replica = Replica.objects.select_related("revision__tier").get(pk=pk)
    place = booking.book(replica, replica.tier)
    if place.node is not None:
        moves.move(replica, S.ASSIGNED, node=place.node)
    return place


def in_transaction(call, *args):
    with transaction.atomic():
        return call(*args)


def test_one_gpu_goes_to_one_of_two_endpoints():
    GpuFactory()
    first, second = waiting(), waiting()
    met = meet(lambda: assign(first.pk), lambda: in_transaction(assign, second.pk))
    assert met.waited
    assert met.first.node is not None
    assert met.second.node is None
    assert met.second.standing.free == 0
    assert Gpu.objects.get().replica == first


def test_who_asks_while_a_gpu_is_given_back_gets_it():
    gpu = GpuFactory()
    holder, asker = waiting(), waiting()
    in_transaction(assign, holder.pk)
    met = meet(
        lambda: moves.free_hardware(holder), lambda: in_transaction(assign, asker.pk)
    )
    assert met.waited
    assert met.second.gpus == (gpu,)


# --- Nobody waits in a circle ----------------------------------------------------
def test_who_tells_a_rollout_waits_before_it_has_the_revision(alice):
    endpoint = EndpointFactory(owner=alice)
    asked = revisions.wanted(endpoint)
    rows = Revision.objects.filter(pk=asked.pk)
    # As somebody does who goes back to it: the endpoint first, then its revision.
    for tell in (
        lambda: revisions.stop(asked, 1, "It did not become ready."),
        lambda: revisions.settle(asked),
    ):
        met = meet(
            lambda: hold(Endpoint.objects.filter(pk=endpoint.pk)),
            tell,
            then=lambda: rows.update(settled_at=None),
        )
        assert met.waited
        assert met.second is True


def test_who_revokes_a_link_of_an_endpoint_that_just_goes(alice):
    endpoint = EndpointFactory(owner=alice)
    until = timezone.now() + timedelta(hours=1)
    link, _ = sharing.share(endpoint, alice, until)
    met = meet(
        lambda: hold(Endpoint.objects.filter(pk=endpoint.pk), going=True),
        lambda: sharing.unshare(link, "alice"),
        then=endpoint.delete,
    )
    assert met.waited
    assert met.second is False


def test_who_gives_hardware_back_waits_before_it_has_the_replica():
    GpuFactory()
    replica = waiting()
    in_transaction(assign, replica.pk)
    rows = Replica.objects.filter(pk=replica.pk)
    rows.update(state=S.STOPPING)
    met = meet(
        lambda: hold(Node.objects.all()),
        lambda: execute._finish(Replica.objects.get(pk=replica.pk), None),
        then=lambda: rows.update(trouble=""),
    )
    assert met.waited
    assert met.second.freed


# --- The end of an endpoint ------------------------------------------------------
def test_nobody_refers_to_an_endpoint_that_is_just_going(alice):
    endpoint = EndpointFactory(owner=alice)
    until = timezone.now() + timedelta(hours=1)
    going = Endpoint.objects.get()
    # Between its look at what refers to it, and its end.
    going.delete = lambda: None
    met = meet(
        lambda: execute.execute(Forget(), SimpleNamespace(endpoint=going)),
        lambda: Pass.objects.create(endpoint=endpoint, user=alice, expires_at=until),
    )
    assert met.waited


@pytest.mark.parametrize(
    "make",
    [
        lambda who, one, until: sharing.share(one, who, until),
        lambda who, one, until: passes.issue(one, who, until),
        lambda who, one, until: passes.hand_over(one, who, "browser", until),
    ],
    ids=["link", "pass", "ticket"],
)
def test_who_opens_an_endpoint_that_is_just_going_finds_it_gone(alice, make):
    endpoint = EndpointFactory(owner=alice)
    until = timezone.now() + timedelta(hours=1)
    seen = Endpoint.objects.get()
    met = meet(endpoint.delete, lambda: make(alice, seen, until))
    assert met.waited
    assert isinstance(met.second, Endpoint.DoesNotExist)


def test_a_token_is_made_without_an_endpoint_that_is_just_going(alice):
    goes, stays = EndpointFactory(owner=alice), EndpointFactory(owner=alice)
    chosen = list(Endpoint.objects.all())
    met = meet(
        goes.delete,
        lambda: keys.make_token(alice, "ci", scope=Scope.CALL_SOME, endpoints=chosen),
    )
    assert met.waited
    key, _ = met.second
    assert list(key.endpoints.all()) == [stays]


def test_who_changes_an_endpoint_that_is_just_going_finds_it_gone(alice):
    endpoint = EndpointFactory(owner=alice)
    seen = Endpoint.objects.get()
    met = meet(endpoint.delete, lambda: services.change(seen, "alice", public=True))
    assert met.waited
    assert isinstance(met.second, Endpoint.DoesNotExist)
