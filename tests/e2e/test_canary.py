"""A secret is where it is needed and nowhere else: everything is searched for it."""

import asyncio
import contextlib
import json
import re
import subprocess
import threading
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import pytest
import redis
import requests
import yaml

from replicas.tests.engine_fixtures.registry import Registry
from tests.api import Api
from tests.console import running_console
from tests.rows import tables

pytestmark = [pytest.mark.e2e, pytest.mark.docker]

ACCOUNT, LATER = "canary-account-81c5", "canary-later-55aa"
OWN, PASSWORD = "canary-own-4be2", "canary-password-9d07"
# What lets somebody in is found out while it is made: `lived` adds it.
CANARIES = [ACCOUNT, LATER, OWN, PASSWORD]

# Prints what it was given, over and over.
CHATTY = (
    'n=0; while :; do n=$((n+1)); echo "tick $n $HF_TOKEN and $OWN"; '
    "sleep 1; done & httpd -f -p 8080 -h /www"
)
DYING = 'echo "last words: $HF_TOKEN $OWN"; exit 3'
# As the clone form does; the API has no way to make a value of an endpoint secret.
MAKE = """
from django.contrib.auth import get_user_model
from endpoints import services
from endpoints.sealing import seal
from templates_app.models import Tier
from templates_app.spec import ContainerSpec, EnvVar
services.create(
    get_user_model().objects.get(username="admin"),
    services.Wish(
        name={name!r},
        spec=ContainerSpec(
            image={image!r}, port=8080, command=("sh", "-c", {script!r}),
            env=(EnvVar("OWN", seal({own!r}), secret=True),),
            secrets=("HF_TOKEN",), registry="lab",
        ),
        tier=Tier.objects.get(slug="cpu"), public=True,
    ),
)
"""


