"""Share links on the page: made once, shown once, listed, revoked."""

import re
from datetime import timedelta

import pytest
from django.utils import timezone

from endpoints import sharing
from endpoints.models import ShareLink
from endpoints.tests.factories import EndpointFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def art(client, alice):
    client.force_login(alice)
    return EndpointFactory(name="art", owner=alice)


@pytest.fixture
def link(art, alice):
    ends = timezone.now() + timedelta(days=3)
    made, _ = sharing.share(art, alice, ends, "grace")
    return made


def page_of(answer):
    assert answer.status_code == 200
    return answer.content.decode()


def test_a_link_is_made_and_shown_once(client, art):
    asked = {"name": "grace", "expires": "1d"}
    answer = client.post("/endpoints/art/share/", asked)
    page = page_of(answer)
    address = re.search(r'id="share-address">([^<]+)<', page)[1]
    assert address.startswith(f"{art.url}/-/alight/share/")
    assert "no-store" in answer["Cache-Control"]
    secret = address.rpartition("/")[2]
    again = page_of(client.get("/endpoints/art/share/"))
    assert secret not in again
    assert f"…{secret[-4:]}" in again
    assert ">in 24 h</time>" in again
    ends = ShareLink.objects.get().expires_at - timezone.now()
    assert timedelta(hours=23) < ends <= timedelta(days=1)


@pytest.mark.parametrize(
    ("sent", "says"),
    [
        ({"name": "x" * 81}, "Keep it to 80 characters."),
        ({"expires": "never"}, "Choose when it expires."),
        ({"expires": ""}, "Choose when it expires."),
    ],
)
def test_what_was_typed_stays(client, art, sent, says):
    sent = {"name": "grace", "expires": "1d", **sent}
    page = page_of(client.post("/endpoints/art/share/", sent))
    assert says in page
    assert f'value="{sent["name"]}"' in page
    assert not ShareLink.objects.exists()


def test_revoking_asks_first(client, art, link):
    path = f"/endpoints/art/share/{link.pk}/revoke/"
    assert "Revoke the link for grace?" in page_of(client.get(path))
    assert ShareLink.objects.usable().exists()
    page = page_of(client.post(path, follow=True))
    assert "Revoked the link for grace" in page
    assert "No link opens it now" in page
    assert not ShareLink.objects.usable().exists()
    assert "revoked already" in page_of(client.get(path))


def test_the_endpoints_page_says_who_gets_in(client, art, link):
    page = page_of(client.get("/endpoints/art/"))
    assert "<strong>Private.</strong>" in page
    assert "whoever has one of these links" in page
    assert ">Expires in 3 days</time>" in page
    type(art).objects.update(public=True)
    assert "<strong>Public.</strong>" in page_of(client.get("/endpoints/art/"))


def test_an_endpoint_of_someone_else_is_not_shared(client, art, link, charlie, people):
    paths = ("/endpoints/art/share/", f"/endpoints/art/share/{link.pk}/revoke/")
    client.force_login(charlie)
    for path in paths:
        assert client.get(path).status_code == 404
        assert client.post(path, {"expires": "1d"}).status_code == 404
    client.force_login(people("root", is_superuser=True))
    for path in paths:
        assert client.get(path).status_code == 200


def test_a_link_of_another_endpoint_is_not_there(client, art, link, alice):
    EndpointFactory(name="chat", owner=alice)
    path = f"/endpoints/chat/share/{link.pk}/revoke/"
    assert client.post(path).status_code == 404
    assert ShareLink.objects.usable().exists()


def test_one_that_is_being_deleted(client, art):
    type(art).objects.update(deleting=True)
    assert client.get("/endpoints/art/share/").status_code == 404
