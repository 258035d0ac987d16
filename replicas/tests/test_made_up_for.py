"""A database that was away for a moment: what it let fail is found by the next sweep,
which does not wait for beat."""

import pytest
from django.db import DataError, InterfaceError, OperationalError

from replicas import tasks
from replicas.runner import looking, main
from replicas.runner.main import Runner
from replicas.runner.sweeping import Sweeper


@pytest.fixture
def sweeps(monkeypatch):
    """One word for each sweep of this worker. away: errors of the next ones."""

    class Sweeps(list):
        away = ()

    made = Sweeps()

    def sweep(call):
        made.append("swept")
        if made.away:
            raise made.away.pop(0)

    monkeypatch.setattr(tasks, "_rhythm", tasks._Rhythm())
    monkeypatch.setattr(tasks.loop, "sweep", sweep)
    return made


def refusing(error):
    def refuse(*_):
        raise error

    return refuse


@pytest.mark.parametrize("error", [OperationalError("away"), InterfaceError("closed")])
def test_a_look_that_failed_is_followed_by_a_sweep(sweeps, monkeypatch, caplog, error):
    tasks.sweep_if_late()
    assert sweeps == []
    monkeypatch.setattr(tasks.loop, "reconcile", refusing(error))
    with pytest.raises(type(error)):
        tasks.reconcile(7)
    assert "Something was left undone, which a sweep makes up for" in caplog.messages
    tasks.sweep_if_late()
    tasks.sweep_if_late()
    assert sweeps == ["swept"]


def test_celery_does_not_tell_it_once_more(sweeps, monkeypatch, caplog):
    monkeypatch.setattr(tasks.loop, "reconcile", refusing(OperationalError("away")))
    done = tasks.reconcile.apply((7,))
    assert isinstance(done.result, OperationalError)
    told = [record for record in caplog.records if record.levelname == "ERROR"]
    assert [record.name for record in told] == ["replicas.tasks"]


def test_what_is_wrong_with_a_row_is_not_tried_again_and_again(sweeps, monkeypatch):
    monkeypatch.setattr(tasks.loop, "reconcile", refusing(DataError("too long")))
    with pytest.raises(DataError):
        tasks.reconcile(7)
    tasks.sweep_if_late()
    assert sweeps == []


def test_a_sweep_that_failed_is_made_again_until_one_succeeds(sweeps):
    sweeps.away = [OperationalError("away"), OperationalError("away")]
    for _ in range(2):
        with pytest.raises(OperationalError):
            tasks.sweep() if not sweeps else tasks.sweep_if_late()
    tasks.sweep_if_late()
    tasks.sweep_if_late()
    assert sweeps == ["swept"] * 3


async def test_a_container_that_ended_meanwhile_is_found(sweeps, monkeypatch, caplog):
    monkeypatch.setattr(
        looking.Endpoint, "objects", Away(OperationalError("no connection"))
    )
    await looking.look_by_name("art")
    assert "looking at endpoint “art” failed" in caplog.text
    await Sweeper().sweep()
    assert sweeps == ["swept"]


async def test_what_was_lost_with_valkey_is_made_up_for_once_both_are_back(
    sweeps, monkeypatch
):
    told = []
    sweeps.away = [OperationalError("away")]
    monkeypatch.setattr(main.loop, "tell_everyone", lambda: told.append("told"))
    monkeypatch.setattr(main, "_RETURN", 0)
    monkeypatch.setattr(main, "_INTERVAL", 0)
    await Runner()._catch_up()
    assert sweeps == ["swept"] * 2
    assert told == ["told"]


class Away:
    """A model's manager whose database does not answer."""

    def __init__(self, error):
        self._error = error

    def filter(self, **_):
        raise self._error
