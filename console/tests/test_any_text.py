"""Text that PostgreSQL refuses is kept as it can be; all else is kept as it is."""

from __future__ import annotations

import pytest

from console.postgres.text import kept, kept_within
from endpoints.models import Endpoint, Event
from endpoints.steps import Reason
from endpoints.tests.factories import EndpointFactory, caller
from endpoints.timeline import record
from replicas.models import Sample

HOSTILE = "a\x00b \ud800 c"


def test_what_cannot_be_kept_becomes_a_sign_for_it():
    assert kept(HOSTILE) == "a�b � c"
    fine = "Zoë 🔥 \x1b[31m\t\n � \\u0000"
    assert kept(fine) == fine


def test_it_is_looked_for_in_all_of_a_json():
    given = {"a\x00": ["\x00", {"b": ("\ud800", 1, None, True)}], "c": 1.5}
    assert kept_within(given) == {"a�": ["�", {"b": ["�", 1, None, True]}], "c": 1.5}


@pytest.mark.django_db
def test_a_row_is_kept_whatever_a_container_printed():
    endpoint = EndpointFactory()
    told = record(endpoint, Reason.FAILED, "a\x00b", data={"tail": ["c\x00", "d"]})
    kept_one = Event.objects.get(pk=told.pk)
    assert kept_one.message in {"a\x00b", "a�b"}
    assert kept_one.data["tail"][1] == "d"


@pytest.mark.django_db
@pytest.mark.postgres
def test_half_a_pair_is_kept_as_a_sign_too():
    endpoint = EndpointFactory(description=HOSTILE)
    record(endpoint, Reason.FAILED, HOSTILE, data={HOSTILE: [HOSTILE]})
    assert Endpoint.objects.get().description == "a�b � c"
    assert Event.objects.get().data == {"a�b � c": ["a�b � c"]}


@pytest.mark.django_db
def test_a_question_with_it_finds_nothing_and_breaks_nothing(alice):
    EndpointFactory(owner=alice, name="art")
    assert not Endpoint.objects.filter(name="art\x00").exists()
    assert caller(alice).get("/v1/endpoint/ar%00t").status_code == 404
    assert not Sample.objects.filter(data__has_key="a\x00").exists()
