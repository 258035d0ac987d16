"""Odd and hostile input: refused in words or kept as it is, and never markup.

What is typed comes from one list and from hypothesis, the same each time.
"""

from __future__ import annotations

import json
import random
import unicodedata
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from django.db import transaction
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from endpoints.models import (
    AccessKey,
    Endpoint,
    Event,
    RegistryCredential,
    ShareLink,
)
from endpoints.tests.factories import spec
from replicas.engine.frames import LogReader
from replicas.logs import store
from replicas.logs.files import LogFile
from replicas.logs.lines import Assembler
from replicas.logs.masks import Masker
from replicas.logs.records import Attempt
from replicas.logs.sink import Sink
from replicas.models import Replica
from templates_app.models import Template
from templates_app.spec import EnvVar, LogHint
from tests.security.pages import PAYLOAD, Page, shows
from tests.security.world import build

pytestmark = pytest.mark.django_db
TABLE = yaml.safe_load(Path(__file__).with_name("matrix.yaml").read_text())
# The first ALWAYS of these go into every field, and OF_REST of the others.
ALWAYS, OF_REST = 4, 3
HOSTILE = [
    PAYLOAD,
    "",
    "a\x00b",
    "9" * 400,
    " ",
    "\x00",
    "\x1b[31mred\x1b[0m\x07",
    "line\nline\r\nline",
    "../../etc/passwd",
    "'; DROP TABLE endpoints_endpoint; --",
    "$(reboot)`reboot`|reboot&",
    "-1",
    "1e309",
    "nan",
    "٣",
    "½",
    "²",
    "ｗｈｉｓｐｅｒ",
    "é" * 300,
    "\u202eexe.gpj",
    "\ufeffbom",
    "\ud83d".encode("utf-16", "surrogatepass").decode("utf-16", "replace"),
    "a" * 70_000,
    "{% load x %}{{ settings.SECRET_KEY }}",
    "http://[::1",
    "lab/app:1@sha256:zz",
    "/" * 600,
    "//evil.example/",
]
FORMS = {
    "/templates/own-container/": {
        "name": "mine", "image": "lab/app:1", "tier": "cpu", "min_replicas": "0",
        "max_replicas": "1", "port": "80", "idle": "10", "startup": "10", "hold": "5",
        "concurrency": "4", "command": "", "args": "", "health_path": "",
        "volume": "on", "volume_name": "files", "mount": "/data",
        "env-0-name": "A", "env-0-value": "b", "registry": "",
    },
    # The same form as above: these are enough.
    "/endpoints/canary-app/edit/": {"image": "lab/app:1", "env-0-name": "A"},
    "/endpoints/canary-app/scale/": {"min": "0", "max": "1"},
    "/endpoints/canary-app/warm/": {"until": "", "hours": "", "zone": ""},
    "/endpoints/canary-app/save-as-template/": {
        "name": "Mine", "summary": "It is.", "kind": "Images",
    },
    "/endpoints/canary-app/share/": {"name": "x", "expires": ""},
    "/templates/canary-template/edit/": {
        "name": "Mine", "summary": "It is.", "kind": "Images",
    },
    "/templates/import/": {"yaml": "", "shared": ""},
    "/tokens/": {"name": "ci", "scope": "manage", "expires": ""},
    "/secrets/new/": {"key": "A", "value": "b"},
    "/secrets/registries/new/": {
        "key": "hub", "registry": "", "username": "ada", "password": "x",
    },
    "/endpoints/canary-app/port/": {"port": "80"},
    "/endpoints/canary-app/tier/": {"tier": "cpu"},
    "/endpoints/canary-app/roll-back/": {"revision": "1"},
    "/endpoints/canary-app/restart/": {"replica": "1"},
    "/endpoints/canary-app/try-now/": {"replica": "1"},
    "/endpoints/canary-app/schedule/": {"zone": "", "begins": "", "min": ""},
    "/sign-in/": {"username": "ada", "password": "x", "next": "/"},
}  # fmt: skip
# Not shown again: secrets, and choices, which a page shows as its own list.
NOT_AGAIN = {
    "password", "value", "tier", "kind", "scope", "expires", "volume", "registry",
    "shared", "zone", "hours", "next", "replica", "revision", "day", "begins",
    "env-0-value",
}  # fmt: skip


# Where something of this is refused with the form as it was.
ASKS_AGAIN = {
    path
    for path in FORMS
    if not path.endswith(
        ("/port/", "/tier/", "/roll-back/", "/restart/", "/try-now/", "/schedule/")
    )
}


@pytest.fixture
def world(settings, tmp_path):
    settings.ALIGHT_LOG_DIR = tmp_path / "logs"
    return build()


