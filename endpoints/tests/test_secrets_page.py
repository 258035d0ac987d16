"""The Secrets page, without a script: add, replace, delete; nothing is shown again."""

import html
import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from endpoints import worker
from endpoints.models import Endpoint, RegistryCredential, Secret
from endpoints.sealing import seal, unseal
from endpoints.tests.factories import EndpointFactory, spec

pytestmark = pytest.mark.django_db
CANARY = "canary-3c1d-never-shown"
PAGE = "/secrets/"
NEW = "/secrets/new/"
NEW_SIGN_IN = "/secrets/registries/new/"
SIGN_IN = {
    "key": "github",
    "registry": "ghcr.io",
    "username": "ada",
    "password": CANARY,
}


@pytest.fixture
def page(client, alice):
    client.force_login(alice)
    return client


@pytest.fixture
def registry(monkeypatch):
    """Says yes; `fails` is what it says instead."""

    class Registry:
        fails = None
        asked = ()

        def check(self, *asked):
            self.asked = (*self.asked, asked)
            if self.fails:
                raise self.fails

    found = Registry()
    monkeypatch.setattr(worker, "check_sign_in", found.check)
    return found


def secret(owner, key="HF_TOKEN", value=CANARY):
    return Secret.objects.create(owner=owner, key=key, sealed=seal(value))


def sign_in(owner, key="github"):
    return RegistryCredential.objects.create(
        owner=owner, key=key, registry="ghcr.io", username="ada", sealed=seal(CANARY)
    )


def text(answer):
    return html.unescape(answer.content.decode())


def test_an_empty_page_says_what_to_do(page):
    shown = text(page.get(PAGE))
    assert "No secrets yet" in shown
    assert "No registry sign-ins yet" in shown
    assert f'href="{NEW}"' in shown
    assert f'href="{NEW_SIGN_IN}"' in shown


# --- Secrets -----------------------------------------------------------------
def test_a_secret_is_added_and_not_shown(page):
    answer = page.post(NEW, {"key": "HF_TOKEN", "value": CANARY}, follow=True)
    assert "Added HF_TOKEN" in text(answer)
    assert CANARY not in text(answer)
    row = Secret.objects.get()
    assert unseal(row.sealed) == CANARY
    assert CANARY not in text(page.get(f"/secrets/{row.pk}/"))


def test_lines_are_kept_as_they_were_typed(page):
    page.post(NEW, {"key": "PEM", "value": " a\r\nb\r\n"})
    assert unseal(Secret.objects.get().sealed) == " a\nb\n"


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [
        ("", "x", 'Give the secret a name, such as "HF_TOKEN".'),
        ("1A", "x", "Use letters, digits and underscores"),
        ("A" * 101, "x", "Keep it to 100 characters. This is 101."),
        ("A", "", "Enter the value."),
        ("A", "x" * 32_769, "Keep it to 32,768 characters."),
    ],
)
def test_an_error_is_said_at_its_field(page, key, value, sentence):
    answer = page.post(NEW, {"key": key, "value": value})
    assert sentence in text(answer)
    assert f'value="{key}"' in text(answer)
    assert not Secret.objects.exists()


def test_a_typed_value_outlives_an_error_without_being_shown(page):
    answer = page.post(NEW, {"key": "1A", "value": CANARY})
    assert CANARY not in text(answer)
    kept = re.search(r'name="kept" value="([^"]+)"', text(answer))[1]
    # And a second one.
    answer = page.post(NEW, {"key": "2A", "value": "", "kept": kept})
    kept = re.search(r'name="kept" value="([^"]+)"', text(answer))[1]
    page.post(NEW, {"key": "A", "value": "", "kept": kept})
    assert unseal(Secret.objects.get().sealed) == CANARY


def test_a_kept_value_that_was_not_sealed_here_is_asked_for_again(page):
    answer = page.post(NEW, {"key": "A", "value": "", "kept": "not ours"})
    assert "Type this value again." in text(answer)


def test_a_name_is_taken_once(page, alice):
    secret(alice, value="first")
    answer = page.post(NEW, {"key": "HF_TOKEN", "value": CANARY})
    assert "You have a secret HF_TOKEN." in text(answer)
    assert unseal(Secret.objects.get().sealed) == "first"


