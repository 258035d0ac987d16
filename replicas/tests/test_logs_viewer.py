"""The log viewer in Chromium, fed with the messages that LogReader sends."""

import json
from types import SimpleNamespace

import pytest
from django.conf import settings
from django.template.loader import render_to_string

pytestmark = pytest.mark.e2e

HINTS = [
    {
        "pattern": "MetadataIncompleteBuffer",
        "title": "This checkpoint could not be read.",
        "body": "Run this endpoint on Large.",
        "tier": "large-40",
    },
    {"pattern": "([", "title": "Never", "body": "a bad pattern", "tier": ""},
]


def line(n, text, **changes):
    plain = {"k": "7:1", "n": n, "t": 1700000000000 + n, "r": 1, "a": 1}
    return {**plain, "src": "stdout", "level": "info", "text": text, **changes}


class Viewer:
    def __init__(self, page):
        self.page = page
        static = settings.BASE_DIR / "static"
        endpoint = SimpleNamespace(name="pic", template=None)
        context = {"endpoint": endpoint, "hints_json": "[]"}
        drawer = render_to_string("replicas/logs.html", context)
        page.set_content(f"<!doctype html><body>{drawer}<p id='announce'></p></body>")
        for name in ("tokens", "base", "components", "pages"):
            page.add_style_tag(path=static / "css" / f"{name}.css")
        for name in ("js/ui.js", "js/logs.js"):
            page.add_script_tag(path=static / name)
        options = {"hints": HINTS, "downloadUrl": "/d", "cloneUrl": "/c?x=1"}
        self.run(f"window.logs = UI.Logs(UI.$('.logs'), {json.dumps(options)})")

    def run(self, script):
        return self.page.evaluate(script)

    def take(self, *lines, kind="lines", **message):
        told = json.dumps({"kind": kind, "lines": lines, **message})
        # Two frames: one in which it is drawn, one to see it.
        self.run(
            f"new Promise(done => {{ logs.take({told});"
            " requestAnimationFrame(() => requestAnimationFrame(done)) })"
        )

    def texts(self):
        return self.page.locator(".log .ln .m").all_text_contents()

    def gaps(self):
        return self.page.locator(".log .ln[data-gap]").all_text_contents()

    def note(self):
        return self.page.locator(".log-top").text_content()


@pytest.fixture
def viewer(context):
    made = Viewer(context.new_page())
    made.run("logs.setReplicas([1, 2])")
    made.run("logs.open()")
    return made


def test_lines_appear_once_and_in_order(viewer):
    assert viewer.page.get_by_role("heading", name="Waiting for the first").is_visible()
    viewer.take(line(1, "one"), line(2, "two"), kind="backlog", total=2)
    viewer.take(line(2, "two"), line(3, "three"), cursors={"7:1": 3}, total=3)
    assert viewer.texts() == ["one", "two", "three"]
    assert viewer.run("logs.cursors()") == {"7:1": 3}
    assert viewer.note() == "Showing all 3 lines."


def test_only_the_newest_stay_and_the_rest_is_counted(viewer):
    for start in range(1, 2501, 500):
        viewer.take(*(line(n, str(n)) for n in range(start, start + 500)), total=9000)
    assert viewer.texts() == [str(n) for n in range(501, 2501)]
    assert viewer.note() == (
        "Showing the last 2,000 of 9,000 lines. Download has all of them."
    )


def test_what_was_left_out_is_said(viewer):
    viewer.take(line(1, "one"), kind="backlog", total=1)
    viewer.take(line(900, "later"), dropped=898, total=900)
    viewer.run("logs.lost('Connection lost.')")
    assert viewer.page.locator(".logs-live").text_content() == "Reconnecting"
    viewer.run("logs.found()")
    viewer.take(line(1000, "end"), kind="backlog", dropped=99, total=1000)
    assert viewer.gaps() == [
        "898 lines came too fast to show here. Download has all of them.",
        "100 lines were written while the connection was down; 1 are filled in, "
        "99 were dropped. Download has all of them.",
    ]


def test_a_bar_is_one_changing_line(viewer):
    bar = {"k": "7:1", "r": 1, "src": "stderr"}
    viewer.take(partials=[{**bar, "text": " 10%"}], total=0)
    viewer.take(partials=[{**bar, "text": " 60%"}], total=0)
    assert viewer.texts() == [" 60%"]
    viewer.take(line(1, "another stream"), total=1)
    assert viewer.texts() == ["another stream", " 60%"]
    viewer.take(line(2, "100%", src="stderr", cr=True), total=2)
    assert viewer.texts() == ["another stream", "100%"]


def test_colours_are_classes_and_nothing_is_html(viewer):
    viewer.take(
        line(1, "\x1b[1;31mred\x1b[0m <b>plain</b>\x1b[2K \x1b[38;5;31mdeep\x1b[0m"),
        total=1,
    )
    assert viewer.texts() == ["red <b>plain</b> deep"]
    assert viewer.page.locator(".ln .a31.a1").all_text_contents() == ["red"]
    assert viewer.page.locator(".ln b").count() == 0


def test_filters_and_search(viewer):
    viewer.take(
        line(1, "alpha"),
        line(2, "beta ERROR", level="error"),
        line(1, "alpha too", k="8:1", r=2),
        line(2, "Pulling image", k="8:1", r=2, src="system"),
        total=4,
    )
    viewer.page.get_by_label("Level").select_option("error")
    assert viewer.texts() == ["beta ERROR"]
    viewer.page.get_by_label("Level").select_option("system")
    assert viewer.texts() == ["Pulling image"]
    viewer.page.get_by_label("Level").select_option("info")
    viewer.page.get_by_label("Replica", exact=True).select_option("r2")
    assert viewer.texts() == ["alpha too", "Pulling image"]
    viewer.page.get_by_label("Replica", exact=True).select_option("")
    viewer.page.get_by_label("Search logs").fill("ALPHA")
    viewer.page.locator(".hits", has_text="2 of 2").wait_for()
    viewer.page.get_by_label("Show only matching lines").click()
    assert viewer.texts() == ["alpha", "alpha too"]


def test_pausing_holds_lines_back(viewer):
    viewer.page.get_by_role("button", name="Pause").click()
    viewer.take(line(1, "one"), total=1)
    assert viewer.texts() == []
    assert viewer.page.locator(".logs-live").text_content() == "Paused, 1 waiting"
    viewer.page.get_by_role("button", name="Resume").click()
    viewer.page.get_by_text("one", exact=True).wait_for()


def test_known_trouble_is_explained(viewer):
    viewer.take(line(1, "Error: MetadataIncompleteBuffer", level="error"), total=1)
    hint = viewer.page.locator(".log-hint")
    assert "This checkpoint could not be read." in hint.text_content()
    link = hint.get_by_role("link", name="Clone to Large 40 hardware")
    assert link.get_attribute("href") == "/c?x=1&tier=large-40"
    hint.get_by_role("button", name="Dismiss").click()
    viewer.take(line(2, "Error: MetadataIncompleteBuffer", level="error"), total=2)
    assert hint.is_hidden()


def test_a_closed_drawer_draws_when_it_opens(viewer):
    viewer.run("logs.close()")
    viewer.take(line(1, "one"), total=1)
    assert viewer.texts() == []
    viewer.run("logs.open()")
    assert viewer.texts() == ["one"]
