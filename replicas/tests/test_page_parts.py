"""Bubbles, the step track, the timeline, ribbons, the list and the words."""

from datetime import timedelta

import pytest

from endpoints.steps import Reason
from replicas.page import details, listing
from replicas.page.bubbles import bubbles
from replicas.page.facts import Usual, usual_times
from replicas.page.readout import readout
from replicas.page.ribbons import ribbons
from replicas.page.timeline import dialog
from replicas.page.track import track
from replicas.page.words import ago as age
from replicas.page.words import elapsed, lower_first
from replicas.tests.page_facts import (
    NOW,
    ago,
    endpoint,
    event,
    facts,
    place,
    seen,
    start,
    text,
)

PULL = {"text": "48%, 4.7 of 9.8 GB", "part": 0.48, "label": "Pulling 48%"}


def captions(known):
    return [(b.state, b.name, text(b.caption)) for b in bubbles(known)]


# --- Bubbles -------------------------------------------------------------------
@pytest.mark.parametrize(
    ("replica", "caption"),
    [
        (seen("waiting", since=ago(90)), "Waiting 1 min 30 s"),
        (seen("assigned"), "Assigned"),
        (seen("pulling", progress=PULL), "Pulling 48%"),
        (seen("pulling"), "Pulling"),
        (seen("starting", since=ago(14)), "Starting 14 s"),
        (seen("starting", since=ago(754)), "Starting 12 min"),
        (seen("ready", ready_at=ago(3)), "Ready 3 s"),
        (seen("ready", ready_at=ago(23298)), "Ready 6 h 28 min"),
        (seen("unhealthy"), "Not answering"),
        (seen("failed"), "Failed"),
        (seen("stopping"), "Stopping"),
    ],
)
def test_a_bubble_says_its_state_and_how_far_it_is(replica, caption):
    assert captions(facts(replica)) == [(replica.state, "Replica 1", caption)]


def test_slots_fill_up_to_the_maximum():
    known = facts(seen("ready", 2, ready_at=ago(5)), target_count=2, max_replicas=3)
    assert captions(known)[1:] == [
        ("slot", "Standby", "Starts soon"),
        ("slot", "Standby", "Starts on demand"),
    ]


def test_one_that_stops_leaves_its_place_to_another():
    known = facts(seen("stopping", 1), seen("ready", 2), target_count=2, max_replicas=3)
    assert captions(known)[2:] == [("slot", "Standby", "Starts soon")]


def test_slots_of_an_endpoint_at_zero_start_on_demand():
    asleep = facts(min_replicas=0, target_count=0, max_replicas=2)
    assert captions(asleep) == [("slot", "Standby", "Starts on demand")] * 2


def test_slots_of_a_paused_endpoint_start_on_resume():
    assert captions(facts(paused=True)) == [("slot", "Standby", "Starts on resume")]


def test_more_replicas_than_the_maximum_are_all_shown():
    known = facts(seen("ready", 1), seen("starting", 2), max_replicas=1)
    assert [b.name for b in bubbles(known)] == ["Replica 1", "Replica 2"]


def test_percent_is_spoken_in_steps_of_ten():
    (bubble,) = bubbles(facts(seen("pulling", progress=PULL)))
    said = "Replica 1, pulling the image, 40 percent. Show timeline"
    assert bubble.spoken == said


# --- Step track ------------------------------------------------------------------
def steps_of(known):
    way = track(known, readout(known).replica)
    return way and [(s.name, s.phase, text(s.took)) for s in way.steps]


def test_the_track_of_a_pull():
    known = facts(seen("pulling", events=start(30, upto="PullingImage")))
    assert steps_of(known) == [
        ("Hardware", "done", "4 s"),
        ("Image", "now", "26 s"),
        ("Container", "next", ""),
        ("Running", "next", ""),
    ]


def test_the_track_of_a_failure():
    events = [
        *start(100, upto="WaitingForPort"),
        event(Reason.EXITED, 12, code=137),
        event(Reason.BACKING_OFF, 12, "Restart 1 follows in 10 s."),
    ]
    known = facts(seen("failed", events=events, exit_code=137))
    assert steps_of(known)[2:] == [
        ("Container", "fail", "exit 137"),
        ("Running", "next", ""),
    ]


