"""REST: who may call, how it refuses, what it says of itself, and odd input."""

import json
import random
import re

import pytest
import yaml
from django.core.management import call_command
from django.db import OperationalError
from django.test import Client
from rest_framework.exceptions import ValidationError
from rest_framework.test import APIClient, APIRequestFactory

from console import space
from console.api import explain
from endpoints.keys import make_token, revoke
from endpoints.models import Endpoint
from endpoints.tests.factories import (
    PASSWORD,
    EndpointFactory,
    TierFactory,
    UserFactory,
    caller,
)
from replicas.serializers import RunningEndpointSerializer

pytestmark = pytest.mark.django_db

NAME = "[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}"

PATHS = [
    "/v1/endpoints",
    "/v1/endpoint/whisper",
    "/v1/endpoint/whisper/container/metadata",
    "/v1/events/whisper",
    "/v1/events/whisper/stream",
    "/v1/logs/whisper",
    "/v1/logs/whisper/stream",
    "/v1/logs/whisper/search",
    "/v1/logs/whisper/attempts",
    "/v1/logs/whisper/download",
    "/v1/instance-types",
    "/v1/account",
    "/v1/secrets",
    "/v1/secret/A",
    "/v1/registry-credentials",
    "/v1/registry-credential/A",
    "/v1/endpoint/whisper/revisions",
    "/v1/endpoint/whisper/revisions/1/rollback",
    "/v1/volumes",
    "/v1/volumes/whisper",
    "/v1/templates",
    "/v1/templates/S",
    "/v1/endpoint/whisper/wake",
    "/v1/endpoint/whisper/sleep",
    "/v1/endpoint/whisper/keep-warm",
    "/v1/endpoint/whisper/schedule",
    "/v1/endpoint/whisper/share-links",
    "/v1/endpoint/whisper/share-links/1",
    "/v1/tokens",
    "/v1/tokens/1",
    "/v1/metrics/whisper",
]
WISH = {"name": "whisper", "image_url": "lab/whisper:1", "port": 8000}


def error(answer):
    """The refusal's body; every refusal has this shape and a request id."""
    body = answer.json()
    assert list(body) == ["error"]
    assert set(body["error"]) == {"code", "message", "fields"}
    assert body["error"]["message"]
    assert answer.headers["x-request-id"]
    return body["error"]


# --- Who may call ------------------------------------------------------------
@pytest.mark.parametrize("path", PATHS)
def test_a_stranger_is_told_how_to_sign_in(client, path):
    answer = client.get(path)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    told = error(answer)
    assert told["code"] == "not_authenticated"
    assert "Tokens page" in told["message"]


def test_a_token_that_is_not_valid(alice):
    key, token = make_token(alice, "ci")
    client = APIClient(headers={"authorization": f"Bearer {token}"})
    assert client.get("/v1/account").status_code == 200
    revoke(key)
    for bad in (token, token + "x", "", "ünï"):
        answer = APIClient().get(
            "/v1/account", headers={"authorization": f"Bearer {bad}"}
        )
        assert answer.status_code == 401
        assert error(answer)["message"] == (
            "This token is not valid. Make a new one on the Tokens page."
        )


def test_a_token_of_someone_who_left(alice):
    client = caller(alice)
    alice.is_active = False
    alice.save()
    assert client.get("/v1/account").status_code == 401


def test_a_session_reads_and_with_the_csrf_token_writes():
    TierFactory()
    UserFactory(username="grace")
    client = Client(enforce_csrf_checks=True)
    assert client.login(username="grace", password=PASSWORD)
    assert client.get("/v1/account").json()["name"] == "grace"

    def post(**headers):
        return client.post(
            "/v1/endpoint", WISH, content_type="application/json", headers=headers
        )

    refused = post()
    assert refused.status_code == 403
    assert "x-csrftoken" in error(refused)["message"]
    token = "x" * 32
    client.cookies["alight_csrf"] = token
    assert post(**{"x-csrftoken": token}).status_code == 201


def test_last_use_of_a_token_is_noted(alice):
    key, token = make_token(alice, "ci")
    APIClient(headers={"authorization": f"Bearer {token}"}).get("/v1/account")
    key.refresh_from_db()
    assert key.last_used_at is not None


