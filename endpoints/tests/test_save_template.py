"""Saving an endpoint as a template: what goes in, what stays, who may."""

from __future__ import annotations

from dataclasses import replace

import pytest

from endpoints.tests.factories import (
    EndpointFactory,
    MediumTierFactory,
    TemplateFactory,
    TierFactory,
    secret_var,
    spec,
    volume,
)
from templates_app import own
from templates_app.catalogue.writing import as_yaml
from templates_app.models import Template
from templates_app.spec import ContainerSpec, EnvVar, LogHint

pytestmark = pytest.mark.django_db
URL = "/endpoints/whisper/save-as-template/"
WORDS = {"name": "Whisper", "summary": "Writes down what is said.", "kind": "audio"}
HINT = LogHint("out of memory", "Too small", "Take a larger one.")


@pytest.fixture
def container():
    return spec(
        image="registry.lab.example/whisper:1",
        port=8000,
        health_path="/health",
        command=("python",),
        args=("serve.py", "--fast"),
        env=(EnvVar("MODEL", "large"), secret_var("API_KEY", "s3cret-value")),
        volume=volume("models", "/models"),
        shm_mb=64,
        secrets=("HF_TOKEN", "API_KEY"),
        registry="lab",
        hints=(HINT,),
    )


@pytest.fixture
def endpoint(alice, container):
    return EndpointFactory(
        name="whisper",
        owner=alice,
        spec=container.to_json(),
        tier=MediumTierFactory(),
        min_replicas=0,
        max_replicas=3,
        public=True,
        idle_timeout=90,
        start_timeout=1200,
        concurrency=12,
        description="For the lab.",
    )


@pytest.fixture
def save(client, alice, endpoint):
    client.force_login(alice)

    def post(**fields):
        return client.post(URL, {**WORDS, **fields})

    return post


def test_all_but_what_is_secret_goes_in(save, alice, container):
    answer = save(**{"note-HF_TOKEN": " Of huggingface.co ", "shared": "on"})
    assert answer.url == "/templates/?kind=yours"
    template = Template.objects.get()
    assert template.container == replace(
        container,
        env=(
            EnvVar("MODEL", "large"),
            EnvVar("API_KEY", "", secret=True, needed=True),
            EnvVar("HF_TOKEN", "", secret=True, needed=True, note="Of huggingface.co"),
        ),
        secrets=(),
        registry="",
    )
    assert (template.owner, template.shared, template.tier_id) == (
        alice,
        True,
        "medium",
    )
    assert (template.min_replicas, template.max_replicas) == (0, 3)
    assert (template.public, template.concurrency) == (True, 12)
    # In whole minutes, never shorter.
    assert (template.idle_timeout, template.start_timeout) == (120, 1200)
    assert template.description == "For the lab."


def test_no_secret_is_in_the_row_the_page_or_the_file(client, save, container):
    sealed = container.env[1].value
    page = client.get(URL).content.decode()
    save()
    row = Template.objects.get()
    for text in (page, str(row.spec), as_yaml(row)):
        assert "API_KEY" in text
        assert "s3cret-value" not in text
        assert sealed not in text


def test_what_was_saved_can_be_exported_and_imported(save, alice):
    save()
    first = Template.objects.get()
    second = own.add(alice, own.read(as_yaml(first)))
    same = [f.name for f in Template._meta.fields if f.name not in {"id", "slug"}]
    assert [getattr(first, f) for f in same] == [getattr(second, f) for f in same]
    assert first.slug != second.slug


def test_the_page_shows_what_goes_in_and_says_what_stays(client, save):
    page = client.get(URL).content.decode()
    assert "registry.lab.example/whisper:1" in page
    assert "MODEL=large" in page
    assert "The registry sign-in <b>lab</b> stays with its owner." in page
    assert 'name="note-API_KEY"' in page
    assert 'name="note-HF_TOKEN"' in page
    assert 'name="note-MODEL"' not in page


def test_a_template_of_its_own_begins_with_what_it_was_made_from(client, alice):
    source = TemplateFactory(
        name="Chat",
        summary="Talks.",
        kind="text",
        motif="chat",
        image_bytes=5_000_000,
        spec=spec(env=(EnvVar("KEY", "", True, note="Ask Grace"),)).to_json(),
    )
    EndpointFactory(
        name="whisper",
        owner=alice,
        template=source,
        spec=spec(env=(secret_var("KEY", "x"),)).to_json(),
    )
    client.force_login(alice)
    page = client.get(URL).content.decode()
    assert 'value="Talks."' in page
    assert 'value="Ask Grace"' in page
    assert '<option value="text" selected>' in page
    client.post(URL, WORDS)
    made = Template.objects.get(owner=alice)
    assert (made.motif, made.image_bytes) == ("chat", 5_000_000)
    # The page was posted without the note, so it was taken out.
    assert made.needs[0].note == ""


def test_a_refusal_keeps_what_was_typed(save):
    answer = save(name="", summary="x" * 161, **{"note-API_KEY": "y" * 161})
    page = answer.content.decode()
    assert "Give the template a name." in page
    assert "Keep it to 160 characters. This is 161." in page
    assert "3 fields need a change." in page
    assert "x" * 161 in page
    assert "y" * 161 in page
    assert not Template.objects.exists()


def test_settings_that_no_file_could_hold_are_refused(client, alice):
    TierFactory()
    long = [EnvVar(f"V{n}", "x" * 30_000) for n in range(3)]
    EndpointFactory(name="whisper", owner=alice, spec=spec(env=long).to_json())
    client.force_login(alice)
    page = client.post(URL, WORDS).content.decode()
    assert "These settings do not fit a template. Keep it to 64,000 characters" in page
    assert not Template.objects.exists()


def test_somebody_elses_endpoint_is_not_there(client, charlie, endpoint):
    client.force_login(charlie)
    assert client.get(URL).status_code == 404
    assert client.post(URL, WORDS).status_code == 404
    assert not Template.objects.exists()


def test_a_spec_of_a_template_has_no_keys_of_its_owner(save):
    save()
    kept = ContainerSpec.from_json(Template.objects.get().spec)
    assert (kept.secrets, kept.registry) == ((), "")