def example_settings(most):
    return settings(
        max_examples=most,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )


# --- Forms -------------------------------------------------------------------------
def sent(world, path, form):
    who = "nobody" if path == "/sign-in/" else "owner"
    answer = world.ask(who, "POST", path, form)
    assert answer.status_code < 500, (path, form)
    return answer


def survives(world, path, field, typed):
    """A page in words, with what was typed; or it was taken as it is."""
    answer = sent(world, path, FORMS[path] | {field: typed})
    if answer.status_code in (302, 303) or answer.streaming:
        return
    text = answer.content.decode()
    if "text/html" not in answer["Content-Type"]:
        assert answer["X-Content-Type-Options"] == "nosniff"
        return
    page = Page(text)
    assert page.foreign == [], (path, field, typed[:40])
    plain = typed.strip() and "\x00" not in typed and len(typed) < 60_000
    asked_again = answer.status_code in (200, 422) and field not in NOT_AGAIN
    if plain and asked_again and _still_asks(path, text):
        assert shows(page, typed), (path, field, typed[:40])
        world.kept += 1


def _still_asks(path, text):
    """The same form with what is wrong, and not the page after it."""
    # A token that was just made is told with a word of warning.
    warned = 'role="alert"' in text and path != "/tokens/"
    return warned or 'aria-invalid="true"' in text


@pytest.mark.parametrize("path", FORMS)
def test_no_form_breaks_or_loses_what_was_typed(world, path):
    for turn, field in enumerate(FORMS[path]):
        # Each field gets the worst, and some of the rest: all come round.
        rest = HOSTILE[ALWAYS:] * 2
        begin = turn * OF_REST % len(HOSTILE[ALWAYS:])
        for typed in HOSTILE[:ALWAYS] + rest[begin : begin + OF_REST]:
            survives(world, path, field, typed)
    assert bool(world.kept) == (path in ASKS_AGAIN), world.kept


@pytest.mark.parametrize("path", ["/templates/own-container/", "/templates/import/"])
def test_nor_with_whatever_text(world, path):
    # What a browser can send: no half of a pair.
    text = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)

    @example_settings(30)
    @given(st.sampled_from(sorted(FORMS[path])), text)
    def tried(field, typed):
        survives(world, path, field, typed)

    tried()


def test_a_form_without_its_fields_or_with_twice_as_many(world):
    for path, form in FORMS.items():
        sent(world, path, {})
        sent(world, path, {name: ["", "x", PAYLOAD] for name in form})


# --- Templates ---------------------------------------------------------------------
def layered(depth):
    return "a: " + "[" * depth + "]" * depth


BOMBS = [
    "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]",
    "a: &a\n  b: *a",
    "<<: &x {a: 1}\nname: *x",
    "!!python/object/apply:os.system ['true']",
    "a: !!binary aGVsbG8=",
    layered(5000),
    "{" * 3000,
    "- " * 20_000,
    "a: " + "9" * 60_000,
    "? [a, b]\n: c",
    "a: 2026-01-01\nb: 1_000\nc: 0x1F\nd: 1:30:00",
    "%YAML 9.9\n---\na: b",
    "a: b\n---\nc: d",
    "\ufeffname: x",
    "name: \x07",
    "name: 'x\n",
    "x" * 64_001,
    "name: [a]\nsummary: {b: c}\nport: [1]\nenv: 5\nimage: null",
    "env: [{name: A, value: [1]}, 5, null, [x]]\nhints: [1]\nvolume: x",
    f"name: {json.dumps(PAYLOAD)}\nsummary: {json.dumps(PAYLOAD)}",
]


@pytest.mark.parametrize("text", BOMBS)
def test_a_file_that_is_meant_to_harm(world, text):
    answer = world.ask("owner", "POST", "/templates/import/", {"yaml": text})
    assert answer.status_code in (200, 422)
    page = Page(answer.content.decode())
    assert page.foreign == []
    if "\x07" not in text and not text.startswith("\ufeff"):
        assert shows(page, text)
    told = world.ask("owner", "POST", "/v1/templates", {"yaml": text}, json=True)
    assert told.status_code == 400
    message = told.json()["error"]["message"]
    assert message
    assert len(message) < 500


