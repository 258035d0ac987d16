"""The Clone page: from a template to an endpoint, and what it says on the way."""

from __future__ import annotations

import re

import pytest

from endpoints.models import Endpoint, Event
from endpoints.sealing import unseal
from endpoints.tests.factories import EndpointFactory, UserFactory
from templates_app.catalogue.loading import load
from templates_app.models import Template

pytestmark = pytest.mark.django_db
PAGE = "/templates/automatic1111/clone/"


@pytest.fixture(autouse=True)
def catalogue():
    load()


@pytest.fixture
def alice(client):
    person = UserFactory(username="alice")
    client.force_login(person)
    return person


def typed(**changes):
    """The form as the page has it for Automatic1111, with a name."""
    return {
        "name": "mystablediffusion2023",
        "tier": "medium",
        "min_replicas": "1",
        "max_replicas": "1",
        "public": "on",
        "volume_name": "checkpoints",
        "mount": "/app/stable-diffusion-webui/models",
        "command": "",
        "args": "bash webui.sh --listen --port 3000",
        "port": "3000",
        "health_path": "",
        "idle": "10",
        "startup": "15",
        "hold": "5",
        "concurrency": "64",
        "env-0-name": "COMMANDLINE_ARGS",
        "env-0-value": "--xformers --api",
        "env-1-name": "HF_TOKEN",
        "env-1-value": "",
        "env-1-secret": "on",
        **changes,
    }


def without(data, *names):
    return {key: value for key, value in data.items() if key not in names}


def test_the_form_is_filled_from_the_template(client, alice):
    page = client.get(PAGE).content.decode()
    assert "Image Generation (Automatic1111)" in page
    assert re.search(r'value="medium"[^>]*checked', page)
    assert re.search(r'id="public"[^>]*checked', page)
    assert not re.search(r'id="volume"[^>]*checked', page)
    assert 'value="COMMANDLINE_ARGS"' in page
    assert re.search(r'id="port"[^>]*value="3000"', page)
    assert re.search(r'id="image"[^>]*readonly', page)
    assert "Medium is what this template was tuned for." in page
    assert "Choose Large for checkpoints above 8 GB." in page
    assert "This template keeps its checkpoints in" in page


def test_each_field_has_its_help(client, alice):
    page = client.get(PAGE).content.decode()
    tips = set(re.findall(r'role="tooltip" id="(tip-[\w-]+)"', page))
    assert tips == {
        *("tip-name", "tip-hw", "tip-min", "tip-max", "tip-public", "tip-volume"),
        *("tip-path", "tip-env", "tip-image", "tip-port", "tip-health", "tip-idle"),
        *("tip-startup", "tip-conc", "tip-vol-name", "tip-registry", "tip-command"),
        *("tip-args", "tip-secrets", "tip-hold"),
    }
    assert set(re.findall(r'aria-describedby="(tip-[\w-]+)"', page)) == tips


def test_the_tutorials_settings_make_the_endpoint(client, alice):
    answer = client.post(PAGE, typed())
    endpoint = Endpoint.objects.get()
    assert answer.status_code == 302
    assert answer.url == "/endpoints/mystablediffusion2023/"
    assert endpoint.owner == alice
    assert endpoint.template == Template.objects.get(slug="automatic1111")
    assert endpoint.tier_id == "medium"
    assert (endpoint.min_replicas, endpoint.max_replicas) == (1, 1)
    assert endpoint.public
    assert (endpoint.idle_timeout, endpoint.start_timeout) == (600, 900)
    assert (endpoint.concurrency, endpoint.hold_seconds) == (64, 300)
    spec, source = endpoint.container, endpoint.template.container
    assert (spec.image, spec.port, spec.health_path) == (source.image, 3000, "")
    assert spec.args == source.args
    assert spec.hints == source.hints
    assert spec.volume is None
    assert [(v.name, v.value) for v in spec.env] == [
        ("COMMANDLINE_ARGS", "--xformers --api")
    ]
    assert Event.objects.get().reason == "Created"


def test_a_volume_is_opted_into(client, alice):
    client.post(PAGE, typed(volume="on"))
    volume = Endpoint.objects.get().container.volume
    assert (volume.name, volume.mount) == (
        "checkpoints",
        "/app/stable-diffusion-webui/models",
    )


def test_a_secret_is_sealed(client, alice):
    client.post(PAGE, typed(**{"env-1-value": "hf_hush"}))
    variable = Endpoint.objects.get().container.env[1]
    assert variable.secret
    assert "hf_hush" not in str(Endpoint.objects.get().spec)
    assert unseal(variable.value) == "hf_hush"


def test_a_typed_secret_outlives_an_error_without_being_shown(client, alice):
    page = client.post(PAGE, typed(name="", **{"env-1-value": "hf_hush"}))
    text = page.content.decode()
    assert "hf_hush" not in text
    kept = re.search(r'name="env-1-kept" value="([^"]+)"', text)[1]
    client.post(PAGE, typed(**{"env-1-kept": kept}))
    assert unseal(Endpoint.objects.get().container.env[1].value) == "hf_hush"


def test_a_kept_secret_that_was_not_sealed_here_is_refused(client, alice):
    page = client.post(PAGE, typed(**{"env-1-kept": "gAAAAA-made-up"}))
    assert "Type this secret again." in page.content.decode()
    assert not Endpoint.objects.exists()


