"""Templates by the API: listed, imported, had as YAML, deleted by their owner."""

from __future__ import annotations

import pytest

from endpoints.tests.factories import caller
from templates_app import own
from templates_app.catalogue.loading import load
from templates_app.models import Template, Tier

pytestmark = pytest.mark.django_db

GOOD = """\
name: Echo
summary: Says it back.
kind: text
tier: cpu
image: lab/echo:1
port: 8000
env:
- name: KEY
  secret: true
  needed: true
  note: Ask Grace
"""


@pytest.fixture(autouse=True)
def tier():
    return Tier.objects.create(slug="cpu", name="CPU", cores=2, memory_mb=4096)


@pytest.fixture
def api(alice):
    return caller(alice)


@pytest.fixture
def charlies(charlie):
    return caller(charlie)


def test_import_answers_with_what_is_kept(api, alice):
    answer = api.post("/v1/templates", {"yaml": GOOD, "shared": True}, format="json")
    assert answer.status_code == 201
    assert answer.json() == {
        "slug": "alice--echo",
        "name": "Echo",
        "summary": "Says it back.",
        "kind": "text",
        "image_url": "lab/echo:1",
        "instance_type": "cpu",
        "needs": [{"name": "KEY", "secret": True, "note": "Ask Grace"}],
        "owner": "alice",
        "shared": True,
        "yaml": GOOD,
    }
    assert Template.objects.get().owner == alice


def test_what_one_call_gives_another_takes(api):
    load()
    for template in api.get("/v1/templates").json():
        file = api.get(f"/v1/templates/{template['slug']}").json()
        made = api.post("/v1/templates", {"yaml": file["yaml"]}, format="json")
        assert made.status_code == 201
        assert made.json()["yaml"] == file["yaml"]


REFUSED = [
    ({}, {"yaml": ["Send the template's YAML as text."]}),
    ({"yaml": ["x"]}, {"yaml": ["Send the template's YAML as text."]}),
    (
        {"yaml": GOOD, "shared": "perhaps"},
        {"shared": ["Write true or false, without quotes."]},
    ),
    (
        {"yaml": GOOD, "name": "x"},
        {"name": ['There is no "name". There is: shared, yaml.']},
    ),
    (
        {"yaml": GOOD.replace("8000", "x")},
        {"yaml": ["Line 6, port: write a whole number from 1 to 65535."]},
    ),
    (
        {"yaml": GOOD.replace("cpu", "huge")},
        {"yaml": ["Line 4, tier: there is no tier “huge” here. There is: cpu."]},
    ),
]


@pytest.mark.parametrize(("body", "fields"), REFUSED)
def test_a_refusal_names_the_field_and_the_line(api, body, fields):
    answer = api.post("/v1/templates", body, format="json")
    assert answer.status_code == 400
    assert answer.json()["error"]["fields"] == fields
    assert not Template.objects.exists()


def test_too_many_are_a_conflict(api, monkeypatch):
    monkeypatch.setattr(own, "OWN_MAX", 0)
    answer = api.post("/v1/templates", {"yaml": GOOD}, format="json")
    assert answer.status_code == 409
    assert "the most there can be" in answer.json()["error"]["message"]


def test_others_see_what_is_shared_and_delete_nothing(api, charlies):
    api.post("/v1/templates", {"yaml": GOOD}, format="json")
    path = "/v1/templates/alice--echo"
    assert charlies.get("/v1/templates").json() == []
    assert charlies.get(path).status_code == 404
    Template.objects.update(shared=True)
    assert [t["owner"] for t in charlies.get("/v1/templates").json()] == ["alice"]
    assert charlies.get(path).json()["yaml"] == GOOD
    assert charlies.delete(path).status_code == 404
    assert Template.objects.exists()


def test_an_owner_deletes_it_once(api):
    api.post("/v1/templates", {"yaml": GOOD}, format="json")
    assert api.delete("/v1/templates/alice--echo").status_code == 204
    again = api.delete("/v1/templates/alice--echo")
    assert again.status_code == 404
    message = 'You have no template "alice--echo".'
    assert again.json()["error"]["message"] == message


def test_the_catalogues_cannot_be_deleted(api):
    load()
    assert api.get("/v1/templates/automatic1111").json()["owner"] is None
    assert api.delete("/v1/templates/automatic1111").status_code == 404


def test_the_list_asks_as_often_for_many_as_for_one(
    api, alice, django_assert_max_num_queries
):
    for _ in range(5):
        own.add(alice, own.read(GOOD))
    api.get("/v1/templates")
    with django_assert_max_num_queries(3):
        assert len(api.get("/v1/templates").json()) == 5
