"""Templates of one's own in a browser: saved, imported, shared, exported, deleted."""

import json
import urllib.request
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.axe import violations
from tests.browser import sign_in
from tests.rows import rows
from tests.waiting import until

pytestmark = pytest.mark.e2e

GOOD = """\
name: Echo
summary: Says it back.
kind: text
tier: cpu
image: lab.example/echo:1
port: 8000
env:
- name: API_KEY
  secret: true
  needed: true
  note: Ask Grace
"""
WRONG = GOOD.replace("8000", "web")


def ask(console, method, path, body=None):
    """A call of the console's API as admin."""
    request = urllib.request.Request(
        f"{console.url}/v1/{path}",
        method=method,
        data=json.dumps(body).encode() if body else None,
        headers={
            "Authorization": f"Bearer {console.token()}",
            "Content-Type": "application/json",
        },
    )
    with urllib.request.urlopen(request) as answer:
        return json.loads(answer.read() or "null")


@pytest.fixture
def no_templates(console):
    """None of admin's own are left after the test."""
    yield
    for template in ask(console, "GET", "templates"):
        if template["owner"] == "admin":
            ask(console, "DELETE", f"templates/{template['slug']}")


@pytest.fixture
def endpoint(console):
    """An endpoint that never gets an image, so that nothing runs."""
    wish = {"name": "whisper", "image_url": "lab.example/whisper:1", "port": 8000}
    ask(console, "POST", "endpoint", {**wish, "env_overrides": {"MODEL": "large"}})
    ask(console, "PATCH", "endpoint/whisper", {"endpoint_state": "disabled"})
    yield "whisper"
    ask(console, "DELETE", "endpoint/whisper")
    # The next test makes one of the same name, which is taken until this one is gone.
    there = "select 1 from endpoints_endpoint where name = 'whisper'"
    until(lambda: not rows(console, there))


def said(page, text):
    """A toast; the same words are in the region that is read aloud."""
    return page.locator("#toasts").get_by_text(text)


def names(page):
    return page.locator("#rows .t-row:visible .row-link").all_inner_texts()


def test_a_file_is_imported_shared_exported_and_deleted(page, console, no_templates):
    page.goto(f"{console.url}/templates/")
    page.get_by_role("link", name="Import").click()
    file = {"name": "echo.yaml", "mimeType": "text/yaml", "buffer": WRONG.encode()}
    page.get_by_label("YAML file").set_input_files(file)
    page.get_by_role("button", name="Read it").click()
    problem = "Line 6, port: write a whole number from 1 to 65535."
    expect(page.get_by_text(problem)).to_be_visible()

    # The file's text is there to be mended, at the line the message names.
    text = page.get_by_label("Template as YAML")
    expect(text).to_be_focused()
    # The focus is the page's own, the selection that of a script, which comes later.
    until(lambda: page.evaluate("getSelection().toString()") == "port: web")
    page.keyboard.type("port: 8000")
    assert text.input_value() == GOOD
    page.get_by_role("button", name="Read it").click()
    expect(page.get_by_role("heading", name="Echo")).to_be_visible()
    expect(page.get_by_text("runs somebody else’s container")).to_be_visible()
    expect(page.get_by_text("API_KEY, a secret: Ask Grace")).to_be_visible()
    page.get_by_role("switch", name="Share with everyone here").check()
    page.get_by_role("button", name="Save template").click()

    expect(said(page, "Imported Echo")).to_be_visible()
    assert names(page) == ["Echo"]
    row = page.locator("#rows .t-row").filter(has_text="Echo")
    expect(row.get_by_text("Shared", exact=True)).to_be_visible()

    row.hover()
    page.get_by_role("button", name="Actions for Echo").click()
    with page.expect_download() as download:
        page.get_by_role("menuitem", name="Export as YAML").click()
    assert Path(download.value.path()).read_text() == GOOD
    assert download.value.suggested_filename == "admin--echo.yaml"

    page.get_by_role("button", name="Actions for Echo").click()
    page.get_by_role("menuitem", name="Delete").click()
    page.get_by_role("button", name="Delete template").click()
    expect(said(page, "Deleted Echo")).to_be_visible()
    assert ask(console, "GET", "templates")[0]["owner"] is None


def test_an_endpoint_becomes_a_template_that_can_be_cloned(
    page, console, no_templates, endpoint
):
    page.goto(f"{console.url}/endpoints/{endpoint}/")
    page.get_by_role("button", name="More actions").click()
    page.get_by_role("menuitem", name="Save as template").click()
    expect(page.get_by_text("MODEL=large")).to_be_visible()
    page.get_by_label("Template name").fill("Lab whisper")
    page.get_by_role("button", name="Save template").click()
    expect(page.get_by_text("Say in one line what it is for.")).to_be_visible()
    expect(page.get_by_label("Template name")).to_have_value("Lab whisper")
    page.get_by_role("textbox", name="Summary").fill("Writes down what is said.")
    page.get_by_label("Kind").select_option("audio")
    page.get_by_role("button", name="Save template").click()
    expect(said(page, "Saved Lab whisper as a template")).to_be_visible()

    # The filter works in the page as well as from the address.
    assert names(page) == ["Lab whisper"]
    page.get_by_role("button", name="All ").click()
    assert len(names(page)) > 10
    page.get_by_role("button", name="Yours ").click()
    assert names(page) == ["Lab whisper"]
    assert page.url.endswith("?kind=yours")
    page.get_by_role("link", name="Lab whisper", exact=True).click()
    expect(page.get_by_role("heading", name="Lab whisper")).to_be_visible()
    assert page.locator("input[value=MODEL]").is_visible()


def read(page, text):
    page.get_by_label("Template as YAML").fill(text)
    page.get_by_role("button", name="Read it").click()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing(context, console, no_templates, endpoint, theme):
    ask(console, "POST", "templates", {"yaml": GOOD, "shared": True})
    page = context.new_page()
    page.emulate_media(color_scheme=theme)
    sign_in(page, console)
    found = {}
    for path in (
        "templates/?kind=yours",
        "templates/admin--echo/edit/",
        "templates/admin--echo/delete/",
        f"endpoints/{endpoint}/save-as-template/",
        "templates/import/",
    ):
        page.goto(f"{console.url}/{path}")
        found[path] = violations(page)
    read(page, WRONG)
    expect(page.get_by_text("Line 6, port")).to_be_visible()
    found["refused"] = violations(page)
    read(page, GOOD)
    expect(page.get_by_role("button", name="Save template")).to_be_visible()
    found["preview"] = violations(page)
    assert {path: told for path, told in found.items() if told} == {}
