"""The list, the homepage and the dialog in a browser: every state, live, and lost."""

import re

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from endpoints import live, services
from endpoints.steps import Reason
from replicas import progress
from replicas import services as moves
from replicas.models import Gpu
from replicas.states import ReplicaState as S
from tests.axe import violations
from tests.browser import sign_in
from tests.e2e.pages_server import endpoint, up
from tests.pages import Ada

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.valkey,
    pytest.mark.django_db(transaction=True),
]


def bubble(tab):
    return tab.get_by_role("button", name=re.compile("^Replica 1, "))


def make_every_state(alice):
    hour = timezone.now() - timezone.timedelta(hours=1)
    endpoint(alice, "waits", "waiting", upto=Reason.WAITING, phase="waiting")
    pulls = endpoint(
        alice, "pulls", "pulling", upto=Reason.PULLING, began=30, phase="starting"
    )
    progress.write(
        pulls.pk,
        {"replica": pulls.replicas.get().pk, "state": "pulling", "part": 0.48,
         "text": "48%, 4.7 of 9.8 GB", "small": "layer 7 of 14",
         "label": "Pulling 48%"},
    )  # fmt: skip
    endpoint(alice, "starts", "starting", upto=Reason.PROBING_PORT, phase="starting")
    endpoint(alice, "runs", "ready", ready_at=hour, phase="ready", public=True)
    endpoint(alice, "quiet", "unhealthy", silent_since=hour, phase="unhealthy")
    endpoint(
        alice, "broken", "failed", upto=Reason.PROBING_PORT, exit_code=137,
        phase="failed",
    )  # fmt: skip
    endpoint(alice, "ended", "stopped", phase="waiting", max_replicas=3)
    endpoint(alice, "sleeps", min_replicas=0, target_count=0, phase="idle")
    endpoint(alice, "rests", paused=True, phase="paused")


def opened(name, press=""):
    def show(tab, url):
        tab.goto(f"{url}/endpoints/{name}/" if name else f"{url}/endpoints/")
        if press:
            tab.locator(press).click()

    return show


SCREENS = {
    "list": opened(""),
    **{name: opened(name) for name in ("waits", "pulls", "starts", "runs", "quiet",
                                       "broken", "ended", "sleeps", "rests")},
    "dialog, pulling": opened("pulls", "#bubbles button"),
    "dialog, failed": opened("broken", "#bubbles button"),
    "menu": opened("runs", "[popovertarget=ep-menu]"),
    "scale": opened("runs", "[data-dialog=scale-dialog]"),
    "logs": opened("runs", "#logs-btn"),
    "earlier": opened("ended", "#ep-earlier summary"),
    "scale page": opened("runs/scale"),
    "delete page": opened("runs/delete"),
}  # fmt: skip


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing(tab, pages, alice, theme):
    tab.emulate_media(color_scheme=theme)
    tab.goto(f"{pages.url}/endpoints/")
    found = {"empty list": violations(tab)}
    make_every_state(alice)
    for name, show in SCREENS.items():
        show(tab, pages.url)
        found[name] = violations(tab)
    assert {name: lines for name, lines in found.items() if lines} == {}


@pytest.mark.parametrize("width", [320, 768])
def test_no_page_scrolls_sideways(tab, pages, alice, width):
    make_every_state(alice)
    tab.set_viewport_size({"width": width, "height": 800})
    wide = {}
    for name, show in SCREENS.items():
        show(tab, pages.url)
        over = "document.documentElement.scrollWidth - innerWidth"
        wide[name] = tab.evaluate(over)
    assert {name: over for name, over in wide.items() if over > 0} == {}


def test_a_start_is_watched_to_its_end(tab, pages, alice):
    drawing = endpoint(alice, "drawing", "assigned", upto=Reason.ASSIGNED, began=9)
    replica = drawing.replicas.get()
    tab.goto(f"{pages.url}/endpoints/drawing/")
    up(tab)
    bubble(tab).click()
    dialog = tab.get_by_role("dialog", name="Replica 1")
    expect(dialog.get_by_text("Hardware assigned")).to_be_visible()

    moves.move(replica, S.PULLING)
    moves.tell(replica, Reason.PULLING, "lab/app:1")
    expect(dialog.locator("[aria-current=step]")).to_contain_text("Pulling image")
    progress.write(
        drawing.pk,
        {"replica": replica.pk, "state": "pulling", "part": 0.6,
         "text": "60%, 5.9 of 9.8 GB", "small": "layer 9", "label": "Pulling 60%"},
    )  # fmt: skip
    expect(tab).to_have_title("60% pulled · drawing")
    expect(dialog.get_by_text("60%, 5.9 of 9.8 GB")).to_be_visible()
    expect(dialog.locator("[data-meter]")).to_have_attribute("width", "60.0")
    expect(tab.locator("#sub")).to_have_text("5.9 of 9.8 GB.")
    # A swap takes the focus away from nobody.
    expect(dialog.get_by_role("heading")).to_be_focused()

    moves.move(replica, S.STARTING, started_at=timezone.now())
    moves.tell(replica, Reason.PULLED, "9.8 GB, 14 layers")
    moves.tell(replica, Reason.STARTED)
    moves.tell(replica, Reason.PROBING_PORT, port=7860)
    expect(tab.locator("#now")).to_have_text("Container started")

    moves.move(replica, S.READY, ready_at=timezone.now())
    moves.tell(replica, Reason.PORT_ANSWERED, port=7860)
    moves.tell(replica, Reason.RUNNING, "Ready for inference.")
    expect(tab).to_have_title("Ready · drawing")
    expect(tab.locator("#toasts")).to_contain_text("drawing is ready")
    expect(tab.locator("#announce")).to_contain_text("drawing is ready")
    expect(dialog.get_by_text("Replica is running")).to_have_count(1)
    expect(dialog.get_by_role("link", name="Open endpoint")).to_be_visible()
    tab.keyboard.press("Escape")
    expect(bubble(tab)).to_be_focused()


