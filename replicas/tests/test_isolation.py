"""Who puts the rules up, when, and what is said where it cannot be done."""

import json

import pytest

from replicas.engine import names
from replicas.engine.base import EngineRefused, Wanted
from replicas.engine.fake import FakeEngine, FakeImage, World
from replicas.isolation import fencing, keeping
from replicas.isolation.fencing import NotFenced
from replicas.isolation.rules import Fence, digest
from replicas.runner import isolating
from replicas.tests.filters import BARE, DOCKER, Filters

FENCE = Fence("alight00000001")


class Place(Filters):
    root = ""


# --- Putting up ------------------------------------------------------------------
def test_rules_are_put_up_once():
    place = Place()
    assert fencing.put_up(place, FENCE) == "iptables"
    assert [program for program, _ in place.changes] == [
        "iptables-restore",
        "ip6tables-restore",
    ]
    assert fencing.missing(place, FENCE) == []
    assert fencing.put_up(place, FENCE) == "iptables"
    assert len(place.changes) == 2


def test_the_name_servers_are_those_of_that_machine():
    place = Place()
    fencing.put_up(place, FENCE)
    assert "-d 10.9.9.9/32 -p udp -m udp --dport 53 -j RETURN" in place.changes[0][1]
    place.has("daemon", '{"dns": ["10.9.9.8"]}')
    fencing.put_up(place, FENCE)
    assert "10.9.9.8/32" in place.changes[2][1]
    assert "10.9.9.9" not in place.changes[2][1]


def test_without_iptables_there_is_nft():
    place = Place()
    place.has("iptables", "sh: iptables: not found", 127)
    place.has("nft", "Error: No such file or directory", 1)
    assert fencing.put_up(place, FENCE) == "nft"
    ((program, text),) = place.changes
    assert program == "nft"
    mark = f"chain rules-{digest(fenced_with(place))} "
    assert mark in text
    place.has("nft", f"table inet alight00000001 {{\n{mark}{{ }}\n}}")
    assert fencing.missing(place, FENCE) == []


def fenced_with(place):
    return Fence(FENCE.bridge, nameservers=("10.9.9.9",))


@pytest.mark.parametrize(
    ("name", "text", "code", "said"),
    [
        ("iptables", "Permission denied (you must be root)", 4, "you must be root"),
        ("iptables", "sh: iptables: not found", 127, "not found"),
    ],
)
def test_what_is_in_the_way_is_said(name, text, code, said):
    place = Place()
    place.has(name, text, code)
    with pytest.raises(NotFenced, match=said):
        fencing.put_up(place, FENCE)


@pytest.mark.parametrize(
    ("name", "text", "code", "said"),
    [
        ("ip6tables", "sh: ip6tables: not found", 127, "for IPv4 only.*not found"),
        ("bridged", "0", 0, "can reach one another"),
        ("bridged", "cat: no such file", 1, "modprobe br_netfilter"),
    ],
)
def test_what_can_be_done_is_done_and_the_rest_said(name, text, code, said):
    place = Place()
    place.has(name, text, code)
    with pytest.raises(fencing.PartlyFenced, match=said):
        fencing.put_up(place, FENCE)
    assert f"-A {FENCE.bridge}-host" in place.parts["iptables"][0]


def test_without_ipv6_in_the_kernel_ip6tables_is_not_missed():
    place = Place()
    place.has("ip6tables", "Table does not exist", 3)
    place.has("ipv6", "", 1)
    assert fencing.put_up(place, FENCE) == "iptables"


def test_taking_down_leaves_what_was_there_before():
    place = Place()
    assert not fencing.take_down(place, FENCE.bridge)
    fencing.put_up(place, FENCE)
    assert fencing.take_down(place, FENCE.bridge)
    assert place.parts["iptables"][0] == DOCKER
    assert place.parts["ip6tables"][0] == BARE


def test_nothing_is_called_removed_that_could_not_be_seen():
    place = Place()
    place.has("iptables", "Permission denied (you must be root)", 4)
    with pytest.raises(NotFenced, match="you must be root"):
        fencing.take_down(place, FENCE.bridge)


