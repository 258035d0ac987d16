"""Kept logs in the drawer, in Chromium, with answers as the API gives them."""

import json
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from urllib.parse import parse_qs, urlsplit

import pytest
from django.conf import settings
from django.template.loader import render_to_string
from playwright.sync_api import expect

pytestmark = pytest.mark.e2e
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
REMOVED = (
    "This attempt's log of 9 lines was removed on 2 March 2026. The limit: logs are"
)
STARTS = [
    {
        "replica_id": "7",
        "number": 1,
        "attempt": 1,
        "removed_at": "2026-03-02T00:00:00Z",
    },
    {"replica_id": "7", "number": 1, "attempt": 2, "removed_at": None, "note": ""},
]
STARTS[0]["note"] = f"{REMOVED} kept for 30 days."


def line(n, text, level="info"):
    at = (NOON + timedelta(hours=n)).isoformat().replace("+00:00", "Z")
    plain = {"replica_id": "7", "number": 1, "attempt": 2, "source": "stdout"}
    return {**plain, "timestamp": at, "line": n, "level": level, "data": text}


class Kept:
    """The drawer, and the API of a made-up endpoint behind it."""

    def __init__(self, page):
        self.page, self.asked, self.answers = page, [], []
        drawer = render_to_string(
            "replicas/logs.html",
            {
                "endpoint": SimpleNamespace(name="pic", template=None),
                "hints_json": "[]",
            },
        )
        static = settings.BASE_DIR / "static"
        sheets = ("tokens", "base", "components", "pages")
        styles = "".join((static / "css" / f"{s}.css").read_text() for s in sheets)
        self.html = (
            f"<!doctype html><meta name=viewport content='width=device-width'>"
            f"<style>{styles}</style><body>{drawer}<p id='announce'></p></body>"
        )
        page.route("**/*", self.serve)
        page.goto("http://pic.test/")
        for name in ("ui", "logs", "logs-past"):
            page.add_script_tag(path=static / "js" / f"{name}.js")
        page.evaluate(
            "window.logs = UI.Logs(UI.$('.logs')); UI.PastLogs(UI.$('.logs'), logs);"
            "logs.setReplicas([1]); logs.open()"
        )

    def serve(self, route):
        url = urlsplit(route.request.url)
        if url.path == "/v1/logs/pic/attempts":
            route.fulfill(json=STARTS)
        elif url.path == "/v1/logs/pic/search":
            self.asked.append({k: v[0] for k, v in parse_qs(url.query).items()})
            status, answer = self.answers.pop(0)
            route.fulfill(status=status, json=answer)
        else:
            route.fulfill(body=self.html, content_type="text/html")

    def finds(self, *lines, more=""):
        """The next answer: these, newest first; a cursor where there is more."""
        back = lines[-1]["timestamp"] if lines else NOON.isoformat()
        answer = {"lines": list(lines), "next": more or None, "searched_back_to": back}
        self.answers.append((200, answer))

    def texts(self):
        return self.page.locator(".log-past .ln .m").all_text_contents()

    @property
    def status(self):
        return self.page.locator(".past-status")


@pytest.fixture
def kept(context):
    return Kept(context.new_page())


def open_kept(kept):
    kept.page.get_by_role("button", name="Search kept logs").first.click()


def test_the_newest_are_shown_and_older_ones_come_above(kept):
    kept.finds(line(30, "third"), line(29, "second"), more="c1")
    open_kept(kept)
    expect(kept.status).to_contain_text("2 lines. Searched back to")
    assert kept.texts() == ["second", "third"]
    kept.finds(line(1, "first"))
    kept.page.get_by_role("button", name="Older lines").click()
    expect(kept.status).to_have_text("3 lines. That is all.")
    assert kept.texts() == ["first", "second", "third"]
    assert [one.get("cursor") for one in kept.asked] == [None, "c1"]
    # Each day once, and where a log is missing it says why.
    days = kept.page.locator(".log-past .ln[data-gap]").all_text_contents()
    assert days == ["Sunday, 1 March 2026", "Monday, 2 March 2026"]
    expect(kept.page.locator(".past-note")).to_contain_text(
        f"Replica 1, start 1: {REMOVED}"
    )


def test_what_is_asked_for_and_what_is_marked(kept):
    kept.finds(line(1, "hay"))
    open_kept(kept)
    expect(kept.status).to_contain_text("1 line.")
    page = kept.page
    page.get_by_label("From").fill("2026-03-01T13:00:00")
    page.get_by_label("To").fill("2026-03-02T13:00:00")
    # Another level is looked for at once; a text and a time when one says so.
    kept.finds()
    page.get_by_label("Level").select_option("error")
    expect(kept.status).to_have_text("No line matches.")
    kept.finds(line(2, "a needle", "error"))
    page.get_by_label("Search logs").fill("Needle")
    page.get_by_label("Search logs").press("Enter")
    expect(page.locator(".log-past mark")).to_have_text("needle")
    zone = page.evaluate("new Date('2026-03-01T13:00:00').toISOString()")
    asked = kept.asked[-1]
    assert asked["begin_time"] == zone
    assert (asked["q"], asked["level"], asked["max_lines"]) == (
        "Needle",
        "error",
        "500",
    )
    # The download is of the same time.
    taking = "HTMLAnchorElement.prototype.click = function () { window.to = this.href }"
    page.evaluate(f"() => {{ {taking} }}")
    page.get_by_label("Download all lines").click()
    taken = urlsplit(page.evaluate("window.to"))
    assert taken.path == "/v1/logs/pic/download"
    assert parse_qs(taken.query)["begin_time"] == [zone]


def test_it_goes_on_by_itself_for_a_while_when_nothing_is_found(kept):
    for n in range(5):
        kept.finds(more=f"c{n}")
    open_kept(kept)
    expect(kept.status).to_contain_text("No line so far. Searched back to 1 Mar")
    assert len(kept.asked) == 5
    kept.finds(line(1, "at last"))
    kept.page.get_by_role("button", name="Go on").click()
    expect(kept.status).to_have_text("1 line. That is all.")


def test_back_to_the_live_lines_which_went_on(kept):
    kept.finds()
    open_kept(kept)
    expect(kept.status).to_have_text("No line matches.")
    new = {"k": "7:2", "n": 1, "t": 1, "r": 1, "a": 2, "src": "stdout", "text": "new"}
    told = json.dumps({"kind": "lines", "total": 1, "lines": [new]})
    kept.page.evaluate(f"logs.take({told})")
    kept.page.get_by_role("button", name="Back to live").click()
    expect(kept.page.locator(".log:not(.log-past) .ln .m")).to_have_text("new")
    expect(kept.page.locator(".log-past")).to_be_hidden()


def test_a_refusal_is_told(kept):
    kept.answers.append((400, {"error": {"message": "Write the time like this."}}))
    open_kept(kept)
    expect(kept.status).to_have_text("Write the time like this.")
