"""Who may open which socket, and from where: the whole entry, as browsers meet it."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from asgiref.sync import sync_to_async
from asgiref.testing import ApplicationCommunicator
from django.contrib.auth import get_user_model
from django.test import Client

from console.asgi import application
from console.routing import websocket_urlpatterns
from endpoints.keys import make_token
from endpoints.tests.factories import EndpointFactory, UserFactory

TABLE = yaml.safe_load(Path(__file__).with_name("matrix.yaml").read_text())["sockets"]
PATIENCE = 60
pytestmark = pytest.mark.django_db(transaction=True)
NAMES = {
    "owner": "alice",
    "teammate": "bob",
    "stranger": "charlie",
    "superuser": "root",
}


def people():
    for name in NAMES.values():
        UserFactory(username=name, is_superuser=name == "root")
    alice = get_user_model().objects.get(username="alice")
    EndpointFactory(name="canary-app", owner=alice)
    EndpointFactory(name="bobs", owner=get_user_model().objects.get(username="bob"))


def cookie_of(who):
    client = Client()
    if who in NAMES:
        client.force_login(get_user_model().objects.get(username=NAMES[who]))
    return "; ".join(f"{name}={one.value}" for name, one in client.cookies.items())


def socket(path, *, cookie="", origin="http://localhost:8080", **headers):
    shown = {"cookie": cookie, "origin": origin, "host": "localhost:8080", **headers}
    scope = {
        "type": "websocket",
        "path": path,
        "query_string": b"",
        "subprotocols": [],
        "headers": [(k.encode(), v.encode()) for k, v in shown.items() if v],
    }
    return ApplicationCommunicator(application, scope)


async def outcome(opened):
    """The code it is closed with, or "open" when it answers what the page has."""
    await opened.send_input({"type": "websocket.connect"})
    answer = await opened.receive_output(PATIENCE)
    if answer["type"] == "websocket.accept":
        await opened.send_input({"type": "websocket.receive", "text": '{"have": {}}'})
        answer = await opened.receive_output(PATIENCE)
    await opened.send_input({"type": "websocket.disconnect", "code": 1000})
    await opened.wait(PATIENCE)
    return answer["code"] if answer["type"] == "websocket.close" else "open"


def test_every_socket_has_a_row():
    assert {str(one.pattern) for one in websocket_urlpatterns} == set(TABLE)


@pytest.mark.parametrize("route", TABLE)
async def test_a_socket(route):
    await sync_to_async(people)()
    path = "/" + route.replace("<slug:name>", "canary-app")
    for who, wanted in TABLE[route].items():
        cookie = await sync_to_async(cookie_of)(who)
        assert await outcome(socket(path, cookie=cookie)) == wanted, who


async def test_a_token_opens_no_socket():
    await sync_to_async(people)()
    alice = await get_user_model().objects.aget(username="alice")
    _, token = await sync_to_async(make_token)(alice, "ci")
    opened = socket("/ws/endpoints/canary-app/", authorization=f"Bearer {token}")
    assert await outcome(opened) == 4401


@pytest.mark.parametrize(
    "origin", ["http://canary-app.localhost:8080", "https://evil.example", "null"]
)
async def test_no_other_page_opens_one(origin):
    """Also not an endpoint's, to which browsers may give the console's cookies."""
    await sync_to_async(people)()
    cookie = await sync_to_async(cookie_of)("owner")
    opened = socket("/ws/endpoints/canary-app/", cookie=cookie, origin=origin)
    await opened.send_input({"type": "websocket.connect"})
    assert (await opened.receive_output(PATIENCE))["type"] == "websocket.close"
