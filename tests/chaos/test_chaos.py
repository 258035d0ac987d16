"""The short form of a run: a few rounds of a seed that is always the same.

`make chaos` plays as long as you like; docs/chaos.md says how to read what it tells.
"""

import math
from itertools import islice

import pytest

from tests.chaos.plan import rounds
from tests.chaos.run import Run
from tests.chaos.stage import stage

pytestmark = [pytest.mark.e2e, pytest.mark.docker, pytest.mark.haproxy]

SEED, ROUNDS = 9, 4
# Far more than a mend takes: here other tests run beside it.
PATIENCE = 120


def test_nothing_is_lost_in_a_few_rounds(tmp_path):
    plan = list(islice(rounds(SEED), ROUNDS))
    with stage(tmp_path) as where:
        run = Run(where, SEED, tmp_path)
        run.patience = PATIENCE
        report = run.play(plan, math.inf)
    assert not report.violations, report.text()
    assert report.rounds == ROUNDS
    assert report.looks > ROUNDS
    # One that met nothing is not counted as struck.
    faults = sum(len(one.faults) for one in plan)
    assert report.struck.total() + report.missed.total() == faults
    assert report.struck.total() > faults / 2