# --- How it refuses ----------------------------------------------------------
@pytest.mark.parametrize(
    ("body", "word"),
    [
        (b"", "3 fields need a change."),
        (b"{", "line 1, column 2"),
        (b'{"name": "x",}', "not JSON"),
        (b"name=whisper", "not JSON"),
        (b"\xff\xfe", "UTF-8"),
        (b'{"port": NaN}', "NaN"),
        (b'{"port": ' + b"9" * 5000 + b"}", "long numbers"),
        (b"[" * 100_000, "deep nesting"),
        (b"[]", "Send a JSON object"),
        (b"null", "Send a JSON object"),
        (b'"whisper"', "Send a JSON object"),
        (b'{"\\ud800": 1}', "4 fields need a change."),
    ],
)
def test_a_body_that_cannot_be_read(alice, body, word):
    answer = caller(alice).post("/v1/endpoint", body, content_type="application/json")
    assert answer.status_code == 400
    assert word in error(answer)["message"]


def test_a_body_that_is_too_large(alice):
    body = b'{"description": "' + b"x" * 1_000_000 + b'"}'
    answer = caller(alice).post("/v1/endpoint", body, content_type="application/json")
    assert answer.status_code == 413
    assert error(answer)["message"] == "Send at most 1,000,000 bytes."


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "nonsense"]
)
def test_another_kind_of_body(alice, kind):
    answer = caller(alice).post("/v1/endpoint", "name=x", content_type=kind)
    assert answer.status_code == 415
    assert "application/json" in error(answer)["message"]


def test_a_method_that_is_not_there(alice):
    EndpointFactory(name="whisper", owner=alice)
    answer = caller(alice).put("/v1/endpoint/whisper", WISH, format="json")
    assert answer.status_code == 405
    assert error(answer)["message"] == (
        "PUT is not possible here. Possible: GET, PATCH, DELETE, HEAD, OPTIONS."
    )
    assert "PATCH" in answer.headers["Allow"]
    stream = caller(alice).head("/v1/events/whisper/stream")
    assert stream.status_code == 405


@pytest.mark.parametrize(
    "path", ["/v1/", "/v1/nothing", "/v1/endpoints/", "/v1/endpoint/a%00b", "/v1/../x"]
)
@pytest.mark.parametrize("method", ["get", "post", "patch", "delete"])
def test_an_address_that_is_not_there(client, path, method):
    answer = getattr(client, method)(path)
    assert answer.status_code == 404
    told = error(answer)
    assert told["code"] == "not_found"
    assert ("slash" in told["message"]) == (path == "/v1/endpoints/")


def test_another_kind_of_answer(alice):
    answer = caller(alice).get("/v1/account", headers={"accept": "text/html"})
    assert answer.status_code == 406
    assert error(answer)["code"] == "not_acceptable"


def test_the_callers_own_request_id_is_dropped(client):
    answer = client.get("/v1/account", headers={"x-request-id": "abc-123.x"})
    assert re.fullmatch(NAME, answer.headers["x-request-id"])


def test_our_own_fault_is_named_and_says_nothing_more(alice, monkeypatch, caplog):
    def broken(self, user):
        raise RuntimeError("the database password is hunter2")

    asking = caller(alice)
    monkeypatch.setattr(type(Endpoint.objects.all()), "visible_to", broken)
    answer = asking.get("/v1/endpoints")
    assert answer.status_code == 500
    told = error(answer)
    reference = answer.headers["x-request-id"]
    assert reference in told["message"]
    assert "hunter2" not in answer.content.decode()
    assert reference in caplog.text


# --- What it says of itself --------------------------------------------------
def test_the_schema_is_valid_and_complete(capsys):
    call_command("spectacular", "--validate", "--fail-on-warn")
    schema = yaml.safe_load(capsys.readouterr().out)
    named = {
        path.replace("{name}", "whisper")
        .replace("{key}", "A")
        .replace("{revision}", "1")
        .replace("{slug}", "S")
        .replace("{key_id}", "1")
        .replace("{link_id}", "1")
        for path in schema["paths"]
    }
    public = {"/v1/public-endpoints"}
    made = {"/v1/endpoint", "/v1/secret", "/v1/registry-credential"}
    assert named == {*PATHS, *made, *public}
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            assert operation["summary"], (path, method)
            assert bool(operation.get("security")) == (path not in public)
    made = schema["components"]["schemas"]["EndpointRequest"]
    assert set(made["required"]) == {"name", "image_url", "port"}


@pytest.mark.parametrize(
    ("asked", "accept", "kind"),
    [
        ("", "*/*", "application/json"),
        ("", "application/yaml", "application/yaml"),
        ("?format=yaml", "*/*", "application/yaml"),
        ("?format=json", "*/*", "json"),
    ],
)
def test_the_schema_is_served_to_everyone(client, asked, accept, kind):
    answer = client.get(f"/v1/schema{asked}", headers={"accept": accept})
    assert answer.status_code == 200
    assert kind in answer.headers["Content-Type"]
    read = json.loads if "json" in kind else yaml.safe_load
    assert read(answer.content)["openapi"].startswith("3.")


