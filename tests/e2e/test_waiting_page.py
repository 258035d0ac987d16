"""Somebody opens the URL of an endpoint that sleeps, and presses what is there.

Docker, HAProxy, the worker and the browser are real.
"""

import json
import re

import pytest
import requests
from playwright.sync_api import expect

from tests.api import Api
from tests.e2e.pages_server import up

pytestmark = [pytest.mark.e2e, pytest.mark.docker, pytest.mark.haproxy]

DEEP = "/stream?lines=3&pause=0"
# Long enough that each step is on the page while the page asks once a second.
SLOW = ["sh", "-c", "sleep 10; exec python /told_server.py"]


@pytest.fixture(scope="module")
def api(console):
    return Api(console)


class Story:
    """What is told of an endpoint, each line once."""

    def __init__(self, api, name):
        self.api, self.name, self.seen = api, name, 0

    def wait(self, *reasons):
        told = json.loads(self.api.wait_for(self.name, *reasons, after=self.seen))
        self.seen = told["id"]
        return told


@pytest.fixture
def naps(api, told_images):
    """Make an endpoint that sleeps after a second without requests, and is asleep."""
    names = []

    def make(name, asleep=True, **fields):
        names.append(name)
        usual = {"min_replicas": 0, "scale_to_zero": 1, "visibility": "public"}
        api.create(name, told_images[0], 8080, **{**usual, **fields})
        story = Story(api, name)
        if asleep:
            story.wait("ReplicaRunning")
            story.wait("ScaledToZero")
            story.wait("ReplicaStopped")
        return story

    yield make
    for name in names:
        api.delete(name)


def test_the_waiting_page_follows_the_start_and_becomes_the_ui(
    page, console, naps, context
):
    naps("dozes", command=SLOW)
    url = f"{console.endpoint_url('dozes')}{DEEP}"
    visitor = context.new_page()
    answer = visitor.goto(url, wait_until="commit")
    assert answer.status == 503
    assert int(answer.headers["retry-after"]) > 0
    title = visitor.get_by_role("status")
    expect(title).to_have_text("Container started")
    expect(visitor).to_have_title("Container started")
    expect(visitor.locator(".says")).to_have_text(
        re.compile("^Waiting for its first answer, usually about .* more.$")
    )
    expect(visitor.locator("body")).to_contain_text(re.compile(r"3\s+end\s*$"))
    assert visitor.url == url


def test_a_program_is_held_with_its_body_while_it_starts(console, naps):
    naps("sleeps-on", command=SLOW)
    url = console.endpoint_url("sleeps-on")
    body = b"x" * 1_000_000
    answer = requests.post(url, data=body, timeout=60)
    assert (answer.status_code, answer.content[-len(body) :]) == (200, body)


def test_a_start_that_fails_says_why_on_the_waiting_page(page, console, naps):
    doomed = ["sh", "-c", "sleep 10; exit 7"]
    naps("breaks", asleep=False, command=doomed).wait("StartingContainer")
    page.goto(console.endpoint_url("breaks"), wait_until="commit")
    expect(page.get_by_role("status")).to_have_text("Container started")
    expect(page.get_by_role("status")).to_have_text("The replica failed")
    expect(page.locator(".reason")).not_to_be_empty()


def test_pausing_and_resuming_reach_who_waits(page, console, naps, api):
    naps("halts", command=SLOW)
    page.goto(console.endpoint_url("halts"), wait_until="commit")
    expect(page.get_by_role("status")).to_have_text("Container started")
    paused = {"endpoint_state": "disabled"}
    assert api.call("PATCH", "endpoint/halts", json=paused).status_code == 200
    expect(page.get_by_role("status")).to_have_text("Paused")


def test_it_is_woken_and_sent_to_sleep_from_its_page(page, console, naps):
    story = naps("rises")
    page.goto(f"{console.url}/endpoints/rises/")
    up(page)
    expect(page.locator("#now")).to_have_text("Scaled to zero")
    expect(page.locator("#sub")).to_contain_text("and waits for it, about")
    page.locator("#now-acts").get_by_role("link", name="Keep warm").click()
    page.get_by_role("button", name="1 hour").click()
    expect(page.locator("#now")).to_have_text("Ready", timeout=60_000)
    expect(page.locator("#ep-scale")).to_contain_text("kept warm until")
    story.wait("KeptWarm")
    page.locator("#now-acts").get_by_role("link", name="Keep warm").click()
    page.get_by_role("button", name="Stop keeping it warm").click()
    # The idle timeout of a second is over long since.
    story.wait("ScaledToZero")
    expect(page.locator("#now")).to_have_text("Scaled to zero", timeout=60_000)
    expect(page.locator("#ep-activity")).to_contain_text("Scaled to zero")


def test_sleep_now_needs_no_idle_timeout(console, naps, api):
    story = naps("obeys")
    longer = {"scale_to_zero": 3600}
    assert api.call("PATCH", "endpoint/obeys", json=longer).status_code == 200
    assert api.call("POST", "endpoint/obeys/wake").json()["changed"] is True
    story.wait("ReplicaRunning")
    assert requests.get(console.endpoint_url("obeys"), timeout=30).status_code == 200
    slept = api.call("POST", "endpoint/obeys/sleep").json()
    assert (slept["changed"], slept["wanted"]) == (True, 0)
    story.wait("ReplicaStopped")
    answer = requests.get(console.endpoint_url("obeys"), timeout=60)
    assert answer.status_code == 200
    story.wait("Woken")