PROBLEMS = [
    ({"name": ""}, "Give the endpoint a name. It becomes part of its URL."),
    ({"name": "Whisper"}, "Use lowercase letters: &quot;whisper&quot;."),
    ({"name": "a b"}, "Use only lowercase letters, digits and hyphens"),
    ({"name": "1a"}, "Start with a letter."),
    ({"name": "a" * 52}, "Keep it to 40 characters. This is 52."),
    ({"min_replicas": "3"}, "Minimum is above maximum. Raise the maximum to 3"),
    ({"max_replicas": "0", "min_replicas": "0"}, "Allow at least 1 replica."),
    ({"max_replicas": "many"}, "Enter the maximum as a whole number."),
    ({"port": "70000"}, "Enter a port from 1 to 65535."),
    ({"port": ""}, "Enter a port from 1 to 65535."),
    ({"port": "http"}, "Enter a port from 1 to 65535."),
    ({"health_path": "healthz"}, "Start the path with a slash: &quot;/healthz&quot;."),
    ({"volume": "on", "mount": "data"}, "Enter an absolute path inside the container"),
    ({"idle": "-1"}, "Enter 0 to 1,440 minutes."),
    ({"startup": "0"}, "Enter 1 to 1,440 minutes."),
    ({"hold": "61"}, "Enter 0 to 60 minutes."),
    ({"hold": ""}, "Enter 0 to 60 minutes."),
    ({"concurrency": "0"}, "Enter 1 to 500 requests."),
    ({"tier": "huge"}, "This hardware is no longer offered. Choose another."),
    ({"env-0-name": "A-B"}, "Use letters, digits and underscores"),
    ({"env-1-name": "COMMANDLINE_ARGS"}, "is there twice. Keep one."),
    ({"env-0-name": ""}, "Give this variable a name, or remove it."),
]


@pytest.mark.parametrize(("changes", "sentence"), PROBLEMS)
def test_a_mistake_is_said_beside_its_field(client, alice, changes, sentence):
    page = client.post(PAGE, typed(**changes)).content.decode()
    assert sentence in page
    assert "One field needs a change." in page
    assert not Endpoint.objects.exists()


def test_two_mistakes_are_counted_and_nothing_typed_is_lost(client, alice):
    data = typed(name="Nope!", port="0", **{"env-7-name": "MINE", "env-7-value": "x"})
    page = client.post(PAGE, without(data, "public")).content.decode()
    assert "2 fields need a change." in page
    assert 'value="Nope!"' in page
    assert 'value="MINE"' in page
    assert not re.search(r'id="public"[^>]*checked', page)
    assert page.count(" autofocus") == 2


def test_a_taken_name_suggests_a_free_one(client, alice):
    EndpointFactory(name="whisper", owner=UserFactory(username="bob"))
    page = client.post(PAGE, typed(name="whisper")).content.decode()
    assert "&quot;whisper&quot; is taken. Try &quot;whisper-2&quot;." in page


def test_a_name_that_is_taken_in_between_is_an_error_of_the_field(
    client, alice, monkeypatch
):
    from endpoints import services

    def too_late(*args):
        raise services.NameTaken('"x" is taken. Try "x-2".')

    monkeypatch.setattr(services, "create", too_late)
    page = client.post(PAGE, typed()).content.decode()
    assert "&quot;x&quot; is taken. Try &quot;x-2&quot;." in page


def test_the_script_hears_the_same_words_and_makes_nothing(client, alice):
    headers = {"X-Check": "1"}
    answer = client.post(
        PAGE, typed(name="", port="0", min_replicas="2"), headers=headers
    )
    assert answer.json()["problems"] == {
        "name": "Give the endpoint a name. It becomes part of its URL.",
        "port": "Enter a port from 1 to 65535.",
        "scale": "Minimum is above maximum. "
        "Raise the maximum to 2 or lower the minimum to 1.",
    }
    assert client.post(PAGE, typed(), headers=headers).json() == {"problems": {}}
    assert not Endpoint.objects.exists()


def test_a_hint_leads_to_larger_hardware(client, alice):
    page = client.get(f"{PAGE}?tier=large-40").content.decode()
    assert re.search(r'value="large-40"[^>]*checked', page)
    assert not re.search(r'value="medium"[^>]*checked', page)


def test_what_is_not_offered_cannot_be_cloned(client, alice):
    Template.objects.filter(slug="automatic1111").update(retired=True)
    assert client.get(PAGE).status_code == 404
    assert client.get("/templates/none/clone/").status_code == 404


def test_a_template_of_somebody_else_is_not_offered(client, alice):
    bob = UserFactory(username="bob")
    Template.objects.filter(slug="automatic1111").update(owner=bob)
    assert client.get(PAGE).status_code == 404


def test_a_stranger_is_asked_to_sign_in(client):
    assert client.get(PAGE).url == f"/sign-in/?next={PAGE}"
    assert client.post(PAGE, typed()).status_code == 302
    assert not Endpoint.objects.exists()


def test_the_templates_image_cannot_be_swapped(client, alice):
    client.post(PAGE, typed(image="lab/other:1"))
    assert Endpoint.objects.get().container.image.startswith("siutin/")


def test_ones_own_container(client, alice):
    own = "/templates/own-container/"
    data = without(typed(tier="cpu", name="mine", args=""), "public")
    page = client.post(own, data).content.decode()
    assert "Enter the image to run, such as registry.lab.example/app:1.0." in page
    page = client.post(own, {**data, "image": "Not An Image"}).content.decode()
    assert "That is not an image name." in page
    client.post(own, {**data, "image": "lab/app:1.0"})
    endpoint = Endpoint.objects.get()
    assert endpoint.template is None
    assert (endpoint.container.image, endpoint.container.port) == ("lab/app:1.0", 3000)
    assert not endpoint.public
