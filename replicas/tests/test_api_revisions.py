"""Revisions over the API: what became of each, and going back."""

import pytest

from endpoints import revisions, services
from endpoints.tests.factories import EndpointFactory, caller
from replicas.tests.factories import ReplicaFactory

WHY = "The registry answered “not found”."


@pytest.fixture
def drawing(alice):
    made = EndpointFactory(name="drawing", owner=alice)
    ReplicaFactory(endpoint=made, ready=True)
    revisions.settle(revisions.wanted(made))
    services.change(made, "alice", spec={**made.spec, "image": "lab/none:9"})
    made.refresh_from_db()
    return made


def states(answer):
    return [(row["revision"], row["state"]) for row in answer.json()]


def test_they_are_told_newest_first(alice, drawing):
    answer = caller(alice).get("/v1/endpoint/drawing/revisions")
    assert states(answer) == [(2, "rolling_out"), (1, "earlier")]
    newest = answer.json()[0]
    assert newest["changed"] == "Container image lab/app:1 → lab/none:9"
    assert (newest["image_url"], newest["actor"]) == ("lab/none:9", "alice")


def test_a_stopped_one_says_why(alice, drawing):
    revisions.stop(revisions.wanted(drawing), 1, WHY)
    answer = caller(alice).get("/v1/endpoint/drawing/revisions")
    assert states(answer) == [(2, "failed"), (1, "in_use")]
    assert answer.json()[0]["why"] == WHY


def test_going_back_and_on_again(alice, drawing):
    revisions.stop(revisions.wanted(drawing), 1, WHY)
    client = caller(alice)
    back = client.post("/v1/endpoint/drawing/revisions/1/rollback")
    assert states(back) == [(2, "failed"), (1, "in_use")]
    drawing.refresh_from_db()
    assert drawing.revision == 1
    on = client.post("/v1/endpoint/drawing/revisions/2/rollback")
    assert states(on) == [(2, "rolling_out"), (1, "earlier")]


def test_the_wanted_one_that_failed_is_tried_again(alice, drawing):
    revisions.stop(revisions.wanted(drawing), 1, WHY)
    answer = caller(alice).post("/v1/endpoint/drawing/revisions/2/rollback")
    assert states(answer) == [(2, "rolling_out"), (1, "earlier")]


@pytest.mark.parametrize("path", ["revisions", "revisions/1/rollback"])
def test_charlie_finds_nothing(charlie, drawing, path):
    client = caller(charlie)
    ask = client.post if path.endswith("rollback") else client.get
    assert ask(f"/v1/endpoint/drawing/{path}").status_code == 404


def test_what_never_was_cannot_be_gone_back_to(alice, drawing):
    answer = caller(alice).post("/v1/endpoint/drawing/revisions/7/rollback")
    assert answer.status_code == 404
    assert answer.json()["error"]["message"] == "drawing has no revision 7."


def test_what_is_being_deleted_stays_as_it_is(alice, drawing):
    services.delete(drawing, "alice")
    answer = caller(alice).post("/v1/endpoint/drawing/revisions/1/rollback")
    assert answer.status_code == 409