def test_a_place_without_a_shell_is_no_place():
    class Silent(Place):
        def run(self, script):
            return ""

    with pytest.raises(NotFenced, match="No shell answered"):
        fencing.put_up(Silent(), FENCE)


def test_this_machine_says_why_a_script_failed():
    with pytest.raises(NotFenced, match="no way"):
        fencing.Here().run("echo no way >&2; exit 3")
    assert fencing.Here().run("echo yes") == "yes\n"


# --- Keeping up ------------------------------------------------------------------
@pytest.fixture
def world(settings, monkeypatch, tmp_path):
    settings.ALIGHT_ISOLATION = True
    settings.ALIGHT_INSTALLATION = "lab"
    settings.ALIGHT_WORKER_SOCKET = str(tmp_path / "worker.sock")
    made = World()
    made.images["app:1"] = FakeImage()
    made.filters = Filters()
    made.run_script = made.filters.run
    monkeypatch.setattr(keeping, "get_engine", lambda: FakeEngine(made))
    return made


def run_one(world):
    engine = FakeEngine(world)
    labels = names.container_labels("lab", "whisper", 1, 1)
    made = engine.create(
        Wanted(name="one", image="app:1", labels=labels, port=80, node="")
    )
    engine.start(made.id)


def noted():
    return json.loads(keeping.state_file().read_text())


def test_no_start_without_rules_and_no_look_before_each(world):
    keeper = keeping.Keeper()
    keeper.before_start()
    assert len(world.filters.changes) == 2
    assert f"-A {names.bridge_name('lab')}-out" in world.filters.parts["iptables"][0]
    looks = world.filters.looks
    keeper.before_start()
    assert world.filters.looks == looks
    keeper.forget()
    keeper.before_start()
    assert world.filters.looks == looks + 1


def test_what_came_of_it_is_noted_for_make_status(world):
    keeping.Keeper().before_start()
    assert noted()["fenced"] is True
    assert noted()["way"] == "helper"
    assert noted()["text"] == (
        "Replicas are fenced in, by iptables through a helper container."
    )


def test_a_failure_is_said_once_and_tried_again(world, caplog):
    world.filters.has("iptables", "Permission denied (you must be root)", 4)
    keeper = keeping.Keeper()
    keeper.before_start()
    keeper.forget()
    keeper.before_start()
    assert len(caplog.records) == 1
    assert "Replicas are not fenced in" in caplog.text
    assert "you must be root" in noted()["text"]
    assert noted()["fenced"] is False
    world.filters.has("iptables", DOCKER)
    keeper.forget()
    keeper.before_start()
    assert noted()["fenced"] is True


def test_half_a_fence_is_said_and_kept(world, monkeypatch, tmp_path, caplog):
    here = Place()
    here.has("bridged", "0")
    monkeypatch.setattr(fencing, "Here", lambda: here)
    monkeypatch.setattr(keeping, "_INTERFACES", tmp_path)
    (tmp_path / names.bridge_name("lab")).touch()
    assert keeping.Keeper().sweep() == 60
    assert world.filters.looks == 0
    assert (noted()["fenced"], noted()["way"]) == (False, "here")
    assert "Replicas are fenced in, but can reach one another" in caplog.text
    assert keeping.noted().open


def test_an_engine_that_refuses_helpers_stops_no_start(world):
    def refuse(script):
        raise EngineRefused("No bind mounts here.")

    world.run_script = refuse
    keeping.Keeper().before_start()
    assert noted()["text"].endswith("No bind mounts here.")


def test_where_nothing_runs_nothing_is_put_up(world):
    assert keeping.Keeper().sweep() > 0
    assert world.filters.looks == 0
    run_one(world)
    keeping.Keeper().sweep()
    assert len(world.filters.changes) == 2


