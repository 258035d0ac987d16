"""Templates of one's own: whose they are, their pages, import and export."""

from __future__ import annotations

import re

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from templates_app import own
from templates_app.catalogue.loading import load
from templates_app.catalogue.parsing import TEXT_MAX
from templates_app.forms import FILE_MAX
from templates_app.models import Template, Tier

pytestmark = pytest.mark.django_db

GOOD = """\
name: Echo
summary: Says it back.
description: |
  First line.

  Second line.
kind: text
tier: cpu
image: lab/echo:1
port: 8000
env:
- name: HF_TOKEN
  secret: true
  needed: true
  note: Of huggingface.co
- name: MODEL
  value: small
volume:
  name: models
  mount: /models
"""
IMPORT = "/templates/import/"


@pytest.fixture(autouse=True)
def tier():
    return Tier.objects.create(slug="cpu", name="CPU", cores=2, memory_mb=4096)


@pytest.fixture
def people_in(client, alice, charlie):
    """A client for each of the two."""

    def enter(person):
        client.force_login(person)
        return client

    return enter


@pytest.fixture
def echo(alice):
    """Alice's own template, not shared."""
    return own.add(alice, own.read(GOOD))


def rows(page):
    """The rows of the Templates page: name and marks."""
    found = re.findall(r'<li class="row t-row".*?</li>', page, re.DOTALL)
    return {
        re.search(r"row-link[^>]*>([^<]*)<", row)[1]: re.findall(
            r'class="tag">([^<]*)<', row
        )
        for row in found
    }


# whose they are


def test_own_ones_are_seen_by_their_owner_and_shared_ones_by_all(
    people_in, alice, charlie, echo
):
    assert rows(people_in(alice).get("/templates/").content.decode()) == {
        "Echo": ["Yours"]
    }
    assert rows(people_in(charlie).get("/templates/").content.decode()) == {}
    Template.objects.update(shared=True)
    assert rows(people_in(charlie).get("/templates/").content.decode()) == {
        "Echo": ["Shared by alice"]
    }
    assert rows(people_in(alice).get("/templates/").content.decode()) == {
        "Echo": ["Yours", "Shared"]
    }


def test_own_ones_stand_first_and_have_a_filter(people_in, alice, charlie, echo):
    load()
    theirs = own.add(charlie, own.read(GOOD.replace("Echo", "His")), shared=True)
    page = people_in(alice).get("/templates/").content.decode()
    assert next(iter(rows(page))) == "Echo"
    assert theirs.name in rows(page)
    assert 'value="yours" aria-pressed="false">Yours<span class="n">1</span>' in page
    page = people_in(alice).get("/templates/?kind=yours").content.decode()
    shown = [
        row
        for row in re.findall(r'<li class="row t-row"[^>]*>', page)
        if " hidden>" not in row
    ]
    assert len(shown) == 1
    assert "data-yours" in shown[0]
    Template.objects.filter(owner=alice).delete()
    assert "Yours" not in people_in(alice).get("/templates/").content.decode()


def test_only_its_owner_has_the_ways_to_change_it(people_in, alice, charlie, echo):
    own.change(echo, name="Echo", summary="x", kind="text", shared=True)
    paths = [f"/templates/{echo.slug}/{verb}/" for verb in ("edit", "delete")]
    export = f"/templates/{echo.slug}/export.yaml"
    page = people_in(alice).get("/templates/").content.decode()
    assert [path in page for path in (*paths, export)] == [True, True, True]
    page = people_in(charlie).get("/templates/").content.decode()
    assert [path in page for path in (*paths, export)] == [False, False, True]


@pytest.mark.parametrize("verb", ["edit", "delete"])
def test_somebody_elses_is_not_there_even_when_shared(people_in, charlie, echo, verb):
    Template.objects.update(shared=True)
    path = f"/templates/{echo.slug}/{verb}/"
    words = {"name": "Mine", "summary": "Now", "kind": "text"}
    assert people_in(charlie).get(path).status_code == 404
    assert people_in(charlie).post(path, words).status_code == 404
    assert Template.objects.get().name == "Echo"


def test_nobody_changes_the_catalogues(people_in, alice):
    load()
    for verb in ("edit", "delete"):
        path = f"/templates/automatic1111/{verb}/"
        assert people_in(alice).post(path).status_code == 404


