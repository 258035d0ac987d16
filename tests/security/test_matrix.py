"""Who may do what: every page and every call, asked by everybody (matrix.yaml)."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from django.db import transaction
from django.test import Client
from django.urls import get_resolver
from drf_spectacular.generators import SchemaGenerator

from tests.security.headers import lacking
from tests.security.world import PEOPLE, TOKENS, build, told

pytestmark = pytest.mark.django_db
TABLE = yaml.safe_load(Path(__file__).with_name("matrix.yaml").read_text())
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
ASKED_TO_SIGN_IN = re.compile(r"/(sign-in|admin/login)/|/admin/$")
REFUSED = {"call_all": 403, "call_some": 403}
# Those who come after what nobody else may: what they do is undone each time.
MAY = {
    "everyone": {*PEOPLE},
    "people": {"owner", "teammate", "stranger", "superuser"},
    "owner": {"owner", "superuser"},
    "account": {"owner"},
    "admin": {"superuser"},
    "edge": set(),
}
# Whose token it is; None for one that lets nobody in.
BEHIND = {
    "manage": "owner",
    "teammate_manage": "teammate",
    "superuser_manage": "superuser",
}


def routes(patterns=None, before=""):
    """Every address there is, as Django's resolver has it."""
    for one in patterns or get_resolver().url_patterns:
        route = before + str(one.pattern)
        if hasattr(one, "url_patterns"):
            yield from routes(one.url_patterns, route)
        else:
            yield route


def calls():
    """Every call of the API's description, as "GET /v1/endpoints"."""
    schema = SchemaGenerator().get_schema(request=None, public=True)
    return [
        f"{method.upper()} {path}"
        for path, methods in schema["paths"].items()
        for method in methods
    ]


@pytest.fixture
def world(db, settings, tmp_path):
    settings.ALIGHT_LOG_DIR = tmp_path / "logs"
    return build()


# --- Nothing is left out -----------------------------------------------------------
def test_every_address_has_a_row():
    rows = {*TABLE["pages"], *TABLE["undescribed"]}
    there = {r for r in routes() if not r.startswith(("admin/", "v1/"))}
    there |= {r for r in routes() if r.startswith("v1/") and _plain(r) not in _paths()}
    assert there == rows


def test_every_call_has_a_row():
    assert set(calls()) == set(TABLE["api"])


def _paths():
    return {call.split()[1] for call in TABLE["api"]}


def _plain(route):
    return "/" + re.sub(r"<\w+:(\w+)>", r"{\1}", route)


# --- Pages -------------------------------------------------------------------------
def filled(world, send):
    return {
        name: text.format(**world.args) if isinstance(text, str) else text
        for name, text in (send or {}).items()
    }


def page_refusal(who, kind):
    if kind == "edge":
        return 404
    if kind == "admin":
        return 401 if who == "nobody" else 403
    return 302 if who == "nobody" else 404


def test_every_page(world):
    assert wrong(TABLE["pages"], lambda route: a_page(world, route)) == []


def wrong(rows, check):
    """What the check says against each of these; all are looked at."""
    found = []
    for row in rows:
        try:
            check(row)
        except AssertionError as error:
            found.append(f"{row}: {error}")
    return found


def a_page(world, route):
    row = TABLE["pages"][route]
    path = world.path(row.get("path", route))
    for method in METHODS:
        if method in row:
            send = filled(world, row.get("send")) if method == "POST" else None
            everybody_asks(world, row, method, path, send)
        elif method not in row.get("other", ()):
            nobody_does(world, row, method, path)
    if row["who"] not in ("everyone", "edge", "admin"):
        tokens_open_nothing(world, row, path)


def everybody_asks(world, row, method, path, send):
    may = MAY[row["who"]]
    for who in PEOPLE:
        answer = world.ask(who, method, path, send)
        assert lacking(answer) == {}, path
        if who in may:
            assert answer.status_code in _expected(row, method, who), (who, path)
        else:
            refused = page_refusal(who, row["who"])
            assert answer.status_code == refused, (who, method, path)
            if refused == 302:
                assert answer.url.startswith("/sign-in/?next="), path
        if who not in ("owner", "superuser"):
            assert told(answer) == "", (who, method, path)


