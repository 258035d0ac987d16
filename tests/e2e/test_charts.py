"""Traffic and hardware in a browser: the cursor, other ranges, live, the list."""

import re

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from replicas.consumers import live as pages
from replicas.fragments import sparks
from replicas.metrics.series import floor
from replicas.tests.told_points import keep, point, tell_an_hour
from tests.axe import violations
from tests.browser import sign_in
from tests.e2e.pages_server import endpoint, up
from tests.pages import Ada

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.valkey,
    pytest.mark.django_db(transaction=True),
]
BURST, BIGGER = (point(n, seconds=60, ended=True) for n in (90, 180))
TIP = ".chart[data-hot] .chart-tip"


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Charts come twice a second in place of every 10 s."""
    monkeypatch.setattr(pages, "CHARTS_SECONDS", 0.5)
    sparks._hour.cache_clear()


@pytest.fixture
def still(quick, monkeypatch):
    """Charts stay as they came with the page, whatever the clock says meanwhile."""
    monkeypatch.setattr(pages, "CHARTS_SECONDS", 3600)


def busy(alice, name="runs", *, gpu=False, told=True):
    """An endpoint that answers since 8 days ago, with an hour of traffic."""
    now = timezone.now()
    made = endpoint(alice, name, "ready", ready_at=now, phase="ready", public=True)
    made.created_at = now - timezone.timedelta(days=8)
    made.last_request_at = now
    made.save()
    if told:
        tell_an_hour(made, now, gpu=gpu)
    return made


def show(tab, pages, name="runs", query=""):
    tab.goto(f"{pages.url}/endpoints/{name}/{query}")
    up(tab)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing(tab, pages, alice, theme):
    busy(alice, gpu=True)
    endpoint(alice, "quiet", "ready", ready_at=timezone.now(), phase="ready")
    tab.emulate_media(color_scheme=theme)
    show(tab, pages)
    tab.get_by_text("More charts").click()
    tab.locator("#plot-times").hover()
    expect(tab.locator(TIP)).to_be_visible()
    found = violations(tab)
    show(tab, pages, "quiet")
    expect(tab.get_by_role("heading", name="No requests yet")).to_be_visible()
    found += violations(tab)
    tab.goto(f"{pages.url}/endpoints/")
    expect(tab.locator(".spark")).to_have_count(2)
    assert found + violations(tab) == []


@pytest.mark.parametrize("width", [320, 390, 768])
def test_charts_fit_on_a_phone(tab, pages, alice, width):
    busy(alice, gpu=True)
    tab.set_viewport_size({"width": width, "height": 800})
    for query in ("", "?range=7d"):
        show(tab, pages, query=query)
        tab.get_by_text("More charts").click()
        wide = tab.locator("#ep-charts").evaluate(
            "box => [...box.querySelectorAll('*')].filter(n => !n.matches('.tooltip'))"
            ".reduce((most, n) => Math.max(most, n.getBoundingClientRect().right), 0)"
        )
        assert wide <= width


@pytest.mark.usefixtures("still")
def test_the_cursor_follows_the_pointer_and_tells_the_value(tab, pages, alice):
    busy(alice)
    show(tab, pages)
    plot = tab.get_by_role("img", name=re.compile("^Requests a minute, last hour"))
    box = plot.bounding_box()
    plot.hover(position={"x": box["width"] - 1, "y": 40})
    tip = tab.locator("#c-requests").locator(TIP)
    expect(tip).to_have_text(re.compile(r"^\d\d:\d\d\u2002\d+ requests a minute$"))
    newest, told = tab.evaluate(
        "['.val', '.chart-tip b'].map(s => "
        "parseInt(document.querySelector('#c-requests ' + s).textContent))"
    )
    assert newest == told
    # Where it started cold, a sixth along the way.
    plot.hover(position={"x": box["width"] / 6, "y": 40})
    expect(tip).to_contain_text("cold start, 42 s")
    tab.get_by_role("heading", name="Configuration").hover()
    expect(tab.locator(TIP)).to_have_count(0)


@pytest.mark.usefixtures("still")
def test_the_cursor_goes_by_keys_and_is_spoken(tab, pages, alice):
    busy(alice)
    show(tab, pages)
    plot, said = tab.locator("#plot-times"), tab.locator("#announce")
    plot.focus()
    tab.keyboard.press("Home")
    expect(said).to_have_text(re.compile(r"^\d\d:\d\d, [\d.]+ s, p95 [\d.]+ s$"))
    tip = tab.locator("#c-times").locator(TIP)
    first = tip.inner_text()
    tab.keyboard.press("PageDown")
    tab.keyboard.press("ArrowRight")
    expect(tip).not_to_have_text(first)
    for _ in range(2):  # further than the beginning
        tab.keyboard.press("PageUp")
    expect(tip).to_have_text(first)
    tab.keyboard.press("End")
    expect(tip).not_to_have_text(first)
    tab.keyboard.press("Escape")
    expect(tab.locator(TIP)).to_have_count(0)


def test_another_range_comes_without_a_new_page_and_stays(tab, pages, alice):
    made = busy(alice)
    keep(made, timezone.now() - timezone.timedelta(hours=3), BURST, 60)
    show(tab, pages)
    tab.evaluate("window.same = true")
    link = tab.get_by_role("link", name="6 h")
    link.click()
    plot = tab.locator("#plot-requests")
    expect(plot).to_have_attribute("aria-label", re.compile("last 6 hours.*most 30"))
    expect(tab.locator("#announce")).to_have_text("Charts of last 6 hours")
    expect(link).to_have_attribute("aria-current", "true")
    expect(link).to_be_focused()
    expect(tab.get_by_role("link", name="1 h")).not_to_have_attribute(
        "aria-current", "true"
    )
    # What the socket sends from now on is of this range too.
    keep(made, timezone.now() - timezone.timedelta(hours=2), BIGGER, 60)
    expect(plot).to_have_attribute("aria-label", re.compile("last 6 hours.*most 60"))
    assert tab.evaluate("window.same")
    tab.reload()
    expect(plot).to_have_attribute("aria-label", re.compile("last 6 hours.*most 60"))


def test_a_range_that_cannot_be_had_is_said(tab, pages, alice):
    busy(alice)
    show(tab, pages)
    tab.route("**/charts/**", lambda route: route.abort())
    tab.get_by_role("link", name="24 h").click()
    expect(tab.locator("#toasts")).to_contain_text(
        "The charts could not be loaded. Try again in a moment."
    )
    expect(tab.get_by_role("link", name="1 h")).to_have_attribute(
        "aria-current", "true"
    )


def test_charts_are_live_and_leave_in_peace_what_is_looked_at(tab, pages, alice):
    made = endpoint(alice, "runs", "ready", ready_at=timezone.now(), phase="ready")
    show(tab, pages)
    expect(tab.get_by_text("Charts start with the first request.")).to_be_visible()
    keep(made, floor(timezone.now(), 10) - timezone.timedelta(seconds=20), point(6))
    value = tab.locator("#c-requests .val")
    expect(value).to_be_visible()
    tab.get_by_text("More charts").click()
    tab.locator("#plot-network").focus()
    tab.keyboard.press("End")
    tip = tab.locator("#c-network").locator(TIP)
    expect(tip).to_contain_text("sent")
    before = tab.locator("#plot-requests").get_attribute("data-chart")
    keep(made, floor(timezone.now(), 10) - timezone.timedelta(seconds=10), point(60))
    expect(tab.locator("#plot-requests")).not_to_have_attribute("data-chart", before)
    expect(tip).to_be_visible()
    expect(tip).to_contain_text("sent")
    expect(tab.locator("#plot-network")).to_be_focused()


def test_help_that_is_read_stays_open(tab, pages, alice):
    made = busy(alice)
    show(tab, pages)
    tab.get_by_role("button", name="Help: In flight").hover()
    tip = tab.locator("#tip-c-open")
    expect(tip).to_have_css("opacity", "1")
    before = tab.locator("#plot-requests").get_attribute("data-chart")
    keep(made, floor(timezone.now(), 10) - timezone.timedelta(seconds=10), point(60))
    expect(tab.locator("#plot-requests")).not_to_have_attribute("data-chart", before)
    expect(tip).to_have_attribute("data-shown", "")
    expect(tip).to_have_css("opacity", "1")


@pytest.mark.usefixtures("still")
def test_times_are_those_of_the_reader(chromium, pages, alice):
    busy(alice, told=False)
    with chromium.new_context(timezone_id="Asia/Kathmandu") as there:
        tab = there.new_page()
        sign_in(tab, Ada(pages.url), "alice")
        show(tab, pages)
        first = tab.locator("#c-requests .x time").first
        at = timezone.datetime.fromisoformat(first.get_attribute("datetime"))
        here = at + timezone.timedelta(hours=5, minutes=45)
        assert first.inner_text() == f"{here:%H:%M}"
        last = tab.locator("#c-requests .x time").last
        assert "UTC" not in last.inner_text()
        tab.get_by_role("link", name="7 days").click()
        expect(first).to_have_text(re.compile(r"^[A-Z][a-z]{2} \d+$"))


def test_charts_work_without_scripts(chromium, pages, alice):
    busy(alice)
    with chromium.new_context(java_script_enabled=False) as plain:
        tab = plain.new_page()
        sign_in(tab, Ada(pages.url), "alice")
        tab.goto(f"{pages.url}/endpoints/runs/")
        expect(tab.locator("#c-requests .x")).to_contain_text("UTC")
        tab.get_by_role("link", name="7 days").click()
        expect(tab).to_have_url(re.compile(r"\?range=7d#h-metrics$"))
        expect(tab.get_by_role("img", name=re.compile("last 7 days"))).to_have_count(6)
        tab.get_by_text("More charts").click()
        expect(tab.get_by_role("heading", name="Network")).to_be_visible()


def test_the_list_shows_the_last_hour_and_what_is_new(tab, pages, alice):
    made = busy(alice, told=False)
    before = timezone.now() - timezone.timedelta(minutes=30)
    keep(made, before, point(23, seconds=60), 60)
    tab.goto(f"{pages.url}/endpoints/")
    up(tab)
    row = tab.get_by_role("listitem").filter(has_text="runs")
    expect(row.locator(".e-traffic")).to_have_text(re.compile("^Idle for"))
    spark = row.get_by_role("img", name="Requests in the last hour, peak 23 a minute")
    expect(spark).to_be_visible()
    keep(made, timezone.now(), point(300))
    expect(row.locator(".e-traffic")).to_have_text(
        re.compile(r"^[67]\d a minutep95 4\.8 s$")
    )
