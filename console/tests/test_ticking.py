"""Beat sends its sweeps also where somebody sets the clock."""

from datetime import UTC, datetime, timedelta

import pytest
from celery import Celery

from console.ticking import SteadyScheduler, pulse_file

SWEEP = 10.0


class Clocks:
    """The wall clock, which can be set, and the one that only measures."""

    def __init__(self):
        self.wall, self.measured = 1_900_000_000.0, 500.0

    def __call__(self):
        return self.wall

    def pass_(self, seconds):
        self.wall += seconds
        self.measured += seconds

    def now(self):
        return datetime.fromtimestamp(self.wall, UTC)


@pytest.fixture
def clocks(monkeypatch):
    made = Clocks()
    monkeypatch.setattr("console.ticking.time.time", made)
    monkeypatch.setattr("console.ticking.time.monotonic", lambda: made.measured)
    return made


@pytest.fixture
def beat(clocks, monkeypatch, tmp_path):
    app = Celery("beat", broker="memory://")
    app.conf.timezone = "UTC"
    app.conf.beat_schedule = {"sweep": {"task": "sweep", "schedule": SWEEP}}
    app.conf.beat_max_loop_interval = SWEEP
    monkeypatch.setattr(app, "now", clocks.now)
    made = SteadyScheduler(app, schedule_filename=str(tmp_path / "beat"), lazy=False)
    made.sent = []
    monkeypatch.setattr(made, "apply_entry", lambda *_, **__: made.sent.append(1))
    yield made
    made.close()


def sent_within(beat, clocks, seconds):
    """How many sweeps are sent while so much time passes."""
    before, end = len(beat.sent), clocks.measured + seconds
    while clocks.measured < end:
        clocks.pass_(max(0.01, beat.tick()))
    return len(beat.sent) - before


@pytest.mark.parametrize("by", [0, -3600, 3600, -90, 90])
def test_sweeps_go_on_as_before_when_the_clock_is_set(beat, clocks, by):
    assert sent_within(beat, clocks, 100) >= 9
    clocks.wall += timedelta(seconds=by).total_seconds()
    assert 8 <= sent_within(beat, clocks, 100) <= 11


def test_one_that_starts_after_the_clock_was_set_back_does_not_wait_for_it(
    beat, clocks
):
    for entry in beat.schedule.values():
        entry.last_run_at = clocks.now() + timedelta(hours=1)
    assert sent_within(beat, clocks, 100) >= 8


def test_what_went_out_leaves_a_pulse_and_what_did_not_leaves_none(
    clocks, settings, tmp_path, monkeypatch
):
    settings.ALIGHT_RUN = tmp_path
    app = Celery("beat", broker="memory://")
    made = SteadyScheduler(app, schedule_filename=str(tmp_path / "b"), lazy=False)
    entry = made.Entry(name="sweep", task="sweep", schedule=SWEEP, app=app)

    def away(*_, **__):
        raise OSError

    with monkeypatch.context() as broken:
        broken.setattr(made, "send_task", away)
        made.apply_entry(entry)
        assert not pulse_file().exists()
    made.apply_entry(entry)
    assert float(pulse_file().read_text()) == clocks.measured
    made.close()