def test_the_page_asks_as_often_for_many_as_for_one(
    people_in, alice, charlie, echo, django_assert_num_queries
):
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    client = people_in(charlie)
    Template.objects.update(shared=True)
    client.get("/templates/")
    with CaptureQueriesContext(connection) as one:
        client.get("/templates/")
    for _ in range(5):
        own.add(alice, own.read(GOOD), shared=True)
    with django_assert_num_queries(len(one)):
        client.get("/templates/")


def test_a_shared_one_can_be_cloned_by_others_and_a_private_one_not(
    people_in, charlie, echo
):
    path = f"/templates/{echo.slug}/clone/"
    assert people_in(charlie).get(path).status_code == 404
    Template.objects.update(shared=True)
    assert people_in(charlie).get(path).status_code == 200


# their addresses


def test_addresses_are_apart_from_each_other_and_from_the_catalogues(
    people, alice, charlie
):
    draft = own.read(GOOD)
    slugs = [own.add(alice, draft).slug for _ in range(11)]
    assert slugs[:2] == ["alice--echo", "alice--echo-2"]
    assert len(set(slugs)) == 11
    assert own.add(charlie, draft).slug == "charlie--echo"
    odd = people("Ünï.Kode@lab-example.org")
    named = own.read(GOOD.replace("Echo", "模型 " + "long " * 15))
    slug = own.add(odd, named).slug
    assert re.fullmatch(r"[a-z0-9_]+(-[a-z0-9_]+)*--[a-z0-9_-]{1,40}", slug)
    assert len(slug) <= 60
    load()
    catalogue = Template.objects.filter(owner=None)
    assert not [row.slug for row in catalogue if "--" in row.slug]


def test_loading_the_catalogue_leaves_them_alone(alice, echo):
    load()
    load()
    echo.refresh_from_db()
    assert (echo.owner, echo.retired) == (alice, False)


def test_there_is_an_end_to_how_many(monkeypatch, people_in, alice, echo):
    monkeypatch.setattr(own, "OWN_MAX", 1)
    page = people_in(alice).post(IMPORT, {"yaml": GOOD, "step": "save"})
    assert "You have 1 templates, the most there can be." in page.content.decode()
    assert Template.objects.count() == 1


# changing and deleting


def test_words_and_sharing_can_be_changed(people_in, alice, echo):
    path = f"/templates/{echo.slug}/edit/"
    page = people_in(alice).get(path).content.decode()
    assert 'value="Says it back."' in page
    words = {"name": "Echo 2", "summary": "Twice.", "kind": "tools", "shared": "on"}
    assert people_in(alice).post(path, words).url == "/templates/?kind=yours"
    spec, slug = echo.spec, echo.slug
    echo.refresh_from_db()
    assert (echo.name, echo.summary, echo.kind) == ("Echo 2", "Twice.", "tools")
    assert (echo.shared, echo.spec, echo.slug) == (True, spec, slug)
    del words["shared"]
    people_in(alice).post(path, words)
    echo.refresh_from_db()
    assert not echo.shared


def test_a_refusal_keeps_what_was_typed(people_in, alice, echo):
    words = {"name": "x" * 81, "summary": "", "kind": "music"}
    answer = people_in(alice).post(f"/templates/{echo.slug}/edit/", words)
    page = answer.content.decode()
    assert "x" * 81 in page
    assert "Keep it to 80 characters. This is 81." in page
    assert "Say in one line what it is for." in page
    assert "Choose a kind." in page
    assert "3 fields need a change." in page
    echo.refresh_from_db()
    assert echo.name == "Echo"


def test_deleting_asks_first(people_in, alice, echo):
    path = f"/templates/{echo.slug}/delete/"
    assert "Delete Echo?" in people_in(alice).get(path).content.decode()
    assert Template.objects.exists()
    assert people_in(alice).post(path).status_code == 302
    assert not Template.objects.exists()


# export


def test_export_is_a_file_that_reads_as_the_same(people_in, alice, echo):
    answer = people_in(alice).get(f"/templates/{echo.slug}/export.yaml")
    assert answer["Content-Type"] == "application/yaml; charset=utf-8"
    assert answer["Content-Disposition"] == 'attachment; filename="alice--echo.yaml"'
    assert own.read(answer.content.decode()) == own.read(GOOD)


def test_what_one_may_not_see_is_not_exported(people_in, charlie, echo):
    load()
    assert people_in(charlie).get(
        f"/templates/{echo.slug}/export.yaml"
    ).status_code == (404)
    path = "/templates/automatic1111/export.yaml"
    assert people_in(charlie).get(path).status_code == 200
    Template.objects.filter(slug="automatic1111").update(retired=True)
    assert people_in(charlie).get(path).status_code == 404


