"""Waking, sleeping, warmth and the weekly schedule in a browser, with and without
scripts."""

import re
from datetime import time, timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from endpoints import sizing
from endpoints.models import Endpoint, ScheduleWindow
from endpoints.schedule import Window
from tests.axe import violations
from tests.e2e.pages_server import endpoint, up

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.valkey,
    pytest.mark.django_db(transaction=True),
]


@pytest.fixture
def berlin(chromium, pages, alice, client):
    """A page of Alice's, in a browser whose clock is Berlin's."""
    yield from _browser(chromium, pages, alice, client, timezone_id="Europe/Berlin")


@pytest.fixture
def plain(chromium, pages, alice, client):
    """A page of Alice's, in a browser without scripts."""
    yield from _browser(chromium, pages, alice, client, java_script_enabled=False)


def _browser(chromium, pages, alice, client, **how):
    client.force_login(alice)
    context = chromium.new_context(base_url=pages.url, **how)
    context.set_default_timeout(60_000)
    context.add_cookies(
        [
            {"name": cookie.key, "value": cookie.value, "url": pages.url}
            for cookie in client.cookies.values()
        ]
    )
    yield context.new_page()
    context.close()


@pytest.fixture
def asleep(alice):
    made = endpoint(
        alice, "art", min_replicas=0, max_replicas=3, target_count=0, phase="idle"
    )
    # No more than who wakes it or keeps it warm asks for: tests run on workdays, too.
    ScheduleWindow.objects.create(
        endpoint=made, days=31, begins=time(9), ends=time(18), min_replicas=1
    )
    return made


def now(endpoint):
    endpoint.refresh_from_db()
    return endpoint


def test_it_is_woken_and_put_to_sleep_in_place(tab, pages, asleep):
    tab.goto(f"{pages.url}/endpoints/art/")
    up(tab)
    expect(tab.locator("#now")).to_have_text("Scaled to zero")
    tab.locator("#now-acts").get_by_role("button", name="Wake now").click()
    expect(tab.locator("#now")).to_have_text("Waiting for a replica")
    expect(tab.locator("#toasts")).to_contain_text("Waking art")
    expect(tab.locator("#ep-activity")).to_contain_text("Woken by alice")
    tab.get_by_role("button", name="More actions").click()
    tab.get_by_role("menuitem", name="Sleep now").click()
    expect(tab.locator("#now")).to_have_text("Scaled to zero")
    assert now(asleep).wanted_count == 0


def test_warmth_is_meant_by_the_browsers_clock(berlin, asleep):
    berlin.goto("/endpoints/art/")
    up(berlin)
    berlin.get_by_role("link", name="Keep warm").first.click()
    dialog = berlin.get_by_role("dialog", name="Keep warm")
    expect(dialog).to_contain_text("Times are in Europe/Berlin.")
    expect(dialog.get_by_role("button", name="Stop keeping it warm")).to_have_count(0)
    dialog.get_by_label("Until").fill("18:00")
    dialog.get_by_role("button", name="Keep warm", exact=True).click()
    expect(dialog).to_be_hidden()
    expect(berlin.locator("#toasts")).to_contain_text("Kept warm until 18:00")
    expect(berlin.locator("#ep-scale")).to_have_text(
        re.compile(r"keep 0, up to 3, kept warm until (\w+ )?18:00$")
    )
    until = now(asleep).warm_until
    # A day has 25 hours when clocks are put back.
    assert timezone.now() < until <= timezone.now() + timedelta(hours=25)
    assert until.astimezone(sizing.ZoneInfo("Europe/Berlin")).hour == 18
    berlin.get_by_role("button", name="More actions").click()
    berlin.get_by_role("menuitem", name="Keep warm").click()
    dialog.get_by_role("button", name="Stop keeping it warm").click()
    expect(dialog).to_be_hidden()
    expect(berlin.locator("#ep-scale")).not_to_contain_text("kept warm")
    assert now(asleep).warm_until is None


def test_a_wrong_time_stays_in_the_dialog(tab, pages, asleep):
    tab.goto(f"{pages.url}/endpoints/art/")
    up(tab)
    tab.get_by_role("link", name="Keep warm").first.click()
    dialog = tab.get_by_role("dialog", name="Keep warm")
    dialog.get_by_label("Until").fill("")
    dialog.get_by_role("button", name="Keep warm", exact=True).click()
    expect(dialog).to_contain_text('Write a time of day, such as "18:00".')
    dialog.get_by_role("button", name="4 hours").click()
    expect(dialog).to_be_hidden()
    assert now(asleep).warm_until is not None


