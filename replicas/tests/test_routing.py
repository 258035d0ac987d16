"""What the ingress says while nobody answers, row by row."""

import pytest

from endpoints.states import Phase, derive_phase
from replicas.routing import state_of
from replicas.tests.page_facts import endpoint, seen

COMING = ["assigned", "pulling", "starting"]


@pytest.mark.parametrize(
    ("paused", "wanted", "replicas", "said"),
    [
        (True, 1, ["starting"], "paused"),
        (False, 0, [], "idle"),
        (False, 0, ["stopping"], "idle"),
        (False, 1, ["stopping"], "starting"),
        (False, 1, [], "starting"),
        (False, 1, ["waiting"], "starting"),
        *((False, 1, [state], "starting") for state in COMING),
        (False, 1, ["failed"], "failed"),
        (False, 1, ["unhealthy"], "failed"),
        (False, 2, ["failed", "failed"], "failed"),
        (False, 2, ["failed", "stopping"], "failed"),
        # In line for hardware: nobody knows when, and why the other failed is known.
        (False, 2, ["failed", "waiting"], "failed"),
        *((False, 2, ["failed", state], "starting") for state in COMING),
        *((False, 2, ["unhealthy", state], "starting") for state in COMING),
    ],
)
def test_what_holds_while_nobody_answers(paused, wanted, replicas, said):
    phase = derive_phase(
        deleting=False, paused=paused, wanted=wanted, replicas=replicas
    )
    asked = endpoint(
        paused=paused,
        phase=phase,
        min_replicas=0,
        max_replicas=3,
        target_count=wanted,
    )
    living = [seen(state, number).replica for number, state in enumerate(replicas, 1)]
    assert state_of(asked, living) == said


def test_the_phase_is_failed_where_one_failed_and_another_comes():
    """The page names the failure; only who waits at the URL waits on."""
    found = derive_phase(
        deleting=False, paused=False, wanted=2, replicas=["failed", "starting"]
    )
    assert found is Phase.FAILED
