"""The pages of tokens and share links in a browser, with and without scripts."""

from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from endpoints import keys, services, sharing
from endpoints.models import AccessKey, Scope
from tests.axe import violations
from tests.e2e.pages_server import endpoint, up

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.valkey,
    pytest.mark.django_db(transaction=True),
]


@pytest.fixture
def art(alice):
    made = endpoint(alice, "art", "ready")
    endpoint(alice, "chat-8b", "ready")
    return made


@pytest.fixture
def lived_in(alice, art):
    """Tokens and links of every kind."""
    now = timezone.now()
    keys.make_token(alice, "laptop")
    keys.make_token(
        alice,
        "ci",
        scope=Scope.CALL_SOME,
        endpoints=[art],
        expires_at=now + timedelta(days=88),
    )
    keys.make_token(
        alice, "old", scope=Scope.CALL_ALL, expires_at=now - timedelta(days=8)
    )
    AccessKey.objects.filter(name="laptop").update(last_used_at=now)
    sharing.share(art, alice, now + timedelta(hours=5), "grace")
    return sharing.share(art, alice, now + timedelta(days=30))[0]


def new_token(tab, url):
    tab.goto(f"{url}/tokens/")
    tab.get_by_role("button", name="New token").click()
    expect(tab.get_by_role("dialog", name="New token")).to_be_visible()


def create_link(tab, name):
    tab.get_by_role("textbox", name="For whom").fill(name)
    tab.get_by_role("button", name="Create link").click()
    return tab.locator("#share-address").inner_text()


@pytest.mark.parametrize("width", [1280, 390])
def test_axe_finds_nothing_and_nothing_sticks_out(tab, pages, lived_in, width):
    tab.set_viewport_size({"width": width, "height": 900})
    share, found = "/endpoints/art/share/", {}

    def look(screen):
        wide = tab.evaluate("document.documentElement.scrollWidth") > width
        found[screen] = [*violations(tab), *(["too wide"] if wide else [])]

    for theme in ("light", "dark"):
        tab.emulate_media(color_scheme=theme)
        paths = ("/tokens/", share, f"{share}{lived_in.pk}/revoke/", "/endpoints/art/")
        for path in paths:
            tab.goto(pages.url + path)
            look((theme, path))
        new_token(tab, pages.url)
        tab.get_by_label("Can use", exact=True).select_option("call-some")
        look((theme, "new token"))
        tab.goto(pages.url + share)
        create_link(tab, "bob")
        look((theme, "made"))
    assert {screen: faults for screen, faults in found.items() if faults} == {}


def test_endpoints_are_chosen_only_where_that_counts(tab, pages, art):
    new_token(tab, pages.url)
    choices = tab.get_by_role("group", name="Chosen endpoints")
    expect(choices).to_be_hidden()
    tab.get_by_label("Name", exact=True).fill("ci")
    tab.get_by_label("Can use", exact=True).select_option("Chosen endpoints")
    expect(choices).to_be_visible()
    tab.get_by_role("button", name="Create token").click()
    # The answer's dialog is open again, with what was typed and where to go on.
    expect(tab.get_by_text("Choose at least one endpoint.")).to_be_visible()
    expect(tab.get_by_label("Name", exact=True)).to_have_value("ci")
    expect(tab.get_by_label("art", exact=True)).to_be_focused()
    tab.get_by_label("chat-8b", exact=True).check()
    tab.get_by_role("button", name="Create token").click()
    expect(tab.locator("#tk-secret")).to_contain_text("alt_")
    tab.get_by_role("link", name="Done").click()
    row = tab.get_by_role("listitem").filter(has_text="ci")
    expect(row).to_contain_text("chat-8b")
    expect(row).to_contain_text("in 90 days")


def test_without_scripts_a_link_is_made_and_revoked(chromium, tab, pages, art):
    state = tab.context.storage_state()
    with chromium.new_context(java_script_enabled=False, storage_state=state) as plain:
        page = plain.new_page()
        page.goto(f"{pages.url}/endpoints/art/")
        page.get_by_role("link", name="Share").click()
        address = create_link(page, "grace")
        assert address.startswith(f"{art.url}/-/alight/share/")
        page.get_by_role("link", name="Revoke the link for grace").click()
        page.get_by_role("button", name="Revoke link").click()
        expect(page.get_by_text("Revoked the link for grace")).to_be_visible()
        expect(page.get_by_text("No link opens it now")).to_be_visible()


def test_the_endpoints_page_follows_who_gets_in(tab, pages, alice, art):
    tab.goto(f"{pages.url}/endpoints/art/")
    up(tab)
    access = tab.locator("#ep-access")
    expect(access).to_contain_text("Private.")
    ends = timezone.now() + timedelta(days=3)
    link, _ = sharing.share(art, alice, ends, "grace")
    expect(access).to_contain_text("grace")
    expect(access).to_contain_text("Expires in 3 days")
    sharing.unshare(link, "alice")
    expect(access).not_to_contain_text("grace")
    services.change(art, "alice", public=True)
    expect(access).to_contain_text("Public.")