def test_the_week_is_drawn_while_it_is_typed(tab, pages, asleep):
    tab.goto(f"{pages.url}/endpoints/art/")
    expect(tab.locator("#ep-schedule")).to_contain_text("Mon to Fri, 09:00 to 18:00")
    tab.get_by_role("link", name="Change schedule").click()
    bars = tab.locator("#week .rb-kept")
    expect(bars).to_have_count(5)
    tab.get_by_role("button", name="Add a time").click()
    row = tab.get_by_role("group", name="Time of the week").last
    row.get_by_label("Saturday").check()
    row.get_by_label("from").fill("22:00")
    row.get_by_label("to", exact=True).fill("06:00")
    expect(bars).to_have_count(7)
    row.get_by_label("to", exact=True).fill("")
    expect(bars).to_have_count(5)
    tab.get_by_role("button", name="Save schedule").click()
    expect(row).to_contain_text('Write a time of day, such as "09:00".')
    expect(row.get_by_label("to", exact=True)).to_be_focused()
    expect(row.get_by_label("from")).to_have_value("22:00")
    row.get_by_label("to", exact=True).fill("06:00")
    tab.get_by_role("button", name="Remove this time").first.click()
    expect(bars).to_have_count(2)
    tab.get_by_role("button", name="Save schedule").click()
    expect(tab.locator("#ep-schedule")).to_contain_text(
        "Sat, 22:00 to 06:00 the next day: keep 1"
    )
    assert sizing.windows_of(asleep) == [Window(32, time(22), time(6), 1)]


def test_a_click_waits_for_the_scripts(tab, pages, asleep):
    held = []
    tab.route("**/js/schedule*.js", lambda route: held.append(route))
    tab.goto(f"{pages.url}/endpoints/art/schedule/", wait_until="commit")
    add = tab.get_by_role("button", name="Add a time")
    rows = tab.get_by_role("group", name="Time of the week")
    expect(add).to_have_css("pointer-events", "none")
    # Menus and links need none of them.
    expect(tab.get_by_role("link", name="Cancel")).to_have_css("pointer-events", "auto")
    assert held
    expect(rows).to_have_count(1)
    held[0].continue_()
    add.click()
    expect(rows).to_have_count(2)


def test_a_first_schedule_is_in_the_browsers_zone(berlin, asleep):
    asleep.windows.all().delete()
    berlin.goto("/endpoints/art/schedule/")
    expect(berlin.get_by_label("Time zone", exact=True)).to_have_value("Europe/Berlin")
    Endpoint.objects.update(schedule_zone="Asia/Tokyo")
    berlin.goto("/endpoints/art/schedule/")
    expect(berlin.get_by_label("Time zone", exact=True)).to_have_value("Asia/Tokyo")


def test_all_of_it_works_without_scripts(plain, asleep):
    plain.goto("/endpoints/art/")
    plain.get_by_role("button", name="Wake now").first.click()
    expect(plain.locator("#now")).to_have_text("Waiting for a replica")
    plain.get_by_role("button", name="More actions").click()
    plain.get_by_role("menuitem", name="Keep warm").click()
    expect(plain.locator("#warm-help")).to_contain_text("Times are in UTC.")
    plain.get_by_role("button", name="1 hour").click()
    expect(plain.locator("#ep-scale")).to_contain_text("kept warm until")
    plain.get_by_role("link", name="Change schedule").click()
    row = plain.get_by_role("group", name="Time of the week").nth(1)
    row.get_by_label("Sunday").check()
    row.get_by_label("from").fill("10:00")
    row.get_by_label("to", exact=True).fill("12:00")
    plain.get_by_role("button", name="Save schedule").click()
    expect(plain.locator("#ep-schedule")).to_contain_text("Sun, 10:00 to 12:00: keep 1")
    assert now(asleep).wanted_count == 1


SCREENS = {
    "asleep": ("art", None),
    "warm dialog": ("art", "#act-warm"),
    "warm page": ("art/warm", None),
    "schedule": ("art/schedule", "#window-add"),
}


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing(tab, pages, asleep, theme):
    tab.emulate_media(color_scheme=theme)
    found = {}
    for name, (path, press) in SCREENS.items():
        tab.goto(f"{pages.url}/endpoints/{path}/")
        if press:
            tab.locator(press).click()
        found[name] = violations(tab)
    assert {name: lines for name, lines in found.items() if lines} == {}


@pytest.mark.parametrize("width", [320, 768])
def test_no_page_scrolls_sideways(tab, pages, asleep, width):
    tab.set_viewport_size({"width": width, "height": 800})
    wide = {}
    for name, (path, press) in SCREENS.items():
        tab.goto(f"{pages.url}/endpoints/{path}/")
        if press:
            tab.locator(press).click()
        wide[name] = tab.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert {name: over for name, over in wide.items() if over > 0} == {}
