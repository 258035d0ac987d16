"""Trying an endpoint from its page, in a browser; a program of the test answers."""

import contextlib
import json
import re
import threading

import pytest
from playwright.sync_api import expect

from endpoints.tests.factories import respec, spec
from endpoints.tests.test_trying import PNG, Container, say
from templates_app.spec import Example
from tests.axe import violations
from tests.e2e.pages_server import endpoint, up

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.valkey,
    pytest.mark.django_db(transaction=True),
]
BODY = '{"model": "small", "messages": [{"role": "user", "content": "Hello"}]}'


@pytest.fixture
def container(settings):
    made = Container()
    settings.ALIGHT_PORT = made.server.server_port
    yield made
    made.close()


@pytest.fixture
def chat(alice):
    made = endpoint(alice, "chat", "ready", phase="ready")
    example = Example("POST", "/v1/chat/completions", BODY)
    return respec(made, spec(openai=True, example=example))


@pytest.fixture
def section(tab, pages, chat):
    tab.goto(f"{pages.url}/endpoints/chat/")
    up(tab)
    return tab.locator("#try")


def test_an_answer_is_shown(section, container):
    container.answer = lambda h: say(h, b'{"said":"<b>Hi</b>"}', "application/json")
    section.get_by_role("button", name="Send").click()
    expect(section.get_by_role("region", name="Answer", exact=True)).to_have_text(
        '{\n  "said": "<b>Hi</b>"\n}'
    )
    expect(section.get_by_role("status")).to_have_text(
        re.compile(r"^200 OK in [\d.]+ s, 20 bytes$")
    )
    section.get_by_text("Headers of the answer").click()
    expect(section.locator("#try-got-text")).to_contain_text(
        "content-type: application/json", ignore_case=True
    )
    ((method, path, headers, body),) = container.heard
    assert (method, path, json.loads(body)) == (
        "POST",
        "/v1/chat/completions",
        json.loads(BODY),
    )
    assert headers["Cookie"].startswith("alight_pass=")


def test_a_stream_is_read_as_it_comes_and_can_be_stopped(section, container):
    shown, stopped, over = (threading.Event() for _ in range(3))

    def answer(handler):
        handler.send_response(200)
        handler.send_header("Content-Type", "text/event-stream")
        handler.end_headers()
        handler.wfile.write(b"data: one\n\n")
        assert shown.wait(120)
        # Slower than a page's limit is reached, for as long as somebody listens.
        with contextlib.suppress(OSError):
            while not over.wait(0.02):
                handler.wfile.write(b"data: more\n\n")
            return
        stopped.set()

    container.answer = answer
    section.get_by_role("button", name="Send").click()
    text = section.get_by_role("region", name="Answer", exact=True)
    expect(text).to_have_text("data: one\n\n")
    expect(section.get_by_role("status")).to_have_text(re.compile("^200 OK after "))
    shown.set()
    expect(text).to_contain_text("data: more")
    section.get_by_role("button", name="Stop").click()
    expect(section.get_by_role("button", name="Send")).to_be_visible()
    gone = stopped.wait(30)
    over.set()
    assert gone


def test_a_picture_and_a_file(section, container):
    container.answer = lambda h: say(h, PNG, "image/png")
    section.get_by_role("button", name="Send").click()
    picture = section.get_by_role("img", name="Picture 1 of the answer")
    expect(picture).to_be_visible()
    assert picture.evaluate("i => i.decode().then(() => i.naturalWidth)") == 1
    container.answer = lambda h: say(h, b"RIFF", "audio/wav")
    section.get_by_role("button", name="Send").click()
    with section.page.expect_download() as download:
        section.get_by_role("link", name="Save answer.wav").click()
    assert download.value.suggested_filename == "answer.wav"
    assert download.value.path().read_bytes() == b"RIFF"
    expect(picture).to_have_count(0)


def test_a_mistake_is_told_at_its_field(section, container):
    section.get_by_label("Path").fill("v1/models")
    section.get_by_text("Headers", exact=True).click()
    section.get_by_role("textbox", name="Headers").fill("Host: other")
    section.get_by_text("Headers", exact=True).click()
    section.get_by_role("button", name="Send").click()
    expect(section.get_by_label("Path")).to_be_focused()
    expect(section.locator("#try-path-error")).to_have_text(
        'Start the path with a slash: "/v1/models".'
    )
    section.get_by_label("Path").fill("/v1/models")
    section.get_by_role("button", name="Send").click()
    expect(section.get_by_role("textbox", name="Headers")).to_be_focused()
    assert container.heard == []


def test_snippets_follow_who_may_call(section, chat, alice):
    from endpoints import services

    for language in ("curl", "Python", "JavaScript", "OpenAI client"):
        section.get_by_role("radio", name=language).check()
        shown = section.get_by_role("region", name=f"The request in {language}")
        expect(shown).to_contain_text("ALIGHT_TOKEN")
        expect(section.get_by_role("button", name="Send")).to_be_hidden()
    services.change(chat, "alice", public=True)
    expect(shown).not_to_contain_text("ALIGHT_TOKEN")
    # The same tab is still open.
    expect(shown).to_be_visible()


def test_it_works_without_scripts(chromium, pages, alice, chat, container):
    from tests.browser import sign_in
    from tests.pages import Ada

    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    sign_in(page, Ada(pages.url), "alice")
    page.goto(f"{pages.url}/endpoints/chat/")
    page.get_by_role("button", name="Send").click()
    page.wait_for_url("**/endpoints/chat/try/")
    expect(page.get_by_role("region", name="Answer", exact=True)).to_have_text("fine")
    page.get_by_role("radio", name="curl").check()
    expect(page.get_by_role("region", name="The request in curl")).to_be_visible()
    context.close()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing(tab, section, container, theme):
    tab.emulate_media(color_scheme=theme)
    container.answer = lambda h: say(h, PNG, "image/png")
    section.get_by_role("button", name="Send").click()
    expect(section.get_by_role("img", name="Picture")).to_be_visible()
    found = {"request": violations(tab)}
    section.get_by_role("radio", name="Python").check()
    found["python"] = violations(tab)
    assert found == {"request": [], "python": []}


def test_a_phone_needs_no_scrolling_sideways(tab, section, container):
    tab.set_viewport_size({"width": 320, "height": 800})
    container.answer = lambda h: say(h, b"x" * 3000)
    section.get_by_role("button", name="Send").click()
    expect(section.get_by_role("status")).to_contain_text("3 kB")
    wide = "document.documentElement.scrollWidth - innerWidth"
    assert tab.evaluate(wide) <= 0
    for language in ("curl", "OpenAI client"):
        section.get_by_role("radio", name=language).check()
        assert tab.evaluate(wide) <= 0