def test_a_replaced_value_names_who_waits_for_it(page, alice):
    row = secret(alice, value="first")
    uses = spec(secrets=("HF_TOKEN",)).to_json()
    EndpointFactory(owner=alice, name="art", spec=uses)
    EndpointFactory(owner=alice, name="chat", spec=uses, paused=True)
    assert "They get the new value at the next start." in text(
        page.get(f"/secrets/{row.pk}/")
    )
    answer = page.post(f"/secrets/{row.pk}/", {"value": CANARY}, follow=True)
    shown = text(answer)
    assert answer.redirect_chain == [(f"{PAGE}?changed=HF_TOKEN", 302)]
    assert "HF_TOKEN</span> has a new value." in shown
    assert 'action="/endpoints/art/restart/"' in shown
    # Nothing of it runs.
    assert 'action="/endpoints/chat/restart/"' not in shown
    assert f'name="next" value="{PAGE}?changed=HF_TOKEN"' in shown
    row.refresh_from_db()
    assert unseal(row.sealed) == CANARY
    # Whoever restarts one comes back to restart the others.
    back = page.post("/endpoints/art/restart/", {"next": f"{PAGE}?changed=HF_TOKEN"})
    assert back.url == f"{PAGE}?changed=HF_TOKEN"


@pytest.mark.parametrize("asked", ["NOBODYS", "", "<b>", "UNUSED"])
def test_nothing_is_said_of_other_names(page, alice, asked):
    secret(alice, "UNUSED")
    assert "has a new value" not in text(page.get(PAGE, {"changed": asked}))


def test_what_is_used_is_not_deleted(page, alice):
    row = secret(alice)
    endpoint = EndpointFactory(
        owner=alice, name="art", spec=spec(secrets=("HF_TOKEN",)).to_json()
    )
    assert re.search("Used by <a[^>]*>art</a>", text(page.get(PAGE)))
    there = f"/secrets/{row.pk}/delete/"
    asked = text(page.get(there))
    assert "HF_TOKEN</span> is in use" in asked
    assert "Delete secret" not in asked
    answer = page.post(there)
    assert answer.status_code == 409
    assert "art" in text(answer)
    endpoint.delete()
    assert "Delete secret" in text(page.get(there))
    assert "Deleted HF_TOKEN" in text(page.post(there, follow=True))
    assert not Secret.objects.exists()


# --- Registry sign-ins -------------------------------------------------------
def test_a_sign_in_is_tried_then_added(page, registry):
    answer = page.post(NEW_SIGN_IN, SIGN_IN, follow=True)
    shown = text(answer)
    assert registry.asked == (("ghcr.io", "ada", CANARY),)
    assert "Added github. The registry accepts it." in shown
    assert "ada at ghcr.io" in shown
    assert CANARY not in shown
    assert RegistryCredential.objects.get().checked_at is not None


def test_docker_hub_is_what_is_empty(page, registry):
    page.post(NEW_SIGN_IN, {**SIGN_IN, "registry": ""})
    assert registry.asked[0][0] == RegistryCredential.objects.get().registry
    assert "ada at Docker Hub" in text(page.get(PAGE))


def test_without_the_worker_it_is_added_and_says_so(page, registry):
    registry.fails = worker.WorkerAway("The worker does not answer. See “make status”.")
    shown = text(page.post(NEW_SIGN_IN, SIGN_IN, follow=True))
    assert "Added github. Not checked yet: The worker does not answer." in shown
    row = RegistryCredential.objects.get()
    assert row.checked_at is None
    # Saving it as it is tries it again, with the password that is kept.
    registry.fails = None
    there = f"/secrets/registries/{row.pk}/"
    assert f'href="{there}">Not checked yet' in shown
    page.post(there, {"registry": "ghcr.io", "username": "ada", "password": ""})
    assert registry.asked[-1] == ("ghcr.io", "ada", CANARY)
    row.refresh_from_db()
    assert row.checked_at is not None


