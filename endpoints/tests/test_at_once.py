"""People who do the same thing in the same moment: one of them wins, none is lost.

On SQLite their transactions stand in line by themselves; on PostgreSQL they are held
apart by rows (docs/adr/0018-two-databases.md).
"""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from endpoints import passes, revisions, services
from endpoints.models import Endpoint, Event, Revision, Volume
from endpoints.steps import Reason
from endpoints.tests.factories import (
    EndpointFactory,
    TierFactory,
    UserFactory,
    spec,
    volume,
)
from tests.together import all_at_once, raised

pytestmark = pytest.mark.django_db(transaction=True)

MANY = 8


def wish(name, tier, container=None):
    return services.Wish(name=name, spec=container or spec(), tier=tier)


def test_a_name_is_given_once(django_user_model):
    tier = TierFactory()
    people = [UserFactory() for _ in range(MANY)]
    told = all_at_once(
        [lambda who=who: services.create(who, wish("art", tier)) for who in people]
    )
    (winner,) = (one for one in told if isinstance(one, Endpoint))
    losers = raised(told)
    assert {type(one) for one in losers} == {services.NameTaken}
    assert len(losers) == MANY - 1
    assert Endpoint.objects.get().owner == winner.owner
    # Nothing of the others' is left.
    assert Revision.objects.count() == Event.objects.count() == 1


def test_each_change_has_a_revision_of_its_own_number(alice):
    endpoint = EndpointFactory(owner=alice)
    told = all_at_once(
        [
            lambda n=n: services.change(
                endpoint, "alice", spec=spec(image=f"lab/app:{n}").to_json()
            )
            for n in range(2, 2 + MANY)
        ]
    )
    assert raised(told) == []
    numbers = endpoint.revisions.order_by("number").values_list("number", flat=True)
    assert list(numbers) == list(range(1, 2 + MANY))
    endpoint.refresh_from_db()
    assert endpoint.revision == 1 + MANY
    assert endpoint.spec == revisions.wanted(endpoint).spec


def test_a_flag_is_turned_once(alice):
    endpoint = EndpointFactory(owner=alice)
    told = all_at_once([lambda: services.pause(Endpoint.objects.get(), "alice")] * MANY)
    assert sorted(told) == [False] * (MANY - 1) + [True]
    assert endpoint.events.filter(reason=Reason.PAUSED).count() == 1


def test_a_volume_that_everybody_names_is_made_once(alice):
    tier = TierFactory()
    files = spec(volume=volume("checkpoints"))
    told = all_at_once(
        [
            lambda n=n: services.create(alice, wish(f"art-{n}", tier, files))
            for n in range(MANY)
        ]
    )
    assert raised(told) == []
    assert Volume.objects.get().name == "checkpoints"


def test_a_ticket_is_taken_once(alice):
    endpoint = EndpointFactory(owner=alice)
    until = timezone.now() + timedelta(hours=1)
    ticket = passes.hand_over(endpoint, alice, "browser", until)
    told = all_at_once([lambda: passes.redeem(endpoint.name, ticket)] * MANY)
    assert raised(told) == []
    assert sum(one is not None for one in told) == 1