def _expected(row, method, who):
    """The sign-in page is where those who are signed in are led on from."""
    if row["who"] == "everyone" and who == "nobody" and row[method] == 302:
        return (200, 302)
    return (row[method],)


def nobody_does(world, row, method, path):
    """A method that is not there, as whoever may do most asks for it."""
    who = "owner" if "owner" in MAY[row["who"]] else "superuser"
    wanted = (404, 405) if row["who"] == "edge" else (405,)
    assert world.ask(who, method, path).status_code in wanted, (method, path)


def tokens_open_nothing(world, row, path):
    """Only people have pages; the API alone, and /metrics, take tokens."""
    method = next(method for method in METHODS if method in row)
    answer = world.ask("manage", method, path)
    assert answer.status_code == 302
    assert answer.url.startswith("/sign-in/?next=")


# --- The admin ---------------------------------------------------------------------
def test_the_admin_is_for_superusers(world):
    there = [route for route in routes() if route.startswith("admin/")]
    assert len(there) > 20
    for route in there:
        path = "/" + re.sub(r"\^.*|<[^>]*>", "1", route)
        for who in ("owner", "stranger", "nobody", "manage", "superuser_manage"):
            for method in ("GET", "POST"):
                answer = world.ask(who, method, path)
                assert answer.status_code in (302, 403, 404), (who, path)
                assert lacking(answer) == {}, path
                assert told(answer) == "", (who, path)
                if answer.status_code == 302:
                    assert ASKED_TO_SIGN_IN.match(answer.url), (who, path)


# --- The API -----------------------------------------------------------------------
def api_status(row, who):
    """What the table says for a person, or for a token."""
    person = BEHIND.get(who, who if who in PEOPLE else None)
    if row["who"] == "everyone":
        return row["is"]
    if who in REFUSED:
        return REFUSED[who]
    if person in (None, "nobody"):
        return 401
    return row["is"] if person in MAY[row["who"]] else 404


def test_every_call(world):
    assert wrong(TABLE["api"], lambda call: a_call(world, call)) == []


