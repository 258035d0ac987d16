"""The endpoint's form in a browser: own container, settings, clone; with and without
JavaScript."""

import pytest
from playwright.sync_api import expect

from endpoints import services, volumes, worker
from endpoints.models import Endpoint, RegistryCredential, Secret, Volume
from endpoints.sealing import seal
from endpoints.tests.factories import (
    EndpointFactory,
    MediumTierFactory,
    TemplateFactory,
    TierFactory,
    secret_var,
    spec,
    volume,
)
from templates_app.spec import EnvVar
from tests.axe import violations

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.valkey,
    pytest.mark.django_db(transaction=True),
]
OWN = "/templates/own-container/"
EDIT = "/endpoints/art/edit/"
MOVES = "Replicas move over one at a time; the old ones serve until then."


class Registry(dict):
    """What the worker would find, by image. It runs elsewhere; here are its answers."""

    def image_facts(self, owner_id, image, registry=""):
        found = self.get(image) or worker.WorkerRefused("…", "ImageNotFound")
        if isinstance(found, Exception):
            raise found
        return found


@pytest.fixture
def registry(monkeypatch):
    known = Registry(
        {
            "lab/app:1": worker.ImageFacts(False, (7860,), ("/models",), 9_800_000_000),
            "lab/two:1": worker.ImageFacts(True, (80, 443), (), 470_000_000),
            "lab/shut:1": worker.WorkerRefused("…", "RegistryRefused"),
        }
    )
    monkeypatch.setattr(worker, "image_facts", known.image_facts)
    return known


@pytest.fixture
def rows(alice):
    """What Alice has: an endpoint, a volume, secrets, a sign-in, a template."""
    TierFactory()
    MediumTierFactory()
    Secret.objects.create(owner=alice, key="HF_TOKEN", sealed=seal("hush"))
    Secret.objects.create(owner=alice, key="OPENAI_KEY", sealed=seal("hush"))
    RegistryCredential.objects.create(
        owner=alice, key="lab", registry="lab.example", username="ada", sealed=seal("x")
    )
    run = spec(
        args=("--name", "my model"),
        env=(EnvVar("MODE", "fast"), secret_var("TOKEN", "hush")),
        volume=volume("checkpoints"),
    )
    EndpointFactory(
        name="art", owner=alice, tier=MediumTierFactory(), spec=run.to_json()
    )
    Volume.objects.update(size_bytes=12_000_000_000)
    needs = EnvVar("HF_TOKEN", "", secret=True, needed=True, note="Of your profile.")
    TemplateFactory(slug="needy", spec=spec(env=(needs,)).to_json())


@pytest.fixture
def tab(registry, rows, tab):
    """Signed in as Alice, who has `rows`; the worker is `registry`."""
    return tab


def show_own(tab, url):
    tab.goto(f"{url}{OWN}")
    tab.get_by_label("Container image", exact=True).fill("lab/two:1")
    tab.get_by_role("switch", name="Keep files on a volume").check()
    tab.get_by_role("button", name="Advanced").click()
    expect(tab.get_by_role("button", name="Use 443")).to_be_visible()


def show_doubt(tab, url):
    tab.goto(f"{url}{OWN}")
    tab.get_by_label("Container image", exact=True).fill("lab/none:1")
    tab.get_by_label("Maximum", exact=True).fill("0")
    tab.get_by_role("button", name="Create endpoint").click()
    expect(tab.locator("#scale-error")).to_be_visible()
    expect(tab.locator("#image-help")).to_contain_text("Not found")


def show_edit(tab, url):
    tab.goto(f"{url}{EDIT}")
    tab.get_by_label("Port", exact=True).fill("9000")
    expect(tab.locator("#s-effect")).to_contain_text("Makes revision 2.")
    tab.get_by_role("button", name="Advanced").click()


def show_quarrel(tab, url):
    tab.goto(f"{url}{EDIT}")
    tab.get_by_label("Port", exact=True).fill("9000")
    art = Endpoint.objects.get(name="art")
    services.change(art, "grace", public=not art.public)
    tab.get_by_role("button", name="Save").click()
    expect(tab.locator("#meanwhile")).to_be_visible()


def show_needy(tab, url):
    tab.goto(f"{url}/templates/needy/clone/")
    tab.get_by_role("button", name="Clone").click()
    expect(tab.locator("#env-0-error")).to_be_visible()


def show_like(tab, url):
    tab.goto(f"{url}/endpoints/art/clone/")


