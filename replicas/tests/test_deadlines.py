"""Nothing waits for ever: every state on its way somewhere has a limit."""

import re
from dataclasses import replace
from datetime import timedelta

import pytest
from django.conf import settings

from replicas.reconciler.actions import Act
from replicas.reconciler.plan import plan
from replicas.reconciler.steps import STEPS, backoff
from replicas.states import MOVES
from replicas.states import ReplicaState as S
from replicas.tests.test_plan import (
    LIMITS,
    NOW,
    ago,
    ask,
    container,
    created,
    replica,
    running,
    world,
)

# Where a replica may stay: it serves, or nothing of it is left.
RESTING = {S.READY, S.STOPPED}
ON_THE_WAY = [state for state in S if state not in RESTING]
CONTAINERS = {
    "none": None,
    "created": created,
    "running": running,
    "exited": container(running=False, ended=86_400),
}
LONGEST = max(LIMITS.fetch, LIMITS.shrink, timedelta(seconds=600))


def facts(state, at):
    """A row of this state whose every step was taken at that time."""
    held = {"started_at": at} if state not in (S.WAITING, S.ASSIGNED) else {}
    if state is S.PULLING:
        held = {}
    if state is S.UNHEALTHY:
        held |= {"ready_at": at, "silent_since": at}
    if state is S.FAILED:
        held |= {"retry_at": at + timedelta(seconds=backoff(1)), "failures": 1}
    return replica(state, since=at, **held)


def a_world(row, its, **rest):
    held = {(row.id, row.attempt): its} if its else {}
    return world(row, containers=held, **rest)


def test_the_states_are_those_of_the_code():
    assert set(STEPS) == set(S) - {S.STOPPED}
    assert {state for state in S if not MOVES[state]} == {S.STOPPED}


@pytest.mark.parametrize("kind", CONTAINERS)
@pytest.mark.parametrize("state", ON_THE_WAY)
def test_a_state_that_began_long_ago_is_acted_on(state, kind):
    for wanted in (0, 1):
        row = facts(state, NOW - 2 * LONGEST)
        todo = plan(a_world(row, CONTAINERS[kind], wanted=wanted), NOW, LIMITS)
        assert [a for a in todo.actions if isinstance(a, Act)], (state, kind)


@pytest.mark.parametrize("kind", CONTAINERS)
@pytest.mark.parametrize("state", ON_THE_WAY)
def test_a_state_that_began_now_is_acted_on_or_has_a_limit(state, kind):
    todo = plan(a_world(facts(state, NOW), CONTAINERS[kind]), NOW, LIMITS)
    assert todo.actions or NOW <= todo.again <= NOW + LONGEST, (state, kind)


def test_an_image_that_does_not_come_fails_the_attempt():
    late = replica(S.PULLING, since=NOW - LIMITS.fetch)
    assert ask(world(late)) == [("fetch_timeout", 1)]
    assert ask(world(late, images=frozenset({1}))) == [("launch", 1)]
    assert plan(world(facts(S.PULLING, NOW)), NOW, LIMITS).again == NOW + LIMITS.fetch


@pytest.mark.parametrize("state", ON_THE_WAY)
def test_every_deadline_is_explained(state):
    text = (settings.BASE_DIR / "docs" / "life-of-an-endpoint.md").read_text()
    table = text.partition("## Deadlines")[2].partition("\n## ")[0]
    rows = re.findall(rf"^\| {state.value} \| (.+?) \| (.+?) \|$", table, re.MULTILINE)
    assert len(rows) == 1


# --- the clock was set ----------------------------------------------------------


def moved(row, hours):
    """The same row after the clock was set: back, where its times are still to come."""
    names = ("since", "started_at", "ready_at", "silent_since", "retry_at")
    later = {
        name: at + timedelta(hours=hours)
        for name in names
        if (at := getattr(row, name)) is not None
    }
    return replace(row, **later)


@pytest.mark.parametrize("hours", [1, -24])
@pytest.mark.parametrize("state", ON_THE_WAY)
def test_no_state_waits_for_a_clock_that_was_set(state, hours):
    row = moved(facts(state, ago(30)), hours)
    for its in CONTAINERS.values():
        assert plan(a_world(row, its), NOW, LIMITS).actions
