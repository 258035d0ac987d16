"""A container of one's own: every field, the check of its image, files and secrets."""

from __future__ import annotations

import re

import pytest

from endpoints import volumes, worker
from endpoints.models import Endpoint, RegistryCredential, Secret, Volume
from endpoints.sealing import seal, unseal
from endpoints.tests.factories import (
    EndpointFactory,
    MediumTierFactory,
    TemplateFactory,
    TierFactory,
    UserFactory,
    spec,
    volume,
)
from templates_app.spec import EnvVar

pytestmark = pytest.mark.django_db
PAGE = "/templates/own-container/"
CHECK = "/images/check/"


@pytest.fixture(autouse=True)
def tiers():
    TierFactory()
    MediumTierFactory()
    MediumTierFactory(slug="large-40", name="Large", gpu_model="A100", position=3)


@pytest.fixture
def alice(client):
    person = UserFactory(username="alice")
    client.force_login(person)
    return person


def typed(**changes):
    """The form as the page has it, with a name and an image."""
    return {
        "name": "mine",
        "image": "lab/app:1.0",
        "registry": "",
        "tier": "cpu",
        "min_replicas": "1",
        "max_replicas": "1",
        "volume_name": "files",
        "mount": "/data",
        "command": "",
        "args": "",
        "port": "8080",
        "health_path": "",
        "idle": "10",
        "startup": "10",
        "hold": "5",
        "concurrency": "16",
        **changes,
    }


def problems(client, **changes):
    answer = client.post(PAGE, typed(**changes), headers={"X-Check": "1"})
    return answer.json()["problems"]


def made(client, **changes):
    answer = client.post(PAGE, typed(**changes))
    assert answer.status_code == 302, answer.context["form"].problems
    return Endpoint.objects.latest("pk")


def test_the_form_starts_on_port_8080_and_private(client, alice):
    page = client.get(PAGE).content.decode()
    assert re.search(r'id="port"[^>]*value="8080"', page)
    assert not re.search(r'id="public"[^>]*checked', page)
    assert not re.search(r'id="image"[^>]*readonly', page)


def test_the_way_out_of_the_faq(client, alice):
    """Large tier, the template's image, port 3000, no health check."""
    image = "siutin/stable-diffusion-webui-docker:cuda-v1.10.1-2024-07-30"
    endpoint = made(client, tier="large-40", image=image, port="3000", health_path="")
    assert (endpoint.tier.name, endpoint.tier.gpu_model) == ("Large", "A100")
    run = endpoint.container
    assert (run.image, run.port, run.health_path) == (image, 3000, "")
    assert (run.command, run.args, run.build) == ((), (), "")
    assert endpoint.template is None


# --- Command and arguments -----------------------------------------------------
def test_words_are_split_as_in_a_shell(client, alice):
    endpoint = made(
        client,
        command="python3  -m",
        args='serve --name "my model" --say \'$HOME "x"\' a\\ b "" \r\n--last',
    )
    assert endpoint.container.command == ("python3", "-m")
    assert endpoint.container.args == (
        *("serve", "--name", "my model", "--say", '$HOME "x"', "a b", "", "--last"),
    )


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('--name "my model', "A quote is opened and not closed. Close it, or put \\"),
        ("--name x\\", "The last backslash stands before nothing."),
        ("a " * 201, "Keep it to 200 words."),
    ],
)
def test_a_line_that_cannot_be_split_says_why(client, alice, text, sentence):
    assert problems(client, args=text)["args"].startswith(sentence)
    page = client.post(PAGE, typed(args=text))
    assert page.context["form"]["args"].value() == text


# --- Registry sign-in ----------------------------------------------------------
def sign_in(owner, key="lab"):
    return RegistryCredential.objects.create(
        owner=owner, key=key, registry="lab.example", username="ada", sealed=seal("x")
    )


def test_a_sign_in_is_one_of_ones_own(client, alice):
    sign_in(alice)
    sign_in(UserFactory(username="bob"), "bobs")
    page = client.get(PAGE).content.decode()
    assert "lab: ada at lab.example" in page
    assert "bobs" not in page
    assert made(client, registry="lab").container.registry == "lab"
    assert problems(client, name="other", registry="bobs") == {
        "registry": 'There is no sign-in "bobs" on this account. Choose another.'
    }


# --- Secrets -------------------------------------------------------------------
def secret(owner, key="HF_TOKEN"):
    return Secret.objects.create(owner=owner, key=key, sealed=seal("hf_hush"))


