"""Requests that are answered later, through the real ingress to real containers."""

import json
import time

import pytest
import requests

from endpoints.reaching import BODY_MAX
from tests.api import Api
from tests.console import running_console

pytestmark = [pytest.mark.e2e, pytest.mark.docker, pytest.mark.haproxy]

LATER = {"X-OctoAI-Async": "1"}
BODY = json.dumps({"prompt": "x" * 5_000_000}).encode()


@pytest.fixture(scope="module")
def home(docker_engine):
    """A console that this file may stop and start."""
    with running_console() as made:
        yield made


@pytest.fixture(scope="module")
def api(home):
    return Api(home)


@pytest.fixture(scope="module")
def url(api, home, told_images):
    """A private endpoint of the told server whose first replica is ready."""
    api.create("later", told_images[0], 8080, min_replicas=0, scale_to_zero=600)
    api.wait_for("later", "ReplicaRunning")
    yield home.endpoint_url("later")
    api.delete("later")


def asleep(api):
    last = api.call("GET", "events/later").json()[-1]["id"]
    assert api.call("POST", "endpoint/later/sleep").status_code == 200
    api.wait_for("later", "ReplicaStopped", after=last)


def taken(api, address, **rest):
    """The URL to poll of a request that was taken."""
    answer = api.session.request(
        rest.pop("method", "POST"), address, headers=LATER, timeout=30, **rest
    )
    assert answer.status_code == 202, answer.text
    told = answer.json()
    assert told["poll_url"].endswith(told["response_id"])
    return told["poll_url"]


def state(api, poll_url):
    answer = api.session.get(poll_url, timeout=30)
    assert answer.status_code == 200, answer.text
    return answer.json()


def until(api, poll_url, *words, seconds=240):
    """Poll as clients do until the status is one of these; what was told."""
    deadline = time.monotonic() + seconds
    while (told := state(api, poll_url))["status"] not in words:
        assert time.monotonic() < deadline, told
        time.sleep(0.05)
    return told


def response(api, told):
    return api.session.get(told["response_url"], timeout=30)


def test_a_large_body_wakes_a_sleeping_endpoint_and_arrives_whole(api, url):
    asleep(api)
    poll_url = taken(api, f"{url}/infer?a=%2F", data=BODY)
    told = until(api, poll_url, "completed")
    answer = response(api, told)
    assert (answer.status_code, told["response_status"]) == (200, 200)
    assert answer.headers["Content-Type"] == "text/plain"
    who, _, body = answer.content.partition(b"\n")
    assert who.startswith(b"one ")
    assert body == BODY
    # It is kept: asked for again it is the same.
    assert response(api, told).content == answer.content


def test_who_may_not_call_may_not_ask_either(api, url):
    assert requests.post(url, headers=LATER, timeout=30).status_code == 401
    told = until(api, taken(api, f"{url}/", method="GET"), "completed")
    for address in (told["poll_url"], told["response_url"]):
        assert requests.get(address, timeout=30).status_code == 401
        assert requests.delete(address, timeout=30).status_code == 401
    # Nobody claims to be the ingress.
    claimed = {"X-Alight-Endpoint": "later", "X-Alight-Grant": "public"}
    assert requests.get(told["poll_url"], headers=claimed).status_code == 401
    console = f"{api.console.url}/-/alight/async/{told['response_id']}"
    assert api.session.get(console, headers=claimed).status_code == 404


def test_what_is_too_large_is_refused_at_the_ingress(api, url):
    # The second does not say how long it is.
    for body in (b"x" * (BODY_MAX + 1), iter([b"x"])):
        answer = api.session.post(url, headers=LATER, data=body, timeout=30)
        assert answer.status_code == 413
        assert answer.headers["X-Alight-Answer"] == "too_large"
        assert answer.json()["error"]["code"] == "too_large"


def test_cancelling_ends_it_at_the_container_too(api, url):
    poll_url = taken(api, f"{url}/stream?lines=100000&pause=0.05", method="GET")
    until(api, poll_url, "running")
    assert api.session.delete(poll_url).status_code == 204
    gone = api.session.get(poll_url)
    assert gone.status_code == 410
    assert gone.json()["error"]["code"] == "cancelled"
    # Nothing is open there any longer, so it may sleep.
    asleep(api)


def test_it_survives_a_restart_of_everything(api, home, url):
    # One is being answered, one waits for its turn, one is answered already.
    done = until(api, taken(api, f"{url}/", method="GET"), "completed")
    running = taken(api, f"{url}/stream?lines=200&pause=0.05", method="GET")
    until(api, running, "running")
    waiting = taken(api, f"{url}/infer", data=b"kept")
    home.down()
    home.up()
    told = until(api, running, "completed")
    lines = response(api, told).text.splitlines()
    assert (len(lines), lines[-1]) == (201, "end")
    later = until(api, waiting, "completed")
    assert response(api, later).content.endswith(b"kept")
    assert response(api, done).text.startswith("one ")


def test_the_page_tries_a_sleeping_private_endpoint(api, home, url):
    """Not what is answered later, but what the web process sends as a client too."""
    asleep(api)
    with requests.Session() as browser:
        page = browser.get(f"{home.url}/sign-in/", timeout=30)
        form = {"username": home.user, "password": home.password}
        post(browser, page.url, form)
        tried = f"{home.url}/endpoints/later/try/"
        asked = {"method": "POST", "path": "/infer", "body": "held", "headers": ""}
        answer = post(browser, tried, asked, headers={"Accept": "application/x-ndjson"})
    lines = [json.loads(line) for line in answer.text.splitlines() if line]
    assert lines[0]["begun"]["status"] == 200
    text = "".join(line["text"]["text"] for line in lines if "text" in line)
    assert text.startswith("one ")
    assert text.endswith("held")
    assert lines[-1]["words"].startswith("200 OK in ")


def post(browser, address, form, **rest):
    """As a browser sends a form of this console."""
    headers = {"Referer": address, **rest.pop("headers", {})}
    body = {**form, "csrfmiddlewaretoken": browser.cookies["alight_csrf"]}
    answer = browser.post(address, body, headers=headers, timeout=120, **rest)
    assert answer.status_code == 200, answer.text
    return answer
