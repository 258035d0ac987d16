"""Acts on an endpoint's page: the page stays, and shows what follows."""

import re
from itertools import count

import pytest
from playwright.sync_api import expect

from tests.api import Api

pytestmark = [pytest.mark.e2e, pytest.mark.docker]


# A name is free again only once the replicas of its endpoint are gone.
NUMBERS = count(1)


@pytest.fixture
def endpoint(console, tiny_image):
    api, name = Api(console), f"acted-{next(NUMBERS)}"
    api.create(
        name,
        tiny_image,
        80,
        command=["httpd"],
        args=["-f", "-h", "/www"],
        min_replicas=1,
        max_replicas=1,
    )
    api.wait_for(name, "ReplicaRunning")
    yield f"{console.url}/endpoints/{name}/"
    api.delete(name)


def test_pause_and_resume_leave_the_page_and_its_drawer_open(page, endpoint):
    page.goto(endpoint)
    page.get_by_role("button", name="Logs", exact=True).click()
    page.evaluate("window.stayed = true")
    page.get_by_role("button", name="More actions").click()
    page.get_by_role("menuitem", name="Pause").click()
    expect(page.locator("#now")).to_have_text("Paused", timeout=60_000)
    page.get_by_role("button", name="More actions").click()
    page.get_by_role("menuitem", name="Resume").click()
    ready = page.locator("#bubbles .bubble[data-state=ready]")
    expect(ready).to_have_count(1, timeout=60_000)
    expect(page.locator(".logs[data-open]")).to_be_visible()
    assert page.evaluate("window.stayed") is True


def test_change_of_scale_is_checked_in_its_dialog_and_then_seen(page, endpoint):
    page.goto(endpoint)
    page.evaluate("window.stayed = true")
    page.get_by_role("link", name="Change scale").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Minimum", exact=True).fill("3")
    dialog.get_by_role("button", name="Change scale").click()
    expect(dialog.get_by_text(re.compile("^Minimum is above maximum"))).to_be_visible()
    dialog.get_by_label("Minimum", exact=True).fill("2")
    dialog.get_by_label("Maximum", exact=True).fill("2")
    dialog.get_by_role("button", name="Change scale").click()
    expect(dialog).to_be_hidden()
    ready = page.locator("#bubbles .bubble[data-state=ready]")
    expect(ready).to_have_count(2, timeout=60_000)
    assert page.evaluate("window.stayed") is True


def test_a_restart_says_so_and_brings_a_fresh_replica(page, endpoint):
    page.goto(endpoint)
    page.get_by_role("button", name=re.compile("^Replica 1")).click()
    page.get_by_role("dialog").get_by_role("button", name="Restart").click()
    expect(page.locator("#toasts").get_by_text("Restarting Replica 1")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name=re.compile("^Replica 2"))).to_be_visible()
    expect(page.get_by_role("button", name=re.compile("^Replica 1"))).to_be_hidden(
        timeout=90_000
    )