def a_call(world, call):
    row = TABLE["api"][call]
    method, route = call.split()
    args = {name: world.args[of] for name, of in row.get("args", {}).items()}
    path = world.path(route.lstrip("/"), args)
    for who in (*PEOPLE, *TOKENS):
        answer = world.ask(who, method, path, row.get("send"), json=True)
        assert answer.status_code == api_status(row, who), (who, path)
        assert lacking(answer) == {}, path
        if BEHIND.get(who, who) not in ("owner", "superuser"):
            assert told(answer) == "", (who, path)
        if answer.status_code == 401:
            assert answer["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("who", [*PEOPLE, *TOKENS])
def test_the_rest_of_the_api_is_the_same_for_everybody(world, who):
    assert set(TABLE["undescribed"].values()) == {"everyone"}
    assert world.ask(who, "GET", "/v1/schema").status_code == 200
    assert world.ask(who, "GET", "/v1/other").status_code == 404


@pytest.mark.parametrize("who", TOKENS)
def test_metrics_of_everybody_by_token(world, who):
    wanted = {"superuser_manage": 200, "manage": 403, "teammate_manage": 403}
    status = wanted.get(who, REFUSED.get(who, 401))
    assert world.ask(who, "GET", "/metrics").status_code == status


# --- Forms -------------------------------------------------------------------------
def test_no_form_is_taken_without_its_token(world):
    """Nor a call with a session; a bearer token, which no browser adds, needs none."""
    careful = Client(enforce_csrf_checks=True)
    careful.cookies = world.clients["owner"].cookies
    world.clients["careful"] = careful

    def refused(route):
        row = TABLE["pages"][route]
        if "POST" in row and row["who"] != "edge":
            answer = world.ask("careful", "POST", world.path(route), row.get("send"))
            assert answer.status_code == 403
            assert "This form is out of date" in answer.content.decode()

    def refused_call(call):
        method, route = call.split()
        if method != "GET":
            answer = world.ask("careful", method, world.path(route[1:]), json=True)
            assert answer.status_code == 403
            assert "x-csrftoken" in answer.json()["error"]["message"]

    world.args |= {"key": "CANARY_KEY"}
    assert wrong(TABLE["pages"], refused) == []
    assert wrong(TABLE["api"], refused_call) == []


# --- Lists -------------------------------------------------------------------------
def test_a_shared_template_is_everybodys_to_clone_and_its_owners_to_change(world):
    slug = world.args["shared"]
    for who in PEOPLE[:4]:
        assert world.ask(who, "GET", f"/templates/{slug}/clone/").status_code == 200
        assert world.ask(who, "GET", f"/v1/templates/{slug}").status_code == 200
        own = who == "owner"
        for page in ("edit", "delete"):
            answer = world.ask(who, "GET", f"/templates/{slug}/{page}/")
            assert answer.status_code == (200 if own else 404)
        deleted = world.ask(who, "DELETE", f"/v1/templates/{slug}", json=True)
        assert deleted.status_code == (204 if own else 404)


# --- What is somebody else's, below or beside what is one's own ---------------------
CROSSED = [
    ("GET", "/endpoints/bobs/replicas/{replica_id}/", {}),
    ("POST", "/endpoints/bobs/try-now/", {"replica": "{replica_id}"}),
    ("GET", "/endpoints/bobs/share/{link_id}/revoke/", {}),
    ("POST", "/endpoints/bobs/share/{link_id}/revoke/", {}),
    ("DELETE", "/v1/endpoint/bobs/share-links/{link_id}", {}),
    ("GET", "/images/check/", {"image": "lab/app:1", "endpoint": "{name}"}),
]


@pytest.mark.parametrize(("method", "path", "send"), CROSSED)
def test_a_part_of_somebody_elses_is_not_there(world, method, path, send):
    answer = world.ask(
        "teammate", method, path.format(**world.args), filled(world, send)
    )
    assert answer.status_code == 404
    assert told(answer) == ""


def test_a_restart_reaches_ones_own_replicas_only(world, monkeypatch):
    asked = []
    monkeypatch.setattr(
        "replicas.services.restart", lambda replica, user: asked.append(replica.pk)
    )
    for replica in (world.args["replica_id"], world.bobs["replica_id"]):
        send = {"replica": replica}
        answer = world.ask("teammate", "POST", "/endpoints/bobs/restart/", send)
        assert answer.status_code == 302
    assert asked == [int(world.bobs["replica_id"])]


WISH = {"name": "mine", "image_url": "lab/app:1", "port": 80}
TAKEN = [
    {"container_secrets": ["CANARY_KEY"]},
    {"registry_credential": "canary-hub"},
]


@pytest.mark.parametrize("taken", TAKEN)
@pytest.mark.parametrize("who", ["teammate", "superuser"])
def test_nobody_uses_somebody_elses_secrets(world, taken, who):
    """Also a superuser: what an account keeps is the account's."""
    answer = world.ask(who, "POST", "/v1/endpoint", WISH | taken, json=True)
    assert answer.status_code == 400
    assert set(answer.json()["error"]["fields"]) == set(taken)


def test_a_volume_of_the_same_name_is_another_volume(world):
    from endpoints.models import Volume

    mine = {"volumes_experimental": [{"name": "canary-files", "mount": "/data"}]}
    before = Volume.objects.get(name="canary-files")
    with transaction.atomic():
        client = world.clients["teammate"]
        answer = client.post(
            "/v1/endpoint", WISH | mine, content_type="application/json"
        )
        assert answer.status_code == 201, answer.content
        his = Volume.objects.get(name="canary-files", owner__username="bob")
        assert his.engine_name != before.engine_name
        transaction.set_rollback(True)


def test_a_token_for_somebody_elses_endpoint_is_not_made(world):
    wish = {"name": "x", "scope": "call-some", "endpoints": ["canary-app"]}
    for who in ("teammate", "stranger"):
        answer = world.ask(who, "POST", "/v1/tokens", wish, json=True)
        assert answer.status_code == 400
        assert "endpoints" in answer.json()["error"]["fields"]
