"""The truth table of an endpoint's phase, row by row."""

from itertools import product

import pytest

from endpoints.states import Phase, derive_phase

READY, FAILED, STOPPED = "ready", "failed", "stopped"
COMING = ["assigned", "pulling", "starting"]
STATES = ["waiting", *COMING, READY, "unhealthy", FAILED, "stopping", STOPPED]


@pytest.mark.parametrize(
    ("deleting", "paused", "wanted", "replicas", "phase"),
    [
        (True, False, 1, [READY], Phase.DELETING),
        (True, True, 0, [], Phase.DELETING),
        (False, False, 1, [READY, FAILED, "unhealthy"], Phase.READY),
        (False, False, 0, [READY], Phase.READY),
        (False, False, 2, ["unhealthy", FAILED], Phase.UNHEALTHY),
        (False, True, 0, [READY], Phase.STOPPING),
        (False, True, 0, ["stopping", STOPPED], Phase.STOPPING),
        (False, True, 0, [FAILED], Phase.STOPPING),
        (False, True, 0, [], Phase.PAUSED),
        (False, True, 0, [STOPPED], Phase.PAUSED),
        (False, False, 0, ["stopping"], Phase.STOPPING),
        (False, False, 0, [], Phase.IDLE),
        (False, False, 0, [STOPPED, STOPPED], Phase.IDLE),
        (False, False, 1, [FAILED], Phase.FAILED),
        (False, False, 2, [FAILED, "pulling"], Phase.FAILED),
        *((False, False, 1, [state], Phase.STARTING) for state in COMING),
        (False, False, 2, ["waiting", "starting"], Phase.STARTING),
        (False, False, 1, ["waiting"], Phase.WAITING),
        (False, False, 1, [], Phase.WAITING),
        (False, False, 1, [STOPPED], Phase.WAITING),
        (False, False, 1, ["stopping"], Phase.WAITING),
    ],
)
def test_phase(deleting, paused, wanted, replicas, phase):
    found = derive_phase(
        deleting=deleting, paused=paused, wanted=wanted, replicas=replicas
    )
    assert found is phase


def test_history_never_decides():
    """A stopped replica beside others changes nothing, in any situation."""
    flags = product([True, False], [True, False], [0, 1])
    for (deleting, paused, wanted), state in product(flags, STATES):
        facts = {"deleting": deleting, "paused": paused, "wanted": wanted}
        alone = [] if state == STOPPED else [state]
        assert derive_phase(**facts, replicas=alone) == derive_phase(
            **facts, replicas=[*alone, STOPPED]
        )