def test_a_setting_leaves_it_to_others(world, settings):
    settings.ALIGHT_ISOLATION = False
    run_one(world)
    keeper = keeping.Keeper()
    keeper.before_start()
    keeper.sweep()
    assert world.filters.looks == 0
    assert noted()["way"] == "off"
    assert "ALIGHT_ISOLATION=0" in noted()["text"]


def test_the_settings_are_the_rules(world, settings):
    settings.ALIGHT_REPLICA_INTERNET = False
    settings.ALIGHT_REPLICA_ALLOW = ["10.0.0.5:443"]
    settings.ALIGHT_REPLICA_DENY = ["198.51.100.0/24"]
    keeping.Keeper().before_start()
    rules = world.filters.parts["iptables"][0]
    out = f"-A {names.bridge_name('lab')}-out"
    refused = "-j REJECT --reject-with icmp-port-unreachable"
    assert f"{out} -d 10.0.0.5/32 -p tcp -m tcp --dport 443 -j RETURN" in rules
    assert f"{out} -d 198.51.100.0/24 {refused}" in rules
    assert f"{out} {refused}" in rules


def test_rules_a_helper_put_up_a_helper_takes_down(world, monkeypatch):
    here = Place()
    monkeypatch.setattr(fencing, "Here", lambda: here)
    keeping.Keeper().before_start()
    keeping.take_down()
    assert world.filters.parts["iptables"][0] == DOCKER
    assert not keeping.state_file().exists()


def test_rules_of_this_machine_need_no_helper(world, monkeypatch, tmp_path):
    here = Place()
    monkeypatch.setattr(fencing, "Here", lambda: here)
    monkeypatch.setattr(keeping, "_INTERFACES", tmp_path)
    (tmp_path / names.bridge_name("lab")).touch()
    keeper = keeping.Keeper()
    assert keeper.sweep() <= 10
    assert noted()["way"] == "here"
    here.has("iptables", DOCKER)
    keeper.sweep()
    assert here.parts["iptables"][0] != DOCKER
    keeping.take_down()
    assert here.parts["iptables"][0] == DOCKER
    assert world.filters.looks == 0


def test_without_the_rights_a_helper_is_asked(world, monkeypatch, tmp_path):
    here = Place()
    here.has("iptables", "Permission denied (you must be root)", 4)
    monkeypatch.setattr(fencing, "Here", lambda: here)
    monkeypatch.setattr(keeping, "_INTERFACES", tmp_path)
    (tmp_path / names.bridge_name("lab")).touch()
    keeping.Keeper().before_start()
    assert noted()["way"] == "helper"
    assert len(world.filters.changes) == 2
    keeping.take_down()
    assert world.filters.parts["iptables"][0] == DOCKER
    assert here.changes == []


# --- In the runner ---------------------------------------------------------------
@pytest.fixture
def isolator(monkeypatch):
    """A component with a keeper of its own, that counts how often that is asked."""
    made = isolating.Isolator()
    made.asked, made.lasts, made.away = [], 1000.0, False

    class Counting(keeping.Keeper):
        def sweep(self):
            made.asked.append("sweep")
            if isinstance(made.lasts, Exception):
                raise made.lasts
            return made.lasts

        def forget(self):
            made.asked.append("forget")

    monkeypatch.setattr(isolating, "KEEPER", Counting())
    monkeypatch.setattr(isolating.discovery, "engine_away", lambda: made.away)
    return made


async def test_the_runner_looks_when_it_is_time(isolator):
    await isolator.sweep()
    await isolator.sweep()
    assert isolator.asked == ["sweep"]


async def test_the_runner_looks_again_when_the_engine_is_back(isolator):
    await isolator.sweep()
    isolator.away = True
    await isolator.sweep()
    isolator.away = False
    await isolator.sweep()
    assert isolator.asked == ["sweep", "forget", "sweep"]


async def test_the_runner_tries_again_what_the_engine_refused(isolator):
    isolator.lasts = EngineRefused("Not now.")
    await isolator.sweep()
    isolator.lasts = 1000.0
    await isolator.sweep()
    assert isolator.asked == ["sweep", "sweep"]
