"""What a run came to can be read by people and by programs."""

import json

from tests.chaos.report import Report, Violation


def test_it_counts_faults_and_says_how_long_the_mend_took():
    report = Report(42, seconds=60, rounds=2)
    report.struck.update(["web killed", "web killed", "disk full"])
    report.missed["web killed"] += 1
    report.mends = {"web killed": [1.0, 3.0], "disk full": [8.0]}
    text = report.text()
    assert "Seed 42: 2 rounds in 60 s" in text
    assert "web killed" in text
    line = next(row for row in text.splitlines() if row.startswith("web killed"))
    assert line.split()[-4:] == ["2", "1", "2.0s", "3.0s"]
    assert "0 violated invariants" in text
    told = json.loads(report.json())
    assert told["struck"] == {"web killed": 2, "disk full": 1}
    assert told["mends"]["disk full"] == [8.0]


def test_a_violation_names_the_round_the_step_and_its_evidence():
    report = Report(42)
    report.violations.append(Violation(3, "pause", "no wish lost", ["c is gone"], "f"))
    text = report.text()
    assert "1 violated invariants" in text
    for word in ("round 3, pause: no wish lost", "c is gone", "see f"):
        assert word in text
    assert json.loads(report.json())["violations"][0]["round"] == 3