def test_whatever_fields_a_file_has(world):
    good = {
        "slug": "mine", "name": "Mine", "summary": "It is.", "kind": "Images",
        "image": "lab/app:1", "port": 80, "tier": "cpu",
    }  # fmt: skip
    names = [*good, "env", "hints", "volume", "example", "health_path", "args", "other"]
    leaf = (
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
    )
    value = st.recursive(
        leaf | st.just(PAYLOAD),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from([*names, "value", "pattern"]), inner)
        ),
        max_leaves=6,
    )

    @example_settings(40)
    @given(st.dictionaries(st.sampled_from(names), value, max_size=4))
    def tried(changes):
        text = yaml.safe_dump(good | changes, allow_unicode=True)
        answer = world.ask("owner", "POST", "/v1/templates", {"yaml": text}, json=True)
        assert answer.status_code in (201, 400, 409), text
        page = world.ask("owner", "POST", "/templates/import/", {"yaml": text})
        assert page.status_code in (200, 422)
        assert Page(page.content.decode()).foreign == []

    tried()


# --- What is shown -----------------------------------------------------------------
def poisoned(world):
    """Whatever Alice's rows say, whoever wrote it there and however it was checked."""
    container = replace(
        spec(
            image=PAYLOAD,
            health_path=PAYLOAD,
            args=(PAYLOAD,),
            env=(EnvVar(PAYLOAD, PAYLOAD, note=PAYLOAD), EnvVar("B", PAYLOAD)),
        ),
        hints=(LogHint("a", PAYLOAD, PAYLOAD, PAYLOAD),),
    ).to_json()
    write(
        Endpoint.objects.all(),
        display_name=PAYLOAD,
        description=PAYLOAD,
        spec=container,
        template_name=PAYLOAD,
    )
    endpoint = Endpoint.objects.get(name="canary-app")
    write(endpoint.revisions.all(), spec=container, actor=PAYLOAD)
    told = {"message": PAYLOAD, "actor": PAYLOAD, "data": {"port": PAYLOAD}}
    write(Event.objects.all(), **told)
    write(
        Replica.objects.all(),
        state="failed",
        trouble="exited",
        trouble_text=PAYLOAD,
        container_id=PAYLOAD,
    )
    texts = ("name", "summary", "description", "tier_note", "kind")
    write(Template.objects.all(), spec=container, **dict.fromkeys(texts, PAYLOAD))
    write(AccessKey.objects.all(), name=PAYLOAD)
    write(ShareLink.objects.all(), name=PAYLOAD)
    write(RegistryCredential.objects.all(), username=PAYLOAD, registry=PAYLOAD)
    people = endpoint.owner.__class__.objects
    write(people.all(), first_name=PAYLOAD, last_name=PAYLOAD, email=PAYLOAD)
    write(people.filter(username="alice"), username=PAYLOAD)


def write(rows, **columns):
    """Each text as far as its column has room for it."""
    room = {name: rows.model._meta.get_field(name).max_length for name in columns}
    rows.update(
        **{
            name: value[: room[name]] if isinstance(value, str) else value
            for name, value in columns.items()
        }
    )


def test_nothing_kept_becomes_markup(world):
    with transaction.atomic():
        poisoned(world)
        seen = 0
        for route, row in TABLE["pages"].items():
            if "GET" not in row or row["who"] == "edge":
                continue
            path = world.path(row.get("path", route))
            for who in ("owner", "superuser"):
                answer = world.ask(who, "GET", path)
                assert answer.status_code != 500, path
                if not answer.streaming and "text/html" in answer["Content-Type"]:
                    text = answer.content.decode()
                    assert Page(text).foreign == [], path
                    seen += "zq-x" in text
        # Or nothing of it would have been looked at.
        assert seen > 30
        shared = world.path("templates/<slug:shared>/clone/")
        assert Page(world.ask("stranger", "GET", shared).content.decode()).foreign == []
        transaction.set_rollback(True)


def test_the_admin_shows_it_as_text_too(world):
    with transaction.atomic():
        poisoned(world)
        for path in ("console/user", "templates_app/template"):
            answer = world.ask("superuser", "GET", f"/admin/{path}/")
            assert "<zq-x" not in answer.content.decode()
        transaction.set_rollback(True)


# --- Headers and addresses ---------------------------------------------------------
HEADERS = [
    ("host", "evil.example"),
    ("host", "localhost:8080@evil.example"),
    ("host", PAYLOAD),
    ("cookie", "alight_session=" + "x" * 5000),
    ("cookie", "alight_session=\x00; alight_csrf=; alight_known=::"),
    ("accept", "text/html;q=nan, */*;q=99999"),
    ("accept-language", "x" * 10_000),
    ("accept-encoding", "gzip;q=" + "9" * 400),
    ("range", "bytes=9999999999999-0"),
    ("if-modified-since", "Thu, 99 Foo 99999 99:99:99 GMT"),
    ("x-forwarded-proto", PAYLOAD),
    ("x-request-id", PAYLOAD),
    ("authorization", "Bearer " + "\xff" * 2000),
    ("authorization", "Basic !!!"),
    ("content-type", "multipart/form-data; boundary=" + "-" * 2000),
    ("hx-request", "true"),
    ("hx-current-url", "http://[::1"),
    ("referer", "javascript:zq()"),
]