@pytest.mark.parametrize(
    ("reason", "field"),
    [("RegistryRefused", "password"), ("RegistryUnreachable", "registry")],
)
def test_a_refusal_is_said_at_its_field_and_loses_nothing(
    page, registry, reason, field
):
    registry.fails = worker.WorkerRefused("ghcr.io does not accept it.", reason)
    shown = text(page.post(NEW_SIGN_IN, SIGN_IN))
    error = re.search(rf'id="{field}-error"(?! hidden).*?</div>', shown, re.DOTALL)[0]
    assert "ghcr.io does not accept it." in error
    for typed in ("github", "ghcr.io", "ada"):
        assert f'value="{typed}"' in shown
    assert CANARY not in shown
    assert not RegistryCredential.objects.exists()


@pytest.mark.parametrize(
    ("field", "typed", "sentence"),
    [
        ("key", "", 'Give the sign-in a name, such as "github".'),
        ("key", "Git Hub", "Use up to 40 lowercase letters"),
        ("registry", "ghcr.io/me", "Write the host alone"),
        ("username", "", "Enter the user name at that registry."),
        ("password", "", "Enter the password or token."),
    ],
)
def test_nothing_is_tried_that_cannot_be(page, registry, field, typed, sentence):
    shown = text(page.post(NEW_SIGN_IN, {**SIGN_IN, field: typed}))
    assert sentence in shown
    assert registry.asked == ()


def test_a_kept_password_goes_nowhere_else(page, alice, registry):
    row = sign_in(alice)
    there = f"/secrets/registries/{row.pk}/"
    for change in ({"registry": "evil.example"}, {"username": "eve"}):
        body = {"registry": "ghcr.io", "username": "ada", "password": "", **change}
        assert "Type the password as well" in text(page.post(there, body))
    assert registry.asked == ()
    body = {"registry": "lab.example:5000", "username": "bo", "password": "new"}
    assert "Changed github" in text(page.post(there, body, follow=True))
    row.refresh_from_db()
    assert (row.key, row.registry, row.username) == ("github", "lab.example:5000", "bo")
    assert unseal(row.sealed) == "new"


def test_a_sign_in_in_use_is_not_deleted(page, alice):
    row = sign_in(alice)
    EndpointFactory(owner=alice, name="art", spec=spec(registry="github").to_json())
    there = f"/secrets/registries/{row.pk}/delete/"
    assert "used by" in text(page.get(PAGE))
    assert page.post(there).status_code == 409
    Endpoint.objects.all().delete()
    assert "Delete sign-in" in text(page.get(there))
    page.post(there)
    assert not RegistryCredential.objects.exists()


# --- Who ---------------------------------------------------------------------
@pytest.mark.parametrize("superuser", [False, True])
@pytest.mark.parametrize("method", ["get", "post"])
@pytest.mark.parametrize(
    "path", ["{s}/", "{s}/delete/", "registries/{r}/", "registries/{r}/delete/"]
)
def test_others_are_not_there(page, people, superuser, method, path):
    bob = people("bob", is_superuser=superuser)
    ids = {"s": secret(bob, "BOBS").pk, "r": sign_in(bob).pk}
    page.force_login(people("eve", is_superuser=superuser))
    answer = getattr(page, method)(f"/secrets/{path.format(**ids)}")
    assert answer.status_code == 404
    assert Secret.objects.count() == RegistryCredential.objects.count() == 1
    assert "BOBS" not in text(page.get(PAGE))


def test_a_stranger_signs_in_first(client):
    for path in (PAGE, NEW, NEW_SIGN_IN):
        assert client.get(path).url.startswith("/sign-in/")


def test_it_is_not_kept_by_the_browser(page):
    assert "no-store" in page.get(PAGE).headers["Cache-Control"]


def test_the_page_takes_a_fixed_number_of_queries(page, alice):
    def queries():
        with CaptureQueriesContext(connection) as seen:
            page.get(PAGE)
        return len(seen)

    def more(n):
        secret(alice, f"S{n}")
        sign_in(alice, f"r{n}")
        uses = spec(secrets=(f"S{n}",), registry=f"r{n}").to_json()
        EndpointFactory(owner=alice, spec=uses)

    more(0)
    first = queries()
    for n in range(1, 6):
        more(n)
    assert queries() == first


def test_the_navigation_leads_there(page):
    shown = text(page.get(PAGE))
    assert re.search(rf'<a href="{PAGE}" aria-current="page">', shown)
    assert re.search(r'<a href="/volumes/"', shown)
