"""The catalogue's files and what loading them does."""

from __future__ import annotations

import pytest
from django.core.management import CommandError, call_command

from templates_app.catalogue.fields import CatalogueError
from templates_app.catalogue.loading import load
from templates_app.catalogue.reading import (
    FOLDER,
    TEMPLATE_FIELDS,
    TIER_FIELDS,
    read_template,
)
from templates_app.models import Template, Tier

GOOD = """
name: Echo
summary: Says it back.
kind: text
tier: cpu
image: lab/echo:1
port: 8000
"""


@pytest.fixture
def folder(tmp_path):
    """A catalogue of one template, to be changed."""
    (tmp_path / "tiers.yaml").write_text(
        "- {slug: cpu, name: CPU, cores: 2, memory_gb: 4}"
    )
    (tmp_path / "echo.yaml").write_text(GOOD)
    return tmp_path


@pytest.mark.django_db
def test_the_shipped_catalogue_loads_and_loads_again_unchanged():
    first = load()
    second = load()
    assert len(first.added) >= 12
    assert second.added == second.changed == second.retired == ()
    assert second.unchanged == len(first.added)
    assert Tier.objects.get(pk="medium").hardware == "A10"


@pytest.mark.django_db
def test_automatic1111_is_as_the_tutorial_has_it():
    load()
    template = Template.objects.get(slug="automatic1111")
    spec = template.container
    assert template.name == "Image Generation (Automatic1111)"
    assert template.tier_id == "medium"
    assert (template.min_replicas, template.max_replicas) == (1, 1)
    assert template.public
    assert (spec.port, spec.health_path) == (3000, "")
    assert spec.volume.name == "checkpoints"
    assert [hint.pattern for hint in spec.hints] == [
        "MetadataIncompleteBuffer",
        "CUDA out of memory",
    ]


@pytest.mark.django_db
def test_three_templates_need_neither_a_gpu_nor_a_registry():
    load()
    local = Template.objects.filter(tier__gpus=0)
    assert {"text-to-image", "embeddings", "chat"} <= {t.slug for t in local}
    for template in local:
        context = FOLDER / "builds" / template.container.build
        first = (context / "Dockerfile").read_text()
        assert "\nFROM python:3.11-slim\n" in first
    assert Template.objects.get(slug="text-to-image").container.health_path == ""
    assert Template.objects.get(slug="embeddings").container.health_path


@pytest.mark.django_db
def test_a_changed_file_changes_its_row_and_a_lost_one_is_retired(folder):
    load(folder)
    (folder / "echo.yaml").write_text(GOOD.replace("Echo", "Echo 2"))
    assert load(folder).changed == ("echo",)
    assert Template.objects.get(slug="echo").name == "Echo 2"

    (folder / "echo.yaml").rename(folder / "echo.txt")
    assert load(folder).retired == ("echo",)
    assert not Template.objects.published().exists()
    assert load(folder).retired == ()

    (folder / "echo.txt").rename(folder / "echo.yaml")
    assert load(folder).changed == ("echo",)
    assert Template.objects.published().exists()


@pytest.mark.django_db
def test_one_bad_file_changes_nothing(folder):
    (folder / "bad.yaml").write_text(GOOD.replace("8000", "0"))
    with pytest.raises(CatalogueError):
        load(folder)
    assert not Template.objects.exists()


MISTAKES = [
    (
        "port: 8000",
        "port: 99999",
        "echo.yaml, line 7, port: write a whole number from 1 to 65535",
    ),
    (
        "port: 8000",
        "port: '8000'",
        "echo.yaml, line 7, port: write a whole number from 1 to 65535",
    ),
    ("port: 8000", "", "echo.yaml, port: write a whole number from 1 to 65535"),
    (
        "kind: text",
        "kind: music",
        "echo.yaml, line 4, kind: choose one of image",
    ),
    ("name: Echo", "name: ''", "echo.yaml, line 2, name: write a text"),
    (
        "image: lab/echo:1",
        "image: Lab Echo",
        "echo.yaml, line 6, image: that is",
    ),
    (
        "tier: cpu",
        "tier: cpu\nprot: 1",
        "echo.yaml, line 6, prot: there",
    ),
    ("tier: cpu", "tier: huge", 'echo.yaml, tier: there is no tier "huge"'),
    (
        "tier: cpu",
        "tier: cpu\nbuild: echo",
        "echo.yaml, line 6, build: there is no “echo” to build here",
    ),
    (
        "tier: cpu",
        "tier: cpu\nhealth_path: up",
        "echo.yaml, line 6, health_path: start the path",
    ),
    (
        "tier: cpu",
        "tier: cpu\nargs: [1]",
        "echo.yaml, line 6, args: write a list",
    ),
    (
        "tier: cpu",
        "tier: cpu\nenv: [{name: A, value: x, secret: true}]",
        "echo.yaml, line 6, env, entry 1, value: leave a secret's value out",
    ),
    (
        "tier: cpu",
        "tier: cpu\nhints: [{pattern: '(', title: a, body: b}]",
        "echo.yaml, line 6, hints, entry 1, pattern: not a regular expression",
    ),
    ("kind: text", "kind: [", "echo.yaml, line "),
]


@pytest.mark.django_db
@pytest.mark.parametrize(("old", "new", "message"), MISTAKES)
def test_a_mistake_names_the_file_and_the_field(folder, old, new, message):
    (folder / "echo.yaml").write_text(GOOD.replace(old, new))
    with pytest.raises(CommandError) as caught:
        call_command("load_catalogue", folder=folder)
    assert message in str(caught.value)


def test_a_file_whose_name_could_be_the_address_of_an_own_template_is_refused(folder):
    (folder / "echo.yaml").rename(folder / "grace--echo.yaml")
    with pytest.raises(CatalogueError, match="single hyphens"):
        load(folder)


def test_every_picture_a_template_names_is_there():
    pictures = FOLDER.parent / "templates" / "templates_app" / "motifs"
    for file in FOLDER.glob("*.yaml"):
        if file.name != "tiers.yaml":
            motif = read_template(file).fields["motif"]
            assert (pictures / f"{motif}.svg").is_file(), file.name


def test_build_contexts_are_all_used():
    used = {
        read_template(file).fields["spec"]["build"]
        for file in FOLDER.glob("*.yaml")
        if file.name != "tiers.yaml"
    }
    assert {path.name for path in (FOLDER / "builds").iterdir()} == used - {""}


def test_every_field_is_documented():
    text = (FOLDER.parent.parent / "docs" / "catalogue.md").read_text()
    fields = TEMPLATE_FIELDS | TIER_FIELDS
    assert [name for name in sorted(fields) if f"`{name}`" not in text] == []