# import


def upload(content, name="echo.yaml"):
    return SimpleUploadedFile(name, content)


def test_a_file_is_shown_before_it_is_kept(people_in, alice):
    page = people_in(alice).post(IMPORT, {"file": upload(GOOD.encode())})
    text = page.content.decode()
    for told in (
        "<h1>Echo</h1>",
        "lab/echo:1",
        "An imported template runs somebody else’s container.",
        "HF_TOKEN</span>, a secret: Of huggingface.co",
        "MODEL=small",
        "Can keep models in",
        "/models",
    ):
        assert told in text
    assert not Template.objects.exists()
    sent = re.search(
        r'<textarea name="yaml" hidden>\n(.*?)</textarea>', text, re.DOTALL
    )
    form = {"yaml": sent[1], "step": "save", "shared": "on"}
    assert people_in(alice).post(IMPORT, form).url == "/templates/?kind=yours"
    kept = Template.objects.get()
    assert (kept.owner, kept.shared, kept.name) == (alice, True, "Echo")
    assert [(v.name, v.note) for v in kept.needs] == [("HF_TOKEN", "Of huggingface.co")]


def test_pasted_text_as_browsers_send_it(people_in, alice):
    form = {"yaml": "\ufeff" + GOOD.replace("\n", "\r\n"), "step": "save"}
    people_in(alice).post(IMPORT, form)
    assert Template.objects.get().description == "First line.\n\nSecond line."


def test_the_text_can_be_changed_after_it_was_shown(people_in, alice):
    form = {"yaml": GOOD, "step": "back", "shared": "on"}
    page = people_in(alice).post(IMPORT, form).content.decode()
    assert 'id="yaml"' in page
    assert "summary: Says it back." in page
    assert '<input type="hidden" name="shared" value="on">' in page
    assert not Template.objects.exists()


WRONG = [
    ({}, "Choose a YAML file, or paste its text."),
    ({"yaml": " \n"}, "Choose a YAML file, or paste its text."),
    (
        {"yaml": GOOD.replace("8000", "0")},
        "Line 10, port: write a whole number from 1 to 65535.",
    ),
    (
        {"yaml": GOOD.replace("tier: cpu", "tier: cpus")},
        "Line 8, tier: there is no tier “cpus” here. Did you mean “cpu”? "
        "There is: cpu.",
    ),
    (
        {"yaml": GOOD + "hints:\n- {pattern: a, title: b, body: c, tier: huge}"},
        "Line 22, hints, entry 1, tier: there is no tier “huge” here. There is: cpu.",
    ),
    ({"yaml": "x" * (TEXT_MAX + 1)}, "Keep it to 64,000 characters; this is 64,001."),
]


@pytest.mark.parametrize(("form", "sentence"), WRONG)
def test_a_mistake_is_told_and_the_text_stays(people_in, alice, form, sentence):
    for step in ("", "save"):
        answer = people_in(alice).post(IMPORT, {**form, "step": step})
        page = answer.content.decode()
        assert sentence in page
        assert form.get("yaml", "").strip() in page
    assert not Template.objects.exists()


FILES = [
    (b"", "This file is empty. Choose a YAML file, or paste its text."),
    (b"\xff\xfe\x00", "This file is not text in UTF-8. Choose a YAML file."),
    (b"x" * (FILE_MAX + 1), "This file has 256,001 bytes. A template has at most 256,"),
    (b"- a", "Write fields, such as name: and image:."),
]


@pytest.mark.parametrize(("content", "sentence"), FILES)
def test_a_bad_file_is_told_and_pasted_text_stays(people_in, alice, content, sentence):
    form = {"file": upload(content), "yaml": "# typed before"}
    page = people_in(alice).post(IMPORT, form).content.decode()
    assert sentence in page
    assert ("# typed before" in page) == (content != b"- a")


def test_a_mistake_marks_its_line_for_the_script(people_in, alice):
    page = people_in(alice).post(IMPORT, {"yaml": GOOD.replace("8000", "x")})
    assert 'data-line="10"' in page.content.decode()


def test_nothing_of_the_file_becomes_markup(people_in, alice):
    bad = GOOD.replace("Echo", "<b>Echo</b>").replace("small", "</textarea><script>")
    page = people_in(alice).post(IMPORT, {"yaml": bad}).content.decode()
    assert "<b>Echo" not in page
    assert "<script>" not in page
