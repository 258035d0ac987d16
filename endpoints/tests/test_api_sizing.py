"""REST: wake, sleep, keep warm, the weekly schedule."""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine

from endpoints.models import Endpoint
from endpoints.steps import Reason
from endpoints.tests.factories import EndpointFactory, caller

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 3, 2, 12, 5, tzinfo=UTC)  # a Monday
OFFICE = {"days": ["mon", "tue"], "begins": "09:00", "ends": "18:00", "min_replicas": 2}


@pytest.fixture
def art(alice):
    return EndpointFactory(
        name="art", owner=alice, min_replicas=0, max_replicas=3, target_count=0
    )


@pytest.fixture
def api(alice, art):
    return caller(alice)


def post(api, verb, **body):
    return api.post(f"/v1/endpoint/art/{verb}", body, format="json")


def put(api, **body):
    return api.put("/v1/endpoint/art/schedule", body, format="json")


def told(endpoint):
    return [(e.reason, e.actor) for e in endpoint.events.order_by("id")]


def refused(answer, field):
    assert answer.status_code == 400, answer.json()
    return answer.json()["error"]["fields"][field]


# --- Whose it is ------------------------------------------------------------------
@pytest.mark.parametrize(
    ("method", "verb"),
    [("post", "wake"), ("post", "sleep"), ("post", "keep-warm"),
     ("put", "schedule"), ("get", "schedule")],
)  # fmt: skip
def test_someone_elses_is_not_there(charlie, art, method, verb):
    answer = getattr(caller(charlie), method)(
        f"/v1/endpoint/art/{verb}", {"seconds": 5, "windows": []}, format="json"
    )
    assert answer.status_code == 404
    assert told(art) == []


# --- Wake and sleep ---------------------------------------------------------------
def test_it_is_woken_once_and_put_to_sleep(api, art):
    woken = post(api, "wake").json()
    assert (woken["changed"], woken["wanted"], woken["minimum"]) == (True, 1, 0)
    assert post(api, "wake").json()["changed"] is False
    slept = post(api, "sleep").json()
    assert (slept["changed"], slept["wanted"]) == (True, 0)
    assert post(api, "sleep").json()["changed"] is False
    assert told(art) == [(Reason.WOKEN, "alice"), (Reason.SLEPT, "alice")]


def test_what_is_paused_is_not_woken(api):
    Endpoint.objects.update(paused=True)
    answer = post(api, "wake")
    assert answer.status_code == 409
    assert answer.json()["error"]["message"].startswith("It is paused.")


def test_what_must_run_says_what_keeps_it(api):
    Endpoint.objects.update(min_replicas=1, target_count=1)
    answer = post(api, "sleep")
    assert answer.status_code == 409
    assert "Set the minimum to 0" in answer.json()["error"]["message"]
    assert Endpoint.objects.get().wanted_count == 1


@pytest.mark.parametrize("verb", ["wake", "sleep", "keep-warm"])
def test_what_goes_away_is_left_alone(api, verb):
    Endpoint.objects.update(deleting=True)
    assert post(api, verb, seconds=5).status_code == 409


# --- Keep warm --------------------------------------------------------------------
@pytest.mark.parametrize(
    ("body", "until"),
    [
        ({"seconds": 3600}, NOON + timedelta(hours=1)),
        ({"until": "2026-03-02T18:00:00Z"}, NOON.replace(hour=18, minute=0)),
        ({"until": "2026-03-02T18:00:00+01:00"}, NOON.replace(hour=17, minute=0)),
    ],
)
def test_it_is_kept_warm_until_then(api, art, body, until):
    with time_machine.travel(NOON, tick=False):
        shown = post(api, "keep-warm", **body).json()
        assert datetime.fromisoformat(shown["warm_until"]) == until
        assert (shown["changed"], shown["wanted"], shown["minimum"]) == (True, 1, 1)
        whole = api.get("/v1/endpoint/art").json()
    assert whole["warm_until"] == shown["warm_until"]
    assert told(art)[0] == (Reason.WARMED, "alice")