def test_an_open_menu_outlives_a_swap(tab, pages, alice):
    drawing = endpoint(alice, "drawing", "ready")
    tab.goto(f"{pages.url}/endpoints/drawing/")
    up(tab)
    tab.get_by_role("button", name="More actions").click()
    services.change(drawing, "alice", public=True)
    expect(tab.get_by_role("menuitem", name="Make private")).to_be_visible()
    expect(tab.get_by_role("menuitem", name="Delete")).to_be_visible()


def test_a_lost_connection_is_said_and_made_good(tab, pages, alice):
    drawing = endpoint(alice, "drawing", "ready", ready_at=timezone.now())
    tab.goto(f"{pages.url}/endpoints/drawing/")
    up(tab)
    # It would come back by itself as well, perhaps just before the button is pressed.
    tab.evaluate("Math.random = () => 1e6")
    pages.end()
    banner = tab.locator("#link-lost")
    expect(banner).to_contain_text("What you see may be out of date.")
    expect(tab.locator("#sub")).to_contain_text("Last known at")
    services.pause(drawing, "alice")
    pages.begin()
    banner.get_by_role("button", name="Try now").click()
    expect(tab.locator("#now")).to_have_text("Pausing")
    expect(banner).to_be_hidden()
    expect(tab.locator("#toasts")).to_contain_text("Reconnected")


def test_a_deleted_endpoint_leads_to_the_list(tab, pages, alice):
    drawing = endpoint(alice, "drawing", "ready")
    tab.goto(f"{pages.url}/endpoints/drawing/")
    up(tab)
    topic = live.endpoint_topic(drawing.pk)
    Gpu.objects.update(replica=None)
    drawing.delete()
    live.publish(topic, "changed")
    expect(tab.get_by_role("heading", name="drawing was deleted")).to_be_visible()
    tab.get_by_role("link", name="Back to endpoints").click()
    expect(tab.get_by_role("heading", name="No endpoints yet")).to_be_visible()


def test_the_list_is_live_and_can_be_searched(tab, pages, alice):
    make_every_state(alice)
    tab.goto(f"{pages.url}/endpoints/")
    up(tab)
    tab.get_by_label("Search endpoints").fill("pull")
    expect(tab.locator("#rows .e-row:visible")).to_have_count(1)
    endpoint(alice, "pulls-too", "pulling", upto=Reason.PULLING)
    live.changed(0, alice.pk)
    expect(tab.locator("#rows .e-row:visible")).to_have_count(2)
    expect(tab.get_by_label("Search endpoints")).to_have_value("pull")


def test_motion_stops_for_those_who_asked(tab, pages, alice):
    endpoint(alice, "drawing", "starting", upto=Reason.PROBING_PORT)
    tab.emulate_media(reduced_motion="reduce")
    tab.goto(f"{pages.url}/endpoints/drawing/")
    up(tab)
    endless = """() => document.getAnimations().filter(
        a => a.effect.getComputedTiming().endTime === Infinity).length"""
    assert tab.evaluate(endless) == 0


def test_everything_works_without_scripts(chromium, pages, alice):
    endpoint(alice, "drawing", "starting", upto=Reason.PROBING_PORT)
    context = chromium.new_context(java_script_enabled=False)
    tab = context.new_page()
    sign_in(tab, Ada(pages.url), "alice")
    tab.get_by_role("link", name="drawing").click()
    bubble(tab).click()
    expect(tab.get_by_text("Waiting for port 3000 to answer")).to_be_visible()
    expect(tab.get_by_text(re.compile(r"\d\d:\d\d:\d\d UTC")).first).to_be_visible()
    tab.get_by_role("link", name="Back to drawing").click()
    tab.get_by_role("link", name="Change scale").click()
    tab.get_by_label("Minimum", exact=True).fill("4")
    tab.get_by_role("button", name="Change scale").click()
    expect(tab.get_by_text("Minimum is above maximum.")).to_be_visible()
    tab.goto(f"{pages.url}/endpoints/drawing/")
    tab.get_by_role("button", name="More actions").click()
    tab.get_by_role("menuitem", name="Pause").click()
    expect(tab.locator("#now")).to_have_text("Pausing")
    context.close()