def test_secrets_of_the_account_are_chosen(client, alice):
    secret(alice)
    secret(alice, "OPENAI_KEY")
    secret(UserFactory(username="bob"), "BOBS_TOKEN")
    page = client.get(PAGE).content.decode()
    assert 'value="OPENAI_KEY"' in page
    assert "BOBS_TOKEN" not in page
    assert "hf_hush" not in page
    endpoint = made(client, secrets=["HF_TOKEN"])
    assert endpoint.container.secrets == ("HF_TOKEN",)
    assert endpoint.container.env == ()


def test_a_secret_that_the_account_does_not_have_is_refused(client, alice):
    secret(UserFactory(username="bob"), "BOBS_TOKEN")
    told = problems(client, secrets=["BOBS_TOKEN"])
    assert told["secrets"].startswith("There is no secret BOBS_TOKEN on this account.")
    page = client.post(PAGE, typed(secrets=["BOBS_TOKEN"])).content.decode()
    assert re.search(r'value="BOBS_TOKEN" checked', page)


def test_a_name_is_set_once(client, alice):
    secret(alice)
    row = {"env-0-name": "HF_TOKEN", "env-0-value": "x", "secrets": ["HF_TOKEN"]}
    assert problems(client, **row) == {
        "env-0": "HF_TOKEN is chosen from Secrets as well. Keep one of the two."
    }
    # Offered as a secret and left empty, it is not set.
    row |= {"env-0-value": "", "env-0-secret": "on"}
    assert problems(client, **row) == {}


@pytest.fixture
def needy():
    """A template that needs HF_TOKEN and a MODEL."""
    env = (
        EnvVar("HF_TOKEN", "", secret=True, needed=True, note="From your profile."),
        EnvVar("MODEL", "", needed=True),
    )
    return TemplateFactory(slug="needy", spec=spec(env=env).to_json())


def test_what_a_template_needs_is_asked_for(client, alice, needy):
    page = client.get("/templates/needy/clone/").content.decode()
    assert "From your profile." in page
    assert re.search(r'name="env-0-name" value="HF_TOKEN"[^>]*readonly', page)
    rows = {"env-0-name": "HF_TOKEN", "env-0-value": "", "env-0-secret": "on"}
    rows |= {"env-1-name": "MODEL", "env-1-value": ""}
    answer = client.post("/templates/needy/clone/", typed(**rows))
    assert answer.context["form"].problems == {
        "env-0": "Fill in HF_TOKEN. This template needs it.",
        "env-1": "Fill in MODEL. This template needs it.",
    }
    assert not Endpoint.objects.exists()


def test_a_needed_row_that_was_taken_away_comes_back(client, alice, needy):
    answer = client.post("/templates/needy/clone/", typed())
    assert set(answer.context["form"].problems.values()) == {
        "Fill in HF_TOKEN. This template needs it.",
        "Fill in MODEL. This template needs it.",
    }
    page = answer.content.decode()
    assert 'value="HF_TOKEN"' in page
    assert "From your profile." in page


def test_a_secret_of_that_name_satisfies_the_need(client, alice, needy):
    secret(alice)
    rows = {"env-0-name": "HF_TOKEN", "env-0-value": "", "env-0-secret": "on"}
    rows |= {"env-1-name": "MODEL", "env-1-value": "tiny", "secrets": ["HF_TOKEN"]}
    client.post("/templates/needy/clone/", typed(**rows))
    run = Endpoint.objects.get().container
    assert run.secrets == ("HF_TOKEN",)
    assert run.env == (EnvVar("MODEL", "tiny", needed=True),)


def test_what_was_needed_keeps_its_note(client, alice, needy):
    rows = {"env-0-name": "HF_TOKEN", "env-0-value": "hf_me", "env-0-secret": "on"}
    rows |= {"env-1-name": "MODEL", "env-1-value": "tiny"}
    client.post("/templates/needy/clone/", typed(**rows))
    token = Endpoint.objects.get().container.env[0]
    assert (token.needed, token.note) == (True, "From your profile.")
    assert unseal(token.value) == "hf_me"


# --- Volumes -------------------------------------------------------------------
def test_a_volume_gets_a_name_and_a_path(client, alice):
    endpoint = made(client, volume="on", volume_name="models", mount="/models")
    assert endpoint.container.volume == volume("models", "/models")
    assert Volume.objects.get().name == "models"


def test_a_volume_in_use_is_not_what_is_suggested(client, alice):
    EndpointFactory(
        name="art", owner=alice, spec=spec(volume=volume("files")).to_json()
    )
    Volume.objects.update(size_bytes=12_000_000_000)
    page = client.get(PAGE)
    text = page.content.decode()
    assert re.search(r'id="volume-name"[^>]*value="files-2"', text)
    assert '<option value="files">' in text
    assert page.context["form"].volume_words == {
        "files": "Already there, 12 GB, used by art. Its files appear in this endpoint."
    }
    assert page.context["form"].volume_help == "New volume."
    page = client.post(PAGE, typed(name="", volume="on", volume_name="files"))
    assert page.context["form"].volume_help.startswith("Already there, 12 GB")


