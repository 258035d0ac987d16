"""`manage.py reconcile`: the plan in words, and nothing touched by printing it."""

from typing import get_args

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from replicas.engine import names
from replicas.engine.base import Wanted
from replicas.reconciler.actions import Act, Verb
from replicas.reconciler.saying import in_words
from replicas.reconciler.snapshot import ReplicaFacts
from replicas.states import ReplicaState as S
from replicas.tests.house import House


@pytest.fixture
def house(valkey, monkeypatch, settings):
    made = House(monkeypatch)
    place = "replicas.management.commands.reconcile"
    monkeypatch.setattr(f"{place}.get_engine", lambda: made.engine)
    monkeypatch.setattr(f"{place}.get_ingress", lambda: made.ingress)
    return made


@pytest.fixture
def told(capsys):
    def ask(*words):
        capsys.readouterr()
        call_command("reconcile", "--dry-run", *words)
        return capsys.readouterr().out.splitlines()

    return ask


pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.valkey]


def test_the_plan_is_printed_and_nothing_is_touched(house, told):
    house.has_image()
    art, chat = house.endpoint(name="art"), house.endpoint(name="chat")
    house.settle(chat)
    before = (house.engine.observe({}), dict(house.ingress.routes))
    with CaptureQueriesContext(connection) as asked:
        lines = told()
    assert lines[:2] == ["art (waiting, 0 of 1 ready)", "  add replica 1"]
    assert lines[2] == "chat (starting, 0 of 1 ready)"
    assert "  nothing to do" in lines[3:]
    assert "art has no route in the ingress." in lines
    assert (house.engine.observe({}), dict(house.ingress.routes)) == before
    assert [q["sql"] for q in asked if not q["sql"].startswith("SELECT")] == []
    assert house.states(art) == []


def test_it_is_the_plan_that_is_carried_out(house, told):
    house.has_image()
    art = house.endpoint(name="art")
    house.up(art)
    (replica,) = house.replicas(art)
    house.world.crash(replica.container_id)
    assert any("has ended" in line for line in told("art"))
    call_command("reconcile", "--once", "art")
    assert house.states(art) == [S.FAILED]


def test_a_container_whose_endpoint_is_gone_is_named(house, told, settings):
    house.has_image()
    labels = names.container_labels(settings.ALIGHT_INSTALLATION, "old", 9, 1)
    wanted = Wanted("alight-old", "lab/app:1", labels, 7860, "node-1")
    house.engine.create(wanted)
    assert "remove alight-old: its endpoint is gone" in told()


def test_without_the_engine_it_says_so(house):
    house.endpoint(name="art")
    house.world.down = True
    with pytest.raises(CommandError, match="doctor says more"):
        call_command("reconcile", "--dry-run")


def test_a_name_that_is_not_there(db):
    with pytest.raises(CommandError, match="There is no endpoint “nosuch”"):
        call_command("reconcile", "--dry-run", "nosuch")


def test_every_verb_has_its_words():
    replica = ReplicaFacts(7, 2, 1, 1, S.READY, timezone.now())
    for verb in get_args(Verb):
        assert "replica 2 (id 7)" in in_words(Act(verb, replica))