@pytest.mark.parametrize(("name", "value"), HEADERS)
def test_no_header_breaks_a_page(world, name, value):
    for path in ("/endpoints/", "/endpoints/canary-app/", "/v1/endpoints", "/healthz"):
        answer = world.clients["owner"].get(path, headers={name: value})
        assert answer.status_code < 500, path
        if answer.get("Content-Encoding") != "gzip" and "text/html" in answer.get(
            "Content-Type", ""
        ):
            assert Page(answer.content.decode()).foreign == []
        assert "evil.example" not in answer.get("Location", "")


@pytest.mark.parametrize(
    "path",
    [
        "/%00", "/endpoints/%2e%2e/", "/endpoints/" + "a" * 5000 + "/",
        "/endpoints/canary-app/?range=%00&range=" + "9" * 99,
        "/endpoints/canary-app/revisions/?before=" + "9" * 5000 + "&old=%00&new=-1",
        "/templates/?q=%3Czq-x%3E&kind=%00&hardware=" + "9" * 400,
        "/images/check/?image=%00&registry=%ff",
        "/secrets/?changed=%3Czq-x%20onzq%3D1%3E",
        "/sign-in/?next=javascript:zq()", "/sign-in/?next=//evil.example",
        "/hand-over/canary-app/?to=//evil.example",
        "/tokens/999999999999999999999/revoke/",
        "/volumes/9223372036854775808/delete/", "/%3Czq-x%20onzq=1%3E",
        "/endpoints/canary-app/replicas/99999999999999999999/",
    ],
)  # fmt: skip
@pytest.mark.parametrize("who", ["owner", "nobody"])
def test_no_address_breaks_a_page(world, path, who):
    answer = world.clients[who].get(path)
    assert answer.status_code < 500
    if "text/html" in answer.get("Content-Type", ""):
        assert Page(answer.content.decode()).foreign == []
    assert not answer.get("Location", "").startswith(("//", "javascript:"))
    assert "evil.example" not in answer.get("Location", "").split("?")[0]


# --- Logs --------------------------------------------------------------------------
def frame(payload, stream=1):
    return bytes([stream, 0, 0, 0]) + len(payload).to_bytes(4, "big") + payload


ODD_BYTES = [
    b"\xff\xfe\x00", b"\x1b[31m\x1b]0;title\x07\x1b[2J", PAYLOAD.encode(), b"\xf0\x9f",
    b"\x00" * 40, b"\r" * 40, b"\xc0\x80", "\u2028\u2029\u0085".encode(), b"a" * 70_000,
    b"\x1b" * 500, b"\x9b31m", b"\n\n", b"",
]  # fmt: skip


@pytest.mark.parametrize("seed", range(6))
def test_no_byte_of_a_container_breaks_its_log(world, seed):
    """From the engine's frames to the API and the download, numbered without holes."""
    chance = random.Random(seed)
    pieces = []
    for number in range(60):
        text = chance.choice(ODD_BYTES) + chance.randbytes(chance.randrange(60))
        stamp = b"2026-01-31T12:00:%02d.%09dZ " % (number, chance.randrange(10**9))
        pieces.append(frame(stamp + text + b"\n", chance.choice((1, 2))))
    raw = b"".join(pieces)
    reader, lines = LogReader(), Assembler()
    owner = Attempt(
        Endpoint.objects.get(name="canary-app").pk, int(world.args["replica_id"]), 2
    )
    sink = Sink(owner, LogFile(owner), Masker(()))
    at = 0
    while at < len(raw):
        step = chance.randrange(1, 5000)
        sink.put(lines.feed(reader.feed(raw[at : at + step])))
        at += step
    sink.put(lines.flush())
    sink.prepare()
    while not sink.empty.is_set():
        sink.write()
        sink.settle()
    told = world.ask("owner", "GET", "/v1/logs/canary-app")
    assert told.status_code == 200
    mine = [line for line in told.json() if line["attempt"] == 2]
    assert len(mine) > 50
    assert not any("\n" in line["data"] or "\r" in line["data"] for line in mine)
    page = world.ask("owner", "GET", "/endpoints/canary-app/")
    assert Page(page.content.decode()).foreign == []
    text = "".join(store.iter_text(owner.endpoint_id))
    control = [
        letter
        for letter in text
        if unicodedata.category(letter) == "Cc" and letter not in "\n\t"
    ]
    assert control == []