def test_warmth_is_taken_back(api, art):
    post(api, "keep-warm", seconds=60)
    shown = post(api, "keep-warm", until=None).json()
    assert (shown["warm_until"], shown["minimum"]) == (None, 0)
    assert post(api, "keep-warm", until=None).json()["changed"] is False


@pytest.mark.parametrize(
    ("body", "field", "said"),
    [
        ({}, "until", "Send either until or seconds."),
        ({"until": None, "seconds": 5}, "until", "Send either until or seconds."),
        ({"until": "soon"}, "until", "Write a time as in ISO 8601"),
        ({"until": "2026-03-02T12:00:00Z"}, "until", "That time is over."),
        ({"until": "2026-06-02T12:00:00Z"}, "until", "Keep it warm for 31 days at"),
        ({"seconds": 0}, "seconds", "Enter 1 to 2,678,400 seconds."),
        ({"secnds": 5}, "secnds", 'There is no "secnds". Did you mean "seconds"?'),
    ],
)
def test_a_time_that_cannot_be_is_refused(api, body, field, said):
    with time_machine.travel(NOON, tick=False):
        (text,) = refused(post(api, "keep-warm", **body), field)
    assert text.startswith(said)
    assert Endpoint.objects.get().warm_until is None


# --- The schedule -----------------------------------------------------------------
def test_a_schedule_is_replaced_and_read_back(api, art):
    none = api.get("/v1/endpoint/art/schedule").json()
    assert none == {"time_zone": "", "windows": [], "minimum": 0, "changes_at": None}
    with time_machine.travel(NOON, tick=False):
        shown = put(api, time_zone="Europe/Berlin", windows=[OFFICE]).json()
        assert shown == {
            "time_zone": "Europe/Berlin",
            "windows": [OFFICE],
            "minimum": 2,
            "changes_at": "2026-03-02T17:00:00Z",
        }
        assert api.get("/v1/endpoint/art/schedule").json() == shown
        night = {**OFFICE, "begins": "22:00", "ends": "06:00", "min_replicas": 0}
        assert put(api, windows=[night]).json()["windows"] == [night]
    art.refresh_from_db()
    assert art.schedule_zone == "Europe/Berlin"
    assert {reason for reason, _ in told(art)} == {Reason.SCHEDULED}


@pytest.mark.parametrize(
    ("change", "field", "said"),
    [
        ({"days": []}, "days", "Choose at least one day."),
        (
            {"days": ["moon"]},
            "days.0",
            "Choose from mon, tue, wed, thu, fri, sat, sun.",
        ),
        ({"days": "mon"}, "days", "Send a list."),
        ({"begins": "9"}, "begins", 'Write a time of day, such as "09:00".'),
        ({"ends": None}, "ends", 'Write a time of day, such as "09:00".'),
        ({"min_replicas": 4}, "min_replicas", "Keep at most 3, or raise the maximum"),
        ({"min_replicas": -1}, "min_replicas", "Keep at least 0 replicas."),
        ({"min": 1}, "min", 'There is no "min".'),
    ],
)
def test_a_wrong_window_is_named(api, change, field, said):
    answer = put(api, windows=[OFFICE, {**OFFICE, **change}])
    assert said in refused(answer, f"windows.1.{field}")[0]
    assert not Endpoint.objects.get().windows.exists()


@pytest.mark.parametrize(
    ("body", "field", "said"),
    [
        ({"windows": [OFFICE], "time_zone": "Mars"}, "time_zone", "Write a time zone"),
        ({}, "windows", "Send a list of windows; an empty one is no schedule."),
        ({"windows": None}, "windows", "Send a list of windows"),
        ({"windows": OFFICE}, "windows", "Send a list of windows"),
        ({"windows": [OFFICE] * 21}, "windows", "Keep it to 20 times of the week."),
    ],
)
def test_a_wrong_schedule_is_refused(api, body, field, said):
    assert said in str(refused(put(api, **body), field))


def test_midnight_is_a_time_of_day(api):
    day = {**OFFICE, "begins": "00:00", "ends": "24:00"}
    (shown,) = put(api, windows=[day]).json()["windows"]
    assert (shown["begins"], shown["ends"]) == ("00:00", "00:00")