def test_a_volume_that_nobody_uses_is_suggested_again(client, alice):
    volumes.ensure(alice.pk, "files")
    page = client.get(PAGE)
    assert re.search(r'id="volume-name"[^>]*value="files"', page.content.decode())
    words = "Already there, not in use. Its files appear in this endpoint."
    assert page.context["form"].volume_help == words


def test_volumes_of_others_are_not_shown(client, alice):
    volumes.ensure(UserFactory(username="bob").pk, "bobs")
    assert "bobs" not in client.get(PAGE).content.decode()


def test_a_volume_needs_a_name_that_can_be_one(client, alice):
    told = problems(client, volume="on", volume_name="My files", mount="data")
    assert set(told) == {"volume_name", "mount"}
    assert problems(client, volume_name="My files", mount="data") == {}


def test_the_page_asks_as_much_for_many_as_for_one(
    client, alice, django_assert_max_num_queries
):
    for number in range(6):
        run = spec(volume=volume(f"v{number}")).to_json()
        EndpointFactory(owner=alice, spec=run)
        secret(alice, f"S{number}")
        sign_in(alice, f"r{number}")
    client.get(PAGE)
    with django_assert_max_num_queries(20):
        client.get(PAGE)


# --- The check of an image -----------------------------------------------------
FACTS = worker.ImageFacts(False, (7860,), ("/data",), 9_800_000_000)


@pytest.fixture
def asked(monkeypatch):
    """What the worker is asked; it answers with `asked.answer`, or raises it."""

    class Asked(list):
        answer = FACTS

    calls = Asked()

    def image_facts(*args):
        calls.append(args)
        if isinstance(calls.answer, Exception):
            raise calls.answer
        return calls.answer

    monkeypatch.setattr(worker, "image_facts", image_facts)
    return calls


def test_an_image_is_found(client, alice, asked):
    answer = client.get(CHECK, {"image": "lab/app:1.0", "registry": "lab"})
    assert answer.json() == {
        "state": "fine",
        "text": "Found, 9.8 GB to pull.",
        "ports": [7860],
        "volumes": ["/data"],
    }
    assert asked == [(alice.pk, "lab/app:1.0", "lab")]
    assert "no-store" in answer["Cache-Control"]


ANSWERS = [
    (worker.ImageFacts(True, (), (), 470_000_000), "On the node already, 470 MB."),
    (worker.ImageFacts(False, (), (), 0), "Found. It is pulled on first start."),
    (worker.WorkerRefused("…", "ImageNotFound"), "Not found: the registry has no such"),
    (worker.WorkerRefused("…", "RegistryRefused"), "The registry wants a sign-in"),
    (worker.WorkerRefused("…", "RegistryUnreachable"), "Its registry does not answer"),
    (worker.WorkerRefused("Out of order.", "EngineRefused"), "The image could not be "),
    (worker.WorkerAway("The worker does not answer."), "The worker does not answer."),
]


@pytest.mark.parametrize(("answer", "words"), ANSWERS)
def test_whatever_comes_of_it_is_said(client, alice, asked, answer, words):
    asked.answer = answer
    said = client.get(CHECK, {"image": "lab/app:1.0"}).json()
    assert said["text"].startswith(words)
    assert said["state"] == ("doubt" if isinstance(answer, Exception) else "fine")


def test_what_is_no_name_is_not_asked_about(client, alice, asked):
    said = client.get(CHECK, {"image": "Not An Image"}).json()
    assert said == {"state": "", "text": "", "ports": [], "volumes": []}
    assert asked == []


def test_the_sign_in_is_that_of_the_endpoints_owner(client, asked):
    alice = UserFactory(username="alice")
    EndpointFactory(name="art", owner=alice)
    client.force_login(UserFactory(username="root", is_superuser=True))
    query = {"image": "lab/app:2", "registry": "lab", "endpoint": "art"}
    client.get(CHECK, query)
    assert asked == [(alice.pk, "lab/app:2", "lab")]
    client.force_login(UserFactory(username="charlie"))
    assert client.get(CHECK, query).status_code == 404
    assert len(asked) == 1


def test_a_stranger_may_not_ask(client, asked):
    assert client.get(CHECK, {"image": "lab/app:1"}).status_code == 302
    assert asked == []


def test_a_tier_with_a_price_says_it(client, alice):
    MediumTierFactory(slug="cheap", name="Cheap", price="1.15")
    page = client.get(PAGE).content.decode()
    assert "30 GB memory, 1.15 an hour" in page
    assert "4 GB memory</span>" in page
