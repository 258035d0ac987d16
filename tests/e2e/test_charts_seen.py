"""Requests through the real ingress become charts on the page that is open."""

import os
import re

import pytest
import requests
from playwright.sync_api import expect

from tests.api import Api

pytestmark = [pytest.mark.e2e, pytest.mark.docker]

NAME = "charted"
# Collected every 10 s, drawn every 10 s, on a machine with other work.
SOON = 60_000


@pytest.fixture
def url(console, told_images):
    api = Api(console)
    fields = {"visibility": "public", "env_overrides": {"UNWELL": "1"}}
    api.create(NAME, told_images[0], 8080, min_replicas=1, **fields)
    api.wait_for(NAME, "ReplicaRunning")
    yield console.endpoint_url(NAME)
    api.delete(NAME)


def test_traffic_is_seen_where_it_happens(page, console, url):
    page.goto(f"{console.url}/endpoints/{NAME}/")
    expect(page.get_by_text("Charts start with the first request.")).to_be_visible()

    with requests.Session() as client:
        codes = [client.get(url, timeout=30).status_code for _ in range(20)]
        codes += [client.get(f"{url}/ok", timeout=30).status_code for _ in range(5)]
    assert codes == [200] * 20 + [503] * 5

    # No reload: the socket brings the charts, and the failures get their own line.
    card = page.locator("#c-requests")
    expect(card).to_contain_text("failed (5xx)", timeout=SOON)
    expect(card).to_contain_text("1 cold start")
    plot = card.get_by_role(
        "img", name=re.compile(r"at most \d+\. 1 cold start is marked")
    )
    expect(plot).to_be_visible()
    plot.focus()
    page.keyboard.press("End")
    expect(page.locator("#announce")).to_contain_text("requests a minute")
    times = re.compile(r"^Response time in milliseconds.* at most [\d.]+$")
    expect(page.get_by_role("img", name=times)).to_be_visible()
    expect(page.locator("#c-ready .val")).to_have_text("1ready")
    expect(page.locator("#c-cpu .val")).to_have_text(re.compile(r"^[\d.]+of \d+ cores"))
    expect(page.locator("#c-memory .val")).to_have_text(re.compile(r"^\d.*of \d+ GB$"))
    if folder := os.environ.get("LOOK"):
        page.locator("#ep-charts").screenshot(path=f"{folder}/real.png")

    page.goto(f"{console.url}/endpoints/")
    row = page.get_by_role("listitem").filter(has_text=NAME)
    expect(row.locator(".e-traffic")).to_have_text(
        re.compile(r"^[\d.]+ a minutep95 [\d.]+ ms$")
    )