@pytest.fixture(scope="module")
def registry():
    """One that lets nobody in but ada."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    def run(coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, loop).result(60)

    made = Registry(accounts={"ada": PASSWORD})
    run(made.open(random_bytes=1000))
    yield made
    run(made.close())
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()
    subprocess.run(["docker", "rmi", "-f", made.image], capture_output=True)


@pytest.fixture(scope="module")
def house(docker_engine):
    """A console of its own: its key is changed, and it is started anew."""
    with running_console() as made:
        yield made


@pytest.fixture(scope="module")
def api(house):
    return Api(house)


@pytest.fixture(scope="module")
def lived(api, house, registry):
    """A console in which secrets were kept, given, printed, changed and sealed anew."""
    sign_in = {
        "key": "lab",
        "registry": f"127.0.0.1:{registry.port}",
        "username": "ada",
    }
    wrong = {**sign_in, "password": LATER}
    refused = api.call("POST", "registry-credential", json=wrong)
    assert list(refused.json()["error"]["fields"]) == ["password"], refused.text
    kept = api.call(
        "POST", "registry-credential", json={**sign_in, "password": PASSWORD}
    )
    assert kept.json()["checked_at"], kept.text
    kept = api.call("POST", "secret", json={"key": "HF_TOKEN", "value": ACCOUNT})
    assert kept.status_code == 201, kept.text

    facts = {"image": registry.image, "own": OWN}
    for name, script in (("chatty", CHATTY), ("dying", DYING)):
        code = MAKE.format(name=name, script=script, **facts)
        house.manage("shell", "-c", code)
    api.wait_for("chatty", "ReplicaRunning")
    api.wait_for("dying", "ContainerExited")
    CANARIES.extend(ways_in(api, house))


def ways_in(api, house):
    """A token, a share link's secret and a browser's pass, each used once."""
    url = house.endpoint_url("chatty")
    api.call("PATCH", "endpoint/chatty", json={"visibility": "private"})
    token = api.call("POST", "tokens", json={"name": "canary"}).json()["token"]
    link = api.call("POST", "endpoint/chatty/share-links", json={"name": "grace"})
    followed = requests.get(link.json()["url"], allow_redirects=False, timeout=30)
    cookie = followed.headers["Set-Cookie"].partition(";")[0]
    shown = ({"Authorization": f"Bearer {token}"}, {"Cookie": cookie})
    for headers in shown:
        assert requests.get(url, headers=headers, timeout=30).status_code == 200
    return [token, link.json()["url"].rpartition("/")[2], cookie.partition("=")[2]]


def told(api, name="chatty", source=None):
    lines = api.call("GET", f"logs/{name}").json()
    return [line["data"] for line in lines if source in {None, line["source"]}]


def ticks_after(api, last):
    """What chatty writes once it has counted past `last`: its count, and the line."""
    with api.call("GET", "logs/chatty/stream", stream=True) as answer:
        for line in filter(None, answer.iter_lines()):
            said = json.loads(line)["data"]
            tick = re.match(r"tick (\d+) ", said)
            if tick and int(tick[1]) > last:
                return int(tick[1]), said
    raise AssertionError("the log ended")


def test_it_was_given_and_is_masked_where_it_is_printed(api, lived):
    _, line = ticks_after(api, 0)
    assert "••• and •••" in line
    assert any("last words: ••• •••" in line for line in told(api, "dying"))


def test_a_new_value_and_a_new_key_leave_what_runs_and_its_masks(api, house, lived):
    before = api.call("GET", "endpoint/chatty").json()["replicas"]
    changed = api.call("PUT", "secret/HF_TOKEN", json={"value": LATER})
    assert changed.json()["used_by"] == ["chatty", "dying"]
    assert "Sealed anew" in house.manage("rotate_secrets", "--new-key")
    assert "forgotten" in house.manage("rotate_secrets", "--drop-old")
    # The follower starts anew, and must know what this container was given.
    house.launch("down")
    house.launch("up", "DETACH=1")
    count, _ = ticks_after(api, 0)
    _, line = ticks_after(api, count + 2)
    assert "••• and •••" in line
    after = api.call("GET", "endpoint/chatty").json()["replicas"]
    for field in ("replica_id", "restarts", "status"):
        assert [r[field] for r in after] == [r[field] for r in before]
    assert api.events("chatty").count("RevisionMade") == 0


def test_it_is_in_no_file_and_no_column(house, lived):
    for path in house.home.rglob("*"):
        # What was put in another's place meanwhile has its name.
        with contextlib.suppress(FileNotFoundError):
            if path.is_file():
                assert found(path.read_bytes()) == [], path
    kept = tables(house)
    assert kept["endpoints_endpoint"]
    for name, rows in kept.items():
        assert found(repr(rows)) == [], name


def test_it_is_not_in_valkey(house, lived):
    path = house.config.run / "valkey.sock"
    with redis.Redis(unix_socket_path=str(path)) as valkey:
        kinds = {
            b"string": valkey.get,
            b"list": lambda key: valkey.lrange(key, 0, -1),
            b"set": valkey.smembers,
            b"zset": lambda key: valkey.zrange(key, 0, -1),
            b"hash": valkey.hgetall,
            b"stream": valkey.xrange,
        }
        keys = valkey.keys()
        assert any(valkey.type(key) == b"stream" for key in keys)
        for key in keys:
            if kind := kinds.get(valkey.type(key)):
                assert found(repr(kind(key))) == [], key


def test_it_is_in_no_answer_of_the_api(api, lived):
    schema = yaml.safe_load(api.call("GET", "schema?format=yaml").text)
    names = {"name": ("chatty", "dying"), "key": ("HF_TOKEN", "lab")}
    asked = 0
    for path, methods in schema["paths"].items():
        if "get" not in methods or path.endswith("/stream"):
            continue
        there = [path.removeprefix("/v1/")]
        for part in re.findall(r"{(\w+)}", path):
            values = names.get(part, ("text-to-image",))
            there = [t.replace(f"{{{part}}}", value) for t in there for value in values]
        for one in there:
            answer = api.call("GET", one)
            assert found(answer.text) == [], one
            asked += answer.ok
    assert asked > 15


def test_it_is_on_no_page(house, lived):
    """Every page that links lead to, and every form on its way to an answer."""
    browser = requests.Session()
    page = browser.get(f"{house.url}/sign-in/", timeout=30)
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.text)[1]
    body = {"username": "admin", "password": house.password}
    page = browser.post(
        page.url,
        {**body, "csrfmiddlewaretoken": token},
        headers={"Referer": page.url},
        timeout=30,
    )
    assert urlsplit(page.url).path == "/endpoints/"
    waiting, seen = ["/endpoints/", "/secrets/"], set()
    while waiting:
        path = waiting.pop()
        if path in seen or path.startswith(("/static/", "/sign-out/")):
            continue
        seen.add(path)
        page = browser.get(f"{house.url}{path}", timeout=30)
        assert found(page.text) == [], path
        if "html" not in page.headers["Content-Type"]:
            continue
        for link in re.findall(r'(?:href|hx-get)="([^"#]+)', page.text):
            parts = urlsplit(urljoin(page.url, link))
            if f"{parts.scheme}://{parts.netloc}" == house.url:
                waiting.append(parts.path)
    needed = {"/secrets/", "/endpoints/chatty/", "/endpoints/dying/"}
    assert needed <= seen
    assert len(seen) > 15


def test_it_is_in_no_command_line(lived):
    lines = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            lines.append(path.read_bytes())
    assert any(b"httpd" in line for line in lines)
    assert found(b"\n".join(lines)) == []


def found(text):
    """The canaries that are in it."""
    if isinstance(text, str):
        text = text.encode()
    return [canary for canary in CANARIES if canary.encode() in text]