SCREENS = {
    "own": show_own,
    "own, in doubt": show_doubt,
    "settings": show_edit,
    "settings, changed meanwhile": show_quarrel,
    "clone of an endpoint": show_like,
    "template that needs a value": show_needy,
}


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing(tab, pages, theme):
    tab.emulate_media(color_scheme=theme)
    found = {}
    for name, show in SCREENS.items():
        show(tab, pages.url)
        # What the bar covers half would count as too small to press.
        tab.evaluate("scrollTo(0, 0)")
        found[name] = violations(tab)
    assert {name: lines for name, lines in found.items() if lines} == {}


@pytest.mark.parametrize("width", [320, 768])
def test_no_page_scrolls_sideways(tab, pages, width):
    tab.set_viewport_size({"width": width, "height": 800})
    wide = {}
    for name, show in SCREENS.items():
        show(tab, pages.url)
        wide[name] = tab.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert {name: over for name, over in wide.items() if over > 0} == {}


def test_an_image_tells_its_port_and_its_files(tab, pages):
    tab.goto(f"{pages.url}{OWN}")
    port = tab.get_by_label("Port", exact=True)
    expect(port).to_have_value("8080")
    tab.get_by_label("Container image", exact=True).fill("lab/app:1")
    expect(tab.locator("#image-help")).to_have_text("Found, 9.8 GB to pull.")
    expect(port).to_have_value("7860")
    expect(tab.locator("#port-help")).to_have_text("Filled in: the image exposes 7860.")
    offer = tab.locator("#volume-offer")
    expect(offer).to_contain_text("The image keeps files in /models.")
    offer.get_by_role("button", name="Keep them").click()
    expect(tab.get_by_role("switch", name="Keep files on a volume")).to_be_checked()
    expect(tab.get_by_label("Mount path", exact=True)).to_have_value("/models")
    expect(offer).to_be_hidden()


def test_a_port_that_was_typed_is_only_offered_another(tab, pages):
    tab.goto(f"{pages.url}{OWN}")
    port = tab.get_by_label("Port", exact=True)
    port.fill("3000")
    tab.get_by_label("Container image", exact=True).fill("lab/app:1")
    button = tab.get_by_role("button", name="Use 7860")
    expect(button).to_be_visible()
    expect(port).to_have_value("3000")
    button.click()
    expect(port).to_have_value("7860")
    expect(button).to_be_hidden()


def test_an_image_in_doubt_can_be_asked_for_all_the_same(tab, pages, registry):
    tab.goto(f"{pages.url}{OWN}")
    image, help_line = (
        tab.get_by_label("Container image", exact=True),
        tab.locator("#image-help"),
    )
    tab.get_by_label("Endpoint name", exact=True).fill("mine")
    image.fill("lab/shut:1")
    expect(help_line).to_contain_text("The registry wants a sign-in")
    registry["lab/shut:1"] = worker.ImageFacts(False, (), (), 1_000_000)
    tab.get_by_label("Registry sign-in", exact=True).select_option("lab")
    expect(help_line).to_have_text("Found, 1 MB to pull.")
    image.fill("lab/none:1")
    expect(help_line).to_contain_text("Not found")
    tab.get_by_role("button", name="Create endpoint").click()
    tab.wait_for_url("**/endpoints/mine/")
    run = Endpoint.objects.get(name="mine").container
    assert (run.image, run.registry, run.port) == ("lab/none:1", "lab", 8080)


def test_what_a_volume_holds_is_said_while_it_is_chosen(tab, pages):
    tab.goto(f"{pages.url}{OWN}")
    tab.get_by_role("switch", name="Keep files on a volume").check()
    said = tab.locator("#volume-help")
    expect(said).to_have_text("New volume.")
    tab.get_by_label("Volume", exact=True).fill("checkpoints")
    expect(said).to_have_text(
        "Already there, 12 GB, used by art. Its files appear in this endpoint."
    )
    expect(tab.locator("#s-vol")).to_have_text("checkpoints at /data")