def test_the_track_of_a_second_attempt_counts_from_there():
    events = [
        *start(300, upto="WaitingForPort"),
        event(Reason.EXITED, 200, code=1),
        event(Reason.BACKING_OFF, 200),
        event(Reason.RETRYING, 20),
        event(Reason.CREATING, 19),
        event(Reason.STARTED, 15),
        event(Reason.PROBING_PORT, 15, port=3000),
    ]
    known = facts(seen("starting", events=events))
    assert steps_of(known) == [
        ("Hardware", "done", "4 s"),
        ("Image", "done", "54 s"),
        ("Container", "now", "19 s"),
        ("Running", "next", ""),
    ]


def test_the_track_of_one_that_ended_while_it_served():
    events = [
        *start(200),
        event(Reason.EXITED, 12, code=1),
        event(Reason.FAILED, 11, "It exited 4 times in 5 minutes."),
    ]
    known = facts(seen("failed", events=events, exit_code=1))
    assert steps_of(known)[2:] == [
        ("Container", "done", "44 s"),
        ("Running", "fail", "exit 1"),
    ]


def test_the_track_stays_ten_minutes_after_ready():
    soon = facts(seen("ready", ready_at=ago(58), events=start(160)))
    late = facts(seen("ready", ready_at=ago(601), events=start(703)))
    assert steps_of(soon)[3] == ("Running", "done", "12:04:32 UTC")
    assert steps_of(late) is None


# --- Timeline ----------------------------------------------------------------------
def test_the_dialog_shows_what_was_what_is_and_what_comes():
    known = facts(seen("pulling", events=start(30, upto="PullingImage"), progress=PULL))
    told = dialog(known.replicas[0], known)
    assert [(li.title, li.phase, text(li.took)) for li in told.lines] == [
        ("Waiting for hardware", "done", "3 s"),
        ("Hardware assigned", "done", "1 s"),
        ("Pulling image", "now", "26 s"),
        ("Starting container", "next", ""),
        ("Waiting for port 3000 to answer", "next", ""),
        ("Replica is running", "next", ""),
    ]
    assert told.lines[2].meter == 0.48
    assert text(told.lines[2].more) == "48%, 4.7 of 9.8 GB"
    assert (told.took_word, text(told.took)) == ("So far", "30 s")


def test_a_running_replica_ends_with_running_once():
    known = facts(seen("ready", ready_at=ago(20), events=start(122)))
    told = dialog(known.replicas[0], known)
    kinds = [li.kind for li in told.lines]
    assert kinds.count("ready") == 1
    assert kinds[-1] == "ready"
    assert (told.took_word, text(told.took)) == ("Started in", "1 min 42 s")
    assert told.answering


def test_a_stopped_replica_is_complete():
    events = [*start(4000), event(Reason.STOPPING, 3010), event(Reason.STOPPED, 3000)]
    known = facts()
    ended = place(
        seen("stopped", events=events, gpu="", since=ago(3000)), known.endpoint
    )
    told = dialog(ended, known)
    assert told.ended
    assert told.gpu == "A10 24 GB"
    assert (told.took_word, text(told.took)) == ("Lasted", "16 min 40 s")
    assert [li.phase for li in told.lines if li.phase != "done"] == []


# --- Ribbons -----------------------------------------------------------------------
def test_a_ribbon_tells_the_last_hour():
    story = [
        event(Reason.WAITING, 3000),
        event(Reason.ASSIGNED, 2400),
        event(Reason.RUNNING, 1800),
        event(Reason.STOPPING, 600),
        event(Reason.STOPPED, 590),
    ]
    (ribbon,) = ribbons({1: 1}, story, NOW)
    assert [s.kind for s in ribbon.segments] == ["wait", "up", "ready"]
    assert ribbon.spoken == (
        "Replica 1, last hour: waiting for 10 min, starting for 10 min, "
        "ready for 20 min"
    )
    assert max(s.x + s.width for s in ribbon.segments) <= 1000


