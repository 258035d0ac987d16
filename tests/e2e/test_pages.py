"""Sign-in, Templates, Clone, Tokens and errors in a browser: what is seen and said."""

import re

import pytest
from playwright.sync_api import expect

from tests.axe import violations
from tests.browser import sign_in

pytestmark = pytest.mark.e2e
CLONE = "/templates/text-to-image/clone/"


def open_clone_with_errors(page, url):
    page.goto(f"{url}{CLONE}")
    page.get_by_label("Endpoint name", exact=True).fill("Whisper Large")
    page.get_by_label("Minimum", exact=True).fill("3")
    page.get_by_role("button", name="Clone").click()
    expect(page.locator("#form-error")).to_have_text("2 fields need a change.")


def open_clone_unfolded(page, url):
    page.goto(f"{url}{CLONE}")
    page.get_by_role("switch", name="Keep files on a volume").check()
    page.get_by_role("button", name="Advanced").click()
    page.get_by_role("button", name="Add variable").click()
    expect(page.get_by_label("Port", exact=True)).to_be_visible()


def open_new_token(page, url):
    page.goto(f"{url}/tokens/")
    page.get_by_role("button", name="New token").click()
    expect(page.get_by_role("dialog")).to_be_visible()


def open_account(page, url):
    page.goto(f"{url}/templates/")
    page.get_by_role("button", name="Account: admin").click()
    expect(page.get_by_role("menuitem", name="Sign out")).to_be_visible()


def open_gpus(page, url):
    page.goto(f"{url}/templates/")
    page.locator(".gpus").click()
    expect(page.get_by_role("heading", name="Hardware")).to_be_visible()


def open_path(path):
    return lambda page, url: page.goto(f"{url}{path}")


SCREENS = {
    "templates": open_path("/templates/"),
    "no template": open_path("/templates/?q=quantum"),
    "clone": open_path(CLONE),
    "clone with errors": open_clone_with_errors,
    "clone unfolded": open_clone_unfolded,
    "own container": open_path("/templates/own-container/"),
    "tokens": open_path("/tokens/"),
    "new token": open_new_token,
    "no volumes": open_path("/volumes/"),
    "account": open_account,
    "hardware": open_gpus,
    "nothing there": open_path("/nothing/"),
}


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing(context, console, theme):
    page = context.new_page()
    page.emulate_media(color_scheme=theme)
    page.goto(f"{console.url}/sign-in/")
    found = {"sign-in": violations(page)}
    page.get_by_label("User name").fill("admin")
    page.get_by_label("Password", exact=True).fill("wrong")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_be_visible()
    found["refused"] = violations(page)
    sign_in(page, console)
    for name, show in SCREENS.items():
        show(page, console.url)
        found[name] = violations(page)
    assert {name: lines for name, lines in found.items() if lines} == {}


@pytest.mark.parametrize("width", [320, 390, 768, 1024])
def test_no_page_scrolls_sideways(page, console, width):
    page.set_viewport_size({"width": width, "height": 800})
    for show in SCREENS.values():
        show(page, console.url)
        wide = page.evaluate("document.documentElement.scrollWidth")
        assert wide <= width, page.url


def test_pages_keep_to_the_policy(page, console):
    """No inline script or style, nothing from elsewhere: the browser reports it."""
    reports = []
    page.on(
        "console",
        lambda m: reports.append(m.text) if "Content Security" in m.text else None,
    )
    elsewhere = []
    page.on(
        "request",
        lambda r: None if r.url.startswith(console.url) else elsewhere.append(r.url),
    )
    for show in SCREENS.values():
        answer = show(page, console.url)
        if answer is not None:
            assert "default-src 'self'" in answer.headers["content-security-policy"]
    assert reports == []
    assert [url for url in elsewhere if not url.startswith("data:")] == []


def test_searching_narrows_while_typing(page, console):
    page.goto(f"{console.url}/templates/")
    page.keyboard.press("/")
    page.keyboard.type("whisper")
    expect(page.locator("#count")).to_have_text("1 template")
    expect(page).to_have_url(re.compile(r"\?q=whisper$"))
    page.get_by_role("searchbox").fill("quantum")
    expect(page.get_by_role("heading", name="No template matches")).to_be_visible()
    page.get_by_role("link", name="Clear filters").click()
    page.get_by_role("button", name=re.compile("^Tools")).click()
    expect(page.get_by_role("link", name="Notebook (JupyterLab)").first).to_be_visible()
    expect(page.locator("#count")).to_have_text("1 template")


