"""What somebody is told who waits at the URL of an endpoint that starts."""

import pytest
from django.core.cache import cache
from django.test import Client

from endpoints import sizing
from endpoints.steps import Reason
from endpoints.tests.factories import EndpointFactory
from replicas.page.facts import Usual
from replicas.page.starting import start_of
from replicas.states import ReplicaState
from replicas.tests.factories import ReplicaFactory
from replicas.tests.page_facts import ago, event, facts, seen, start

PULL = {"text": "48%, 4.7 of 9.8 GB, about 28 s left", "part": 0.48}
PROBED = (event(Reason.PROBING_HEALTH, 5, path="/inner/health"),)
ZERO = {"min_replicas": 0, "target_count": 0}


@pytest.mark.parametrize(
    ("state", "known", "told"),
    [
        ("idle", facts(**ZERO), ("idle", "Waking up", "A replica is asked for.", None)),
        (
            "idle",
            facts(seen("stopping"), usual=Usual(start=51), **ZERO),
            ("idle", "Waking up", "A start usually takes about 50 s.", None),
        ),
        (
            "starting",
            facts(),
            ("starting", "Starting", "The replica is about to start.", None),
        ),
        (
            "starting",
            facts(seen("waiting", trouble_text="No A10 is free. It is 2nd in line.")),
            (
                "waiting",
                "Waiting for hardware",
                "No A10 is free. It is 2nd in line.",
                None,
            ),
        ),
        (
            "starting",
            facts(seen("waiting")),
            (
                "waiting",
                "Waiting for hardware",
                "It starts by itself as soon as some is free.",
                None,
            ),
        ),
        (
            "starting",
            facts(seen("assigned", events=start(5, upto=Reason.ASSIGNED))),
            ("starting", "Hardware assigned", "The image comes next.", None),
        ),
        (
            "starting",
            facts(seen("pulling", progress=PULL)),
            (
                "starting",
                "Pulling the image",
                "48%, 4.7 of 9.8 GB, about 28 s left.",
                0.48,
            ),
        ),
        (
            "starting",
            facts(seen("pulling"), spec={"build": "chat"}),
            ("starting", "Building the image", "It has just begun.", None),
        ),
        (
            "starting",
            facts(seen("starting", events=start(62, upto=Reason.CREATING))),
            (
                "starting",
                "Starting the container",
                "It has been asked to start.",
                None,
            ),
        ),
        (
            "starting",
            facts(seen("starting", events=PROBED), usual=Usual(answer=30)),
            (
                "starting",
                "Container started",
                "Waiting for its first answer, usually about 25 s more.",
                None,
            ),
        ),
        (
            "starting",
            facts(seen("ready")),
            ("starting", "Ready", "It answers in a moment.", None),
        ),
        (
            "failed",
            facts(seen("failed", trouble_text="It used all of its memory.\nmore")),
            ("failed", "The replica failed", "It used all of its memory.", None),
        ),
        (
            "failed",
            facts(seen("unhealthy", silent_since=ago(30))),
            (
                "failed",
                "Not answering",
                "The replica runs and does not answer. It is asked again and again.",
                None,
            ),
        ),
        (
            "paused",
            facts(paused=True),
            ("paused", "Paused", "It answers again once its owner resumes it.", None),
        ),
        (
            "starting",
            facts(deleting=True),
            ("failed", "Deleted", "This endpoint is going away.", None),
        ),
    ],
)
def test_who_waits_is_told_how_far_it_is(state, known, told):
    said = start_of(known, state)
    assert (said.state, said.title, said.detail, said.progress) == told


@pytest.mark.parametrize("upto", [None, *dict.fromkeys(e.reason for e in start(99))])
def test_neither_node_nor_image_nor_path_is_told(upto):
    """Whoever may call it need not be its owner."""
    for state in ("assigned", "pulling", "starting"):
        replica = seen(state, events=(*start(99, upto=upto), *PROBED), node_id="gpu-02")
        said = start_of(facts(replica), "starting")
        text = f"{said.title} {said.detail}"
        assert not [w for w in ("gpu-02", "lab/app", "/inner", "3000") if w in text]


# --- Asked each second -----------------------------------------------------------
@pytest.fixture
def asked(monkeypatch):
    # A second is soon over where the machine is busy.
    monkeypatch.setattr("replicas.views.waiting._FRESH", 60)
    cache.clear()
    yield lambda name="art", grant="public": Client().get(
        "/-/alight/start",
        headers={
            "X-Alight-Endpoint": name,
            **({"X-Alight-Grant": grant} if grant else {}),
        },
    )
    cache.clear()


@pytest.mark.django_db
def test_the_waiting_page_is_answered_without_a_session(asked):
    art = EndpointFactory(name="art", phase="starting")
    ReplicaFactory(endpoint=art, state=ReplicaState.STARTING)
    answer = asked()
    assert answer.status_code == 200
    assert "no-store" in answer["Cache-Control"]
    assert answer.json() == {
        "state": "starting",
        "title": "Starting the container",
        "detail": "It has been asked to start.",
        "progress": None,
    }


@pytest.mark.django_db
def test_many_who_wait_cost_as_much_as_one(asked, django_assert_max_num_queries):
    art = EndpointFactory(name="art", phase="waiting")
    ReplicaFactory(endpoint=art, state=ReplicaState.WAITING)
    with django_assert_max_num_queries(8):
        first = asked().json()
    with django_assert_max_num_queries(0):
        assert asked().json() == first


@pytest.mark.django_db
def test_who_waits_wakes_what_went_to_sleep_under_them(asked, monkeypatch):
    art = EndpointFactory(name="art", phase="idle", **ZERO)
    woken = []
    really = sizing.wake
    monkeypatch.setattr(
        "replicas.views.waiting.sizing.wake", lambda e: woken.append(1) or really(e)
    )
    assert {asked().json()["state"] for _ in range(5)} == {"idle"}
    assert woken == [1]
    art.refresh_from_db()
    assert art.wanted_count == 1
    assert art.events.get().reason == Reason.WOKEN
    cache.clear()
    assert asked().json()["state"] == "starting"
    assert woken == [1]


@pytest.mark.django_db
def test_who_may_not_call_wakes_nothing(asked):
    art = EndpointFactory(name="art", phase="idle", **ZERO)
    assert asked(grant="").status_code == 401
    art.refresh_from_db()
    assert art.wanted_count == 0


@pytest.mark.django_db
def test_a_failure_is_told_as_the_ingress_tells_it(asked):
    art = EndpointFactory(name="art", phase="failed")
    ReplicaFactory(
        endpoint=art, state=ReplicaState.FAILED, trouble_text="It ran out of memory."
    )
    assert asked().json()["state"] == "failed"
    assert asked().json()["detail"] == "It ran out of memory."


@pytest.mark.django_db
def test_who_showed_nothing_is_told_nothing(asked):
    EndpointFactory(name="art", phase="starting")
    answer = asked(grant="")
    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == "unauthorized"


@pytest.mark.django_db
def test_a_name_that_is_gone_is_unknown(asked):
    answer = asked(name="gone")
    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "unknown"


@pytest.mark.django_db
def test_the_consoles_own_host_has_no_such_address(asked):
    assert asked(name="").status_code == 404