def test_a_replica_that_was_called_back_is_ready_again():
    story = [
        event(Reason.RUNNING, 1800),
        event(Reason.DRAINING, 600),
        event(Reason.CALLED_BACK, 300),
    ]
    (ribbon,) = ribbons({1: 1}, story, NOW)
    assert [s.kind for s in ribbon.segments] == ["ready", "ready"]
    assert ribbon.spoken == "Replica 1, last hour: ready for 25 min"


def test_a_ribbon_of_long_ago_is_left_out():
    story = [event(Reason.RUNNING, 9000), event(Reason.STOPPED, 8000)]
    assert ribbons({1: 1}, story, NOW) == []


def test_a_ribbon_moves_once_a_minute():
    story = [event(Reason.RUNNING, 9000)]
    later = NOW + timedelta(seconds=20)
    assert ribbons({1: 1}, story, NOW) == ribbons({1: 1}, story, later)


# --- History -----------------------------------------------------------------------
def test_estimates_are_the_median_of_earlier_starts():
    story = []
    for number, boot in enumerate((10, 30, 200), 1):
        story += [
            event(Reason.ASSIGNED, 900, replica_id=number),
            event(Reason.PROBING_PORT, 800, replica_id=number),
            event(Reason.PORT_ANSWERED, 800 - boot, replica_id=number),
            event(Reason.RUNNING, 800 - boot, replica_id=number),
        ]
    assert usual_times(story) == Usual(answer=30, start=130)


def test_without_history_there_is_no_estimate():
    assert usual_times([event(Reason.PROBING_PORT, 800)]) == Usual()


# --- The list ----------------------------------------------------------------------
@pytest.mark.parametrize(
    ("known", "word", "reason", "tone"),
    [
        (facts(seen("pulling", progress=PULL)), "Pulling 48%", "Replica 1 of 1", ""),
        (
            facts(seen("ready", ready_at=ago(9)), max_replicas=3),
            "Ready",
            "1 of up to 3",
            "",
        ),
        (
            facts(seen("ready"), seen("waiting", 2), max_replicas=2),
            "1 of 2 ready",
            "1 waiting for hardware",
            "",
        ),
        (
            facts(seen("failed", exit_code=1, trouble_text="It crashed.")),
            "Failed",
            "The container exited with code 1",
            "fail",
        ),
        (
            facts(seen("unhealthy", silent_since=ago(30))),
            "Not answering",
            "No answer for 30 s",
            "wait",
        ),
        (
            facts(min_replicas=0, target_count=0, usual=Usual(start=15)),
            "Scaled to zero",
            "Wakes on request, about 15 s",
            "",
        ),
        (facts(seen("waiting")), "Waiting 14 s", "Replica 1 of 1", "wait"),
        (facts(deleting=True), "Deleting", "", ""),
    ],
)
def test_a_row_says_why(known, word, reason, tone):
    row = listing.line(known)
    assert (text(row.word), text(row.reason), row.tone) == (word, reason, tone)


def test_a_paused_row_says_by_whom():
    pause = event(Reason.PAUSED, 2 * 86400)
    pause.actor = "ada"
    row = listing.line(facts(paused=True), pause)
    assert text(row.reason) == "by ada, 2 days ago"
    assert [m.state for m in row.minis] == ["stopped"]


def test_a_row_is_found_by_name_template_hardware_and_state():
    row = listing.line(facts(seen("ready"), template_name="Chat (vLLM)"))
    assert row.search_text == "drawing chat (vllm), medium a10 ready"


def test_the_tally_leaves_out_what_there_is_none_of():
    endpoints = [endpoint(phase=p) for p in ("ready", "idle", "paused", "waiting")]
    told = [(t.state, t.count, t.word) for t in listing.tally(endpoints)]
    assert told == [("ready", 1, "ready"), ("starting", 1, "starting"),
                    ("slot", 2, "at rest")]  # fmt: skip


