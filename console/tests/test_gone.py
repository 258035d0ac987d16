"""An endpoint that goes while somebody works on it is not found: no fault of ours."""

from __future__ import annotations

import pytest
from django.urls import reverse

from endpoints.models.endpoint import EndpointQuerySet
from endpoints.tests.factories import EndpointFactory, caller

pytestmark = pytest.mark.django_db


@pytest.fixture
def going(alice, monkeypatch):
    """It is found; who then takes hold of its row finds none."""
    gone = EndpointFactory(owner=alice, name="art")
    monkeypatch.setattr(
        EndpointQuerySet, "select_for_update", lambda rows, **_: rows.none()
    )
    return gone


@pytest.mark.parametrize(
    ("view", "sent"),
    [
        ("replicas:access", {"public": "on"}),
        ("replicas:port", {"port": "81"}),
        ("replicas:sleep", {}),
        ("endpoints:share", {"name": "Carol", "expires": "1h"}),
    ],
)
def test_a_page_says_that_it_is_not_there(client, alice, going, view, sent):
    client.force_login(alice)
    answer = client.post(reverse(view, args=["art"]), sent)
    assert answer.status_code == 404
    assert "There is nothing at this address" in answer.content.decode()


def test_so_does_the_way_to_it(client, alice, going):
    client.force_login(alice)
    assert client.get(reverse("endpoints:hand_over", args=["art"])).status_code == 404


def test_and_the_api(alice, going):
    answer = caller(alice).post("/v1/endpoint/art/share-links", {}, format="json")
    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "not_found"