def test_what_saving_does_is_said_while_typing(tab, pages):
    tab.goto(f"{pages.url}{EDIT}")
    said = tab.locator("#s-effect")
    expect(said).to_have_text("Nothing is changed yet.")
    tab.get_by_role("switch", name="Enable public access").check()
    expect(said).to_have_text("Restarts nothing.")
    tab.get_by_label("HF_TOKEN").check()
    expect(said).to_have_text(f"Makes revision 2. {MOVES}")
    tab.get_by_label("HF_TOKEN").uncheck()
    expect(said).to_have_text("Restarts nothing.")
    tab.get_by_role("button", name="Remove variable").first.click()
    expect(said).to_have_text(f"Makes revision 2. {MOVES}")
    tab.get_by_role("button", name="Save").click()
    tab.wait_for_url("**/endpoints/art/")
    expect(tab.locator("#toasts").get_by_text("Saved as revision 2")).to_be_visible()
    art = Endpoint.objects.get(name="art")
    assert [variable.name for variable in art.container.env] == ["TOKEN"]
    assert art.public


def test_two_people_at_once_lose_nothing(tab, pages):
    show_quarrel(tab, pages.url)
    told = tab.locator("#meanwhile")
    expect(told).to_contain_text("grace changed this endpoint while you were editing.")
    expect(told).to_be_focused()
    expect(tab.get_by_role("switch", name="Enable public access")).to_be_checked()
    expect(tab.get_by_label("Port", exact=True)).to_have_value("9000")
    tab.get_by_role("button", name="Save").click()
    tab.wait_for_url("**/endpoints/art/")
    art = Endpoint.objects.get(name="art")
    assert (art.public, art.container.port) == (True, 9000)


def test_a_needed_value_may_come_from_the_accounts_secrets(tab, pages):
    show_needy(tab, pages.url)
    said = tab.locator("#env-0-error")
    expect(said).to_have_text("Fill in HF_TOKEN. This template needs it.")
    tab.get_by_label("HF_TOKEN", exact=True).check()
    expect(said).to_be_hidden()


def test_what_is_added_in_another_tab_can_be_chosen_here(tab, pages, alice):
    tab.goto(f"{pages.url}{OWN}")
    tab.get_by_label("Container image", exact=True).fill("lab/app:1")
    with tab.expect_popup() as opened:
        tab.get_by_role("link", name="Add a sign-in").click()
    expect(opened.value).to_have_url(f"{pages.url}/secrets/registries/new/")
    Secret.objects.create(owner=alice, key="NEW_KEY", sealed=seal("hush"))
    RegistryCredential.objects.create(
        owner=alice, key="ghcr", registry="ghcr.io", username="ada", sealed=seal("x")
    )
    opened.value.close()
    # Playwright keeps every tab focused, so a return has to be said.
    tab.evaluate("dispatchEvent(new Event('focus'))")
    tab.get_by_label("NEW_KEY", exact=True).check()
    tab.get_by_label("Registry sign-in", exact=True).select_option("ghcr")
    expect(tab.get_by_label("Container image", exact=True)).to_have_value("lab/app:1")


@pytest.fixture
def plain(chromium, tab):
    """The same person without JavaScript."""
    state = tab.context.storage_state()
    with chromium.new_context(java_script_enabled=False, storage_state=state) as other:
        yield other.new_page()


def test_settings_are_changed_without_javascript(plain, pages):
    plain.goto(f"{pages.url}{EDIT}")
    expect(plain.locator("#s-effect")).to_have_text("Nothing is changed yet.")
    plain.locator("#port").fill("0")
    plain.get_by_role("button", name="Save").click()
    expect(plain.locator("#port-error")).to_have_text("Enter a port from 1 to 65535.")
    plain.locator("#port").fill("9000")
    services.change(Endpoint.objects.get(name="art"), "grace", public=True)
    plain.get_by_role("button", name="Save").click()
    expect(plain.locator("#meanwhile")).to_contain_text("grace changed this endpoint")
    expect(plain.locator("#s-effect")).to_have_text(f"Makes revision 2. {MOVES}")
    plain.get_by_role("button", name="Save").click()
    plain.wait_for_url("**/endpoints/art/")
    assert Endpoint.objects.get(name="art").container.port == 9000


def test_ones_own_container_is_made_without_javascript(plain, pages):
    plain.goto(f"{pages.url}{OWN}")
    plain.locator("#name").fill("mine")
    plain.locator("#image").fill("lab/app:1")
    plain.locator("#args").fill("--name 'my model'")
    plain.locator("#volume").check()
    plain.get_by_label("OPENAI_KEY").check()
    plain.get_by_role("button", name="Create endpoint").click()
    plain.wait_for_url("**/endpoints/mine/")
    mine = Endpoint.objects.get(name="mine")
    assert mine.container.args == ("--name", "my model")
    assert mine.container.secrets == ("OPENAI_KEY",)
    assert volumes.users_by_name(mine.owner_id)["files"] == ["mine"]
