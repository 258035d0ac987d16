"""A page that is open through every restart ends up right, without a reload."""

import time

import pytest
import requests
from docker import from_env
from playwright.sync_api import expect

from launcher.replicas import LABEL
from tests import counting
from tests.api import Api
from tests.browser import open_signed_in
from tests.console import running_console

pytestmark = [pytest.mark.e2e, pytest.mark.docker]

NAME = "counting"
# Whatever restarts is there again, and the page with it, within this.
PATIENCE = 60_000

# What the page says, without texts that count by themselves.
SAID = """() => {
  const parts = ["ep-status", "ep-scale", "ep-url-state", "ep-panel", "ep-config",
    "ep-activity", "ep-earlier", "gpu-meter", "engine-down", "replica-detail"];
  return Object.fromEntries(parts.map((id) => {
    const copy = document.getElementById(id).cloneNode(true);
    const counts = "[data-for], [data-ago], [data-until], svg";
    copy.querySelectorAll(counts).forEach((node) => node.remove());
    const states = [...copy.querySelectorAll("[data-state]")];
    const words = copy.textContent.replace(/\\s+/g, " ").trim();
    return [id, words + " " + states.map((node) => node.dataset.state).join()];
  }));
}"""
# The container's lines in the drawer: [start, number], in their order.
LINES = """() => [...document.querySelectorAll(".log .ln")].flatMap((row) => {
  const said = /^line (\\d+)$/.exec(row.querySelector(".m")?.textContent || "");
  const start = /start (\\d+)/.exec(row.querySelector(".r")?.title || "");
  return said ? [[start ? +start[1] : 1, +said[1]]] : [];
})"""


@pytest.fixture(scope="module")
def house(docker_engine):
    with running_console() as made:
        yield made


@pytest.fixture(scope="module")
def api(house):
    return Api(house)


@pytest.fixture
def endpoint(api, tiny_image):
    """One container that writes three lines a second for longer than the test.

    A page keeps 2,000, and one that was away gets the newest 500.
    """
    command = {"command": ["sh"], "args": ["-c", counting.script(10**6, 1, pause=0.3)]}
    size = {"min_replicas": 1, "max_replicas": 1}
    api.create(NAME, tiny_image, counting.PORT, **command, **size)
    api.wait_for(NAME, "ReplicaRunning")
    yield
    api.delete(NAME)


def everything(console):
    """Down and up, and while nobody looks its container is killed by hand."""
    label = f"{LABEL}={console.installation}"
    console.down()
    # With the client of the tests: the console's parts are all gone.
    client = from_env()
    (container,) = client.containers.list(filters={"label": label})
    container.kill()
    client.close()
    console.up()


FAULTS = {
    "web": lambda console: console.kill("web"),
    "valkey": lambda console: console.kill("valkey"),
    "valkey, emptied": lambda console: console.empty_valkey(),
    "haproxy": lambda console: console.kill("haproxy"),
    "worker": lambda console: console.kill("worker"),
    "everything": everything,
}


def rescale(api, number):
    """Let up to `number` replicas run, as soon as somebody takes it."""
    while True:
        try:
            body = {"max_replicas": number}
            if api.call("PATCH", f"endpoint/{NAME}", json=body).status_code == 200:
                return
        except requests.ConnectionError:
            pass
        time.sleep(0.1)


def open_page(context, console):
    page = open_signed_in(context, console)
    page.goto(f"{console.url}/endpoints/{NAME}/")
    expect(page.locator("#bubbles .bubble[data-state=ready]")).to_have_count(1)
    page.get_by_role("button", name="Logs", exact=True).click()
    page.get_by_text("line 1", exact=True).first.wait_for(state="attached")
    # Behind the drawer, as a person would have it open too.
    page.evaluate("document.querySelector('#bubbles [data-open]').click()")
    expect(page.locator("#replica-detail")).to_contain_text("Replica is running")
    return page


def wait_for_news(page, number):
    """Until the change is shown, and then until lines come again."""
    scale = page.locator("#ep-scale")
    expect(scale).to_have_attribute("data-max", str(number), timeout=PATIENCE)
    before = len(page.evaluate(LINES))
    page.wait_for_function(f"() => ({LINES})().length > {before + 3}", timeout=PATIENCE)


def by_start(lines):
    found = {}
    for start, number in lines:
        found.setdefault(start, []).append(number)
    return found


def test_an_open_page_ends_up_right_through_every_restart(
    context, house, api, endpoint
):
    page = open_page(context, house)
    page.evaluate("window.stayed = true")
    for number, (name, strike) in enumerate(FAULTS.items(), start=2):
        strike(house)
        rescale(api, number)
        wait_for_news(page, number)
        assert page.evaluate("window.stayed"), f"{name}: the page was loaded again"
    ready = page.locator("#bubbles .bubble[data-state=ready]")
    expect(ready).to_have_count(1, timeout=PATIENCE)
    expect(page.locator("body")).not_to_have_class("stale")

    fresh = open_page(context, house)
    said = fresh.evaluate(SAID)
    page.wait_for_function(
        f"said => JSON.stringify(({SAID})()) === JSON.stringify(said)", arg=said
    )
    assert page.evaluate(SAID) == said

    numbered = by_start(page.evaluate(LINES))
    assert sorted(numbered) == [1, 2]
    for start, numbers in numbered.items():
        assert numbers == list(range(1, len(numbers) + 1)), f"start {start}"
    # All that the first start ever wrote is there, also what nobody was up to see.
    assert numbered[1] == by_start(fresh.evaluate(LINES))[1]


def test_no_line_is_lost_while_worker_and_web_are_restarted(house, api, tiny_image):
    """The short form of benchmarks/bench_log_restarts.py."""
    lines, containers = 10_000, 5
    flood = counting.Flood(
        house, api, tiny_image, containers=containers, lines=lines, each=200
    )
    with flood:
        for part in (1, 2, 3):
            flood.wait_for(part * lines * containers // 4, 60)
            house.kill("worker")
            house.kill("web")
        flood.wait_for(lines * containers, 120)
        assert flood.faults() == {
            "lines": lines * containers,
            "missing": 0,
            "doubled": 0,
            "misplaced": 0,
        }