def test_clone_stays_in_the_tab_order_and_shows_on_touch(chromium, page, console):
    page.goto(f"{console.url}/templates/")
    button = page.get_by_role("link", name="Clone Text to Image (Emoji Diffusion)")
    button.focus()
    expect(page.locator(".t-act").filter(has=button)).to_have_css("opacity", "1")
    state = page.context.storage_state()
    with chromium.new_context(has_touch=True, storage_state=state) as touch:
        other = touch.new_page()
        other.goto(f"{console.url}/templates/")
        for place in other.locator("#rows .t-act").all():
            expect(place).to_have_css("opacity", "1")


def test_mistakes_are_said_while_typing_and_focus_goes_to_the_first(page, console):
    page.goto(f"{console.url}{CLONE}")
    name = page.get_by_label("Endpoint name", exact=True)
    name.fill("Whisper")
    expect(page.locator("#name-error")).to_have_text(
        'Use lowercase letters: "whisper".'
    )
    name.fill("whisper")
    expect(page.locator("#name-error")).to_be_hidden()
    page.get_by_role("button", name="Advanced").click()
    page.get_by_label("Port", exact=True).fill("0")
    page.get_by_role("button", name="Advanced").click()
    page.get_by_role("button", name="Clone").click()
    expect(page.locator("#port-error")).to_be_visible()
    expect(page.get_by_label("Port", exact=True)).to_be_focused()
    expect(page.locator("#form-error")).to_have_text("One field needs a change.")


def test_the_summary_follows_the_form(page, console):
    page.goto(f"{console.url}{CLONE}")
    page.get_by_label("Endpoint name", exact=True).fill("pictures")
    expect(page.locator("#s-url")).to_have_text(f"pictures.localhost:{console.port}")
    page.get_by_label("Maximum", exact=True).fill("3")
    expect(page.locator("#s-rep")).to_have_text("1 to 3")
    expect(page.locator("#scale-sentence")).to_contain_text("Warm, with room to grow.")
    expect(page.locator("#scale-preview .bubble")).to_have_count(3)
    page.get_by_role("switch", name="Enable public access").uncheck()
    expect(page.locator("#s-acc")).to_have_text("Private")
    page.get_by_role("radio", name=re.compile("^Medium")).check()
    expect(page.locator("#s-hw")).to_have_text("Medium, A10")


def test_a_tip_opens_by_pointer_and_keyboard_and_escape_closes_it(page, console):
    page.goto(f"{console.url}{CLONE}")
    tip = page.locator("#tip-name")
    page.get_by_role("button", name="Help: Endpoint name").hover()
    expect(tip).to_be_visible()
    tip.hover()
    expect(tip).to_be_visible()
    page.keyboard.press("Escape")
    expect(tip).to_be_hidden()
    page.get_by_label("Endpoint name", exact=True).focus()
    page.keyboard.press("Shift+Tab")
    expect(tip).to_be_visible()


def test_without_scripts_a_token_is_made_and_revoked(chromium, page, console):
    state = page.context.storage_state()
    with chromium.new_context(java_script_enabled=False, storage_state=state) as plain:
        tab = plain.new_page()
        tab.goto(f"{console.url}/tokens/", wait_until="networkidle")
        tab.get_by_label("Name", exact=True).fill("plain")
        tab.get_by_role("button", name="Create token").click()
        secret = tab.locator("#tk-secret").inner_text()
        assert secret.startswith("alt_")
        tab.get_by_role("link", name="Done").click()
        tab.get_by_role("link", name="Revoke plain").click()
        tab.get_by_role("button", name="Revoke token").click()
        expect(tab.get_by_text("Revoked plain")).to_be_visible()


def test_a_token_is_revoked_after_a_question(page, console):
    open_new_token(page, console.url)
    page.get_by_label("Name", exact=True).fill("ci")
    page.get_by_role("button", name="Create token").click()
    expect(page.locator("#tk-secret")).to_contain_text("alt_")
    page.get_by_role("link", name="Done").click()
    page.get_by_role("link", name="Revoke ci").click()
    dialog = page.get_by_role("dialog", name="Revoke ci?")
    dialog.get_by_role("button", name="Keep it").click()
    expect(dialog).to_be_hidden()
    page.get_by_role("link", name="Revoke ci").click()
    dialog.get_by_role("button", name="Revoke token").click()
    expect(page.get_by_text("Revoked ci").first).to_be_visible()
    expect(page.get_by_role("link", name="Revoke ci")).to_have_count(0)


def test_the_theme_is_kept_and_sign_out_ends_the_session(page, console):
    open_account(page, console.url)
    page.get_by_role("menuitemradio", name="Dark").click()
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    page.get_by_role("button", name="Account: admin").click()
    page.get_by_role("menuitem", name="Sign out").click()
    page.wait_for_url("**/sign-in/")
    page.goto(f"{console.url}/tokens/")
    expect(page).to_have_url(re.compile(r"/sign-in/\?next=/tokens/$"))