# --- Details -----------------------------------------------------------------------
@pytest.mark.parametrize(
    ("known", "before", "note"),
    [
        (facts(seen("starting")), False, "This URL starts answering when the first"),
        (
            facts(seen("starting")),
            True,
            "Requests to this URL wait for a replica, 5 min at most.",
        ),
        (
            facts(seen("starting"), hold_seconds=0),
            True,
            "This URL answers 503 until a replica is",
        ),
        (
            facts(min_replicas=0, target_count=0, hold_seconds=0),
            True,
            "The next request to this URL wakes a replica, and gets a 503 itself.",
        ),
        (
            facts(seen("stopping"), min_replicas=0, target_count=0),
            True,
            "The next request to this URL wakes a replica.",
        ),
        (facts(seen("failed")), False, "This URL answers 503 until a replica is"),
        (facts(seen("ready")), True, ""),
        (facts(paused=True), True, "This URL answers 503 while the endpoint is paused"),
        (
            facts(min_replicas=0, target_count=0),
            True,
            "The next request to this URL wakes a replica.",
        ),
    ],
)
def test_the_url_says_what_it_does(known, before, note):
    said = details.url_note(known.endpoint, readout(known), answered_before=before)
    assert said.startswith(note)
    assert bool(said) == bool(note)


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({}, ""),
        ({"warm_until": ago(-7200)}, "kept warm until 14:05 UTC"),
        ({"warm_until": ago(-86400)}, "kept warm until Mon 12:05 UTC"),
        ({"warm_until": ago(60), "minimum_now": 0}, ""),
        ({"minimum_now": 2}, "now keep 2, by its schedule"),
        ({"minimum_now": 2, "warm_until": ago(-60)}, "now keep 2, by its schedule"),
        ({"minimum_now": 2, "paused": True}, ""),
    ],
)
def test_the_minimum_of_this_hour_is_told_where_it_is_another(columns, said):
    row = endpoint(min_replicas=0, max_replicas=3, **columns)
    assert text(details.minimum_words(row, NOW)) == said


def test_a_row_at_zero_says_how_long_nobody_asked():
    asleep = {"min_replicas": 0, "target_count": 0}
    assert text(listing.line(facts(**asleep)).aside) == "No traffic yet"
    row = listing.line(facts(**asleep, last_request_at=ago(1985)))
    assert text(row.aside) == "Idle for 33 min"


def test_the_requests_of_an_endpoint_are_among_its_settings():
    told = {s.name: s.text for s in details.configuration(endpoint(concurrency=16))}
    assert told["Requests"] == "16 at once per replica, wait up to 5 min for a replica"
    told = {s.name: s.text for s in details.configuration(endpoint(hold_seconds=0))}
    assert told["Requests"] == "16 at once per replica, do not wait"


def test_secrets_are_named_but_never_shown():
    env = [{"name": "HF_TOKEN", "value": "sealed", "secret": True}]
    raw = {**endpoint().spec, "env": env}
    row = endpoint()
    row.spec = raw
    (shown,) = [s for s in details.configuration(row) if s.name == "Environment"]
    assert shown.codes == (("HF_TOKEN", " (secret)"),)


# --- Words -------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("seconds", "fine", "words"),
    [(14.9, 60, "14 s"), (102, 3600, "1 min 42 s"), (102, 60, "1 min"),
     (-3, 60, "0 s"), (23298, 60, "6 h 28 min")],
)  # fmt: skip
def test_elapsed_is_coarse_when_it_may_be(seconds, fine, words):
    assert elapsed(seconds, fine) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(5, "just now"), (125, "2 min ago"), (7300, "2 h ago"), (90000, "1 day ago"),
     (200000, "2 days ago")],
)  # fmt: skip
def test_ages(seconds, words):
    assert age(seconds) == words


@pytest.mark.parametrize(
    ("text_", "inside"),
    [("Waiting for it", "waiting for it"), ("A10 24 GB", "A10 24 GB"), ("", "")],
)
def test_names_keep_their_capital_inside_a_sentence(text_, inside):
    assert lower_first(text_) == inside