def test_what_an_answer_has_is_in_the_schema(alice, capsys):
    TierFactory()
    client = caller(alice)
    shown = client.post("/v1/endpoint", WISH, format="json").json()
    call_command("spectacular")
    schemas = yaml.safe_load(capsys.readouterr().out)["components"]["schemas"]
    assert set(schemas["Endpoint"]["properties"]) == set(shown)
    tier = client.get("/v1/instance-types").json()[0]
    assert set(schemas["InstanceType"]["properties"]) == set(tier)


# --- Odd input ---------------------------------------------------------------
ODD = [
    None, True, 0, -1, 1.5, 1e308, 10**30, "", " ", "\x00", "\u202e", "x" * 5000, "é",
    "\U0001f600", "../..", "'; drop table", [], [[]], [None], {}, {"": {}}, {"a": [1]},
    [{"name": {}}], [{"mount": []}], ["x"] * 300, {"X": {"Y": 1}}, "sha256:", "a@b:c",
]  # fmt: skip


def test_no_value_breaks_a_field(alice):
    TierFactory()
    known = EndpointFactory(name="known", owner=alice)
    request = APIRequestFactory().post("/v1/endpoint")
    for field in RunningEndpointSerializer().fields:
        for value in ODD:
            for row in (None, known):
                asked = RunningEndpointSerializer(
                    row,
                    data={**WISH, field: value},
                    partial=row is not None,
                    context={"owner_id": alice.pk},
                )
                if asked.is_valid():
                    continue
                answer = explain(ValidationError(asked.errors), {"request": request})
                for sentences in answer.data["error"]["fields"].values():
                    assert all(sentence.endswith((".", "?")) for sentence in sentences)


def test_no_body_breaks_it(alice):
    """Odd values in some fields at once, on the way through everything."""
    TierFactory()
    client = caller(alice)
    EndpointFactory(name="known", owner=alice)
    fields = sorted(client.get("/v1/endpoint/known").json())
    dice = random.Random(7)
    for number in range(60):
        odd = {name: dice.choice(ODD) for name in dice.sample(fields, number % 4 + 1)}
        wish = {**WISH, "name": f"whisper-{number}", **odd}
        made = client.post("/v1/endpoint", wish, format="json")
        assert made.status_code in {201, 400, 409}, (wish, made.content)
        changed = client.patch("/v1/endpoint/known", odd, format="json")
        assert changed.status_code in {200, 400}, (odd, changed.content)
        for answer in (made, changed):
            if answer.status_code >= 400:
                error(answer)
    assert client.get("/v1/endpoints").status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "/v1/endpoint/" + "x" * 5000,
        "/v1/endpoint/%ff",
        "/v1/endpoint/..%2f",
        "/v1/events/whisper?after=%00",
        "/v1/events/whisper?after=1&after=x",
        "/v1/logs/whisper?begin_time=%ff&end_time=%00",
        "/v1/logs/whisper?max_lines=" + "9" * 5000,
        "/v1/logs/whisper?format=xml",
        "/v1/account?format=",
    ],
)
def test_no_address_breaks_it(alice, path):
    EndpointFactory(name="whisper", owner=alice)
    assert caller(alice).get(path).status_code in {200, 400, 404}


@pytest.mark.parametrize(
    "kind",
    [
        "application/json; charset=rot13",
        "multipart/form-data",
        "multipart/form-data; boundary=" + "x" * 300,
        "application/json; charset=utf-16",
    ],
)
def test_no_kind_of_body_breaks_it(alice, kind):
    answer = caller(alice).generic("POST", "/v1/endpoint", b"{}", content_type=kind)
    assert answer.status_code in {400, 415}
    session = Client(enforce_csrf_checks=True)
    session.force_login(alice)
    answer = session.generic("POST", "/v1/endpoint", b"{}", content_type=kind)
    assert answer.status_code in {400, 403, 415}


def test_a_full_disk_is_named(monkeypatch, rf):
    error = OperationalError("disk I/O error")
    monkeypatch.setattr(space, "free", lambda: 0)
    answer = explain(error, {"request": rf.get("/v1/endpoints")})
    assert answer.status_code == 507
    assert answer.data["error"]["code"] == "disk_full"
    assert "ALIGHT_HOME" in answer.data["error"]["message"]


def test_a_database_error_with_room_on_the_disk_is_our_fault(monkeypatch, rf):
    monkeypatch.setattr(space, "free", lambda: 10**9)
    error = OperationalError("disk I/O error")
    answer = explain(error, {"request": rf.get("/v1/endpoints")})
    assert answer.status_code == 500
