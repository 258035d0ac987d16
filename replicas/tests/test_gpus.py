"""GPUs that are found, lost and come back, and what becomes of who holds them."""

import asyncio
import subprocess

import pytest
from channels.db import database_sync_to_async
from django.core.management import CommandError, call_command

from endpoints import services as wishes
from endpoints.models import Event
from endpoints.tests.factories import MediumTierFactory
from replicas import discovery, tasks
from replicas.engine.base import FoundGpu, GpuLost, NodeInfo
from replicas.logs import store
from replicas.models import Gpu, Node, Replica
from replicas.reconciler import loop
from replicas.runner.finding import GpuFinder
from replicas.states import ReplicaState as S
from replicas.tests.house import House
from replicas.tests.test_runner import until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.valkey]

FIRST, SECOND = FoundGpu("GPU-first-1", "A10", 24), FoundGpu("GPU-second", "A10", 24)


@pytest.fixture
def house(valkey, monkeypatch):
    made = House(monkeypatch)
    made.has_image()
    return made


def has(house, *gpus):
    """The node has these from now on, and Alight has looked; who is to be looked at."""
    house.world.gpus = list(gpus)
    return loop.look_for_gpus()


def on_gpu(house, *, gpus=1):
    """An endpoint with one ready replica on so many GPUs."""
    tier = MediumTierFactory(slug=f"a10x{gpus}", gpus=gpus)
    endpoint = house.endpoint(tier=tier)
    assert house.up(endpoint) == [S.READY]
    return endpoint


def ended(endpoint, number=1):
    """The logs of that replica were read to their end, so its container may go."""
    (replica,) = Replica.objects.filter(endpoint=endpoint, number=number)
    store.mark_finished(endpoint.pk, replica.pk, replica.attempt)


def test_an_engine_may_call_itself_what_it_likes(house):
    house.world.node = NodeInfo("node-1", 8, 1024, "27.5.1 " + "of the lab" * 10)
    assert discovery.refresh(house.engine).engine_version.startswith("27.5.1 of the")
    assert len(Node.objects.get().engine_version) == 40


def holders():
    return {gpu.uuid: gpu.replica and gpu.replica.number for gpu in Gpu.objects.all()}


def container_gpus(house):
    return sorted(
        gpu for held in house.world.containers.values() for gpu in held.wanted.gpus
    )


# --- what is found ----------------------------------------------------------------


def test_what_the_engine_can_give_is_written_and_what_it_cannot_any_more_marked(house):
    has(house, FIRST, SECOND)
    assert {g.uuid: g.present for g in Gpu.objects.all()} == {
        FIRST.uuid: True,
        SECOND.uuid: True,
    }
    has(house, SECOND)
    assert not Gpu.objects.get(pk=FIRST.uuid).present
    has(house, FIRST, SECOND)
    assert Gpu.objects.get(pk=FIRST.uuid).present


def test_gpus_stay_as_known_while_they_cannot_be_told(house):
    has(house, FIRST)
    house.world.gpus = None
    assert loop.look_for_gpus() == []
    assert Gpu.objects.get().present
    has(house)
    assert not Gpu.objects.get().present


def test_a_second_look_that_finds_the_same_calls_nobody(house):
    endpoint = house.endpoint(tier=MediumTierFactory())
    house.settle(endpoint)
    assert has(house, FIRST) == [endpoint.pk]
    assert has(house, FIRST) == []


def test_the_setting_counts_before_the_engine(house, settings):
    settings.ALIGHT_GPUS = ["GPU-given=L4:24"]
    has(house, FIRST)
    gpu = Gpu.objects.get()
    assert (gpu.uuid, gpu.model, gpu.memory_gb) == ("GPU-given", "L4", 24)


def test_the_drivers_program_is_asked_when_the_engine_cannot_tell(
    house, tmp_path, monkeypatch
):
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho 'GPU-smi, NVIDIA A100-SXM4-80GB, 81920'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    house.world.gpus = None
    loop.look_for_gpus()
    gpu = Gpu.objects.get()
    assert (gpu.uuid, gpu.model, gpu.memory_gb) == ("GPU-smi", "A100-SXM4-80GB", 80)
    program.write_text("#!/bin/sh\necho 'Unknown Error' >&2; exit 15\n")
    assert discovery.smi_gpus() is None
    assert loop.look_for_gpus() == []
    assert Gpu.objects.get().present


def test_the_driver_of_this_machine_says_nothing_of_another(settings, monkeypatch):
    settings.ALIGHT_DOCKER_HOST = "tcp://gpu-02:2375"
    monkeypatch.setattr(subprocess, "run", pytest.fail)
    assert discovery.smi_gpus() is None


# --- one is lost ------------------------------------------------------------------


def test_a_replica_that_lost_its_gpu_leaves_traffic_and_another_takes_its_place(house):
    has(house, FIRST, SECOND)
    endpoint = on_gpu(house)
    assert holders() == {FIRST.uuid: 1, SECOND.uuid: None}
    assert has(house, SECOND) == [endpoint.pk]
    assert house.settle(endpoint) == [S.STOPPING, S.STARTING]
    assert house.lead(endpoint) == []
    # Not before its container is seen to be gone.
    assert holders() == {FIRST.uuid: 1, SECOND.uuid: 2}
    ended(endpoint)
    assert house.answer(endpoint) == [S.READY]
    assert holders() == {FIRST.uuid: None, SECOND.uuid: 2}
    assert container_gpus(house) == [SECOND.uuid]
    told = Event.objects.get(reason="GpuLost")
    assert told.message == (
        "A10 GPU-first-1 on node-1 stopped reporting. A new replica starts on another "
        "as it comes free."
    )


def test_without_another_gpu_the_new_one_stands_in_line_and_takes_it_when_it_is_back(
    house,
):
    has(house, FIRST)
    endpoint = on_gpu(house)
    has(house)
    assert house.settle(endpoint) == [S.STOPPING, S.WAITING]
    ended(endpoint)
    assert house.settle(endpoint) == [S.WAITING]
    assert "there is none here" in house.replicas(endpoint)[0].trouble_text
    assert holders() == {FIRST.uuid: None}
    assert house.containers() == []
    assert has(house, FIRST) == [endpoint.pk]
    assert house.settle(endpoint) == [S.STARTING]
    assert holders() == {FIRST.uuid: 2}


def test_one_of_two_is_enough_to_lose_and_the_other_is_free_again(house):
    has(house, FIRST, SECOND)
    endpoint = on_gpu(house, gpus=2)
    has(house, SECOND)
    house.settle(endpoint)
    ended(endpoint)
    assert house.settle(endpoint) == [S.WAITING]
    assert holders() == {FIRST.uuid: None, SECOND.uuid: None}
    modest = house.endpoint(tier=MediumTierFactory())
    assert house.settle(modest) == [S.STARTING]
    assert container_gpus(house) == [SECOND.uuid]


def test_a_replica_in_its_back_off_lets_go_of_a_lost_gpu(house):
    has(house, FIRST, SECOND)
    endpoint = on_gpu(house)
    house.world.crash(house.replicas(endpoint)[0].container_id)
    assert house.settle(endpoint) == [S.FAILED]
    has(house, SECOND)
    ended(endpoint)
    assert house.settle(endpoint) == [S.STARTING]
    assert holders() == {FIRST.uuid: None, SECOND.uuid: 2}


def test_it_is_found_by_the_sweep_as_well(house):
    has(house, FIRST)
    endpoint = on_gpu(house)
    assert loop.sweep() == []
    Gpu.objects.update(present=False)
    assert loop.sweep() == [endpoint.pk]


def test_the_engine_that_misses_a_gpu_at_the_start_is_believed(house, monkeypatch):
    has(house, FIRST, SECOND)
    endpoint = house.endpoint(tier=MediumTierFactory())
    start = house.engine.start

    def cannot(container_id):
        if FIRST.uuid in house.world.containers[container_id].wanted.gpus:
            raise GpuLost(f"The engine said: {FIRST.uuid}: unknown device.")
        return start(container_id)

    monkeypatch.setattr(house.engine, "start", cannot)
    assert house.settle(endpoint) == [S.STARTING]
    assert container_gpus(house) == [SECOND.uuid]
    assert house.story(endpoint, 1)[-3:] == [
        "GpuLost",
        "ContainerStopped",
        "ReplicaStopped",
    ]
    assert holders() == {FIRST.uuid: None, SECOND.uuid: 2}
    assert not Gpu.objects.get(pk=FIRST.uuid).present


def test_only_the_gpus_that_the_engine_names_are_written_off(house, monkeypatch):
    has(house, FIRST, SECOND)
    endpoint = house.endpoint(tier=MediumTierFactory(slug="two", gpus=2))

    def cannot(container_id):
        raise GpuLost(f"The engine said: {SECOND.uuid}: unknown device.")

    monkeypatch.setattr(house.engine, "start", cannot)
    assert house.settle(endpoint) == [S.WAITING]
    assert {g.uuid: g.present for g in Gpu.objects.all()} == {
        FIRST.uuid: True,
        SECOND.uuid: False,
    }


# --- the line ---------------------------------------------------------------------


def in_line(*endpoints):
    return [
        endpoint.replicas.alive().order_by("-pk")[0].trouble_text
        for endpoint in endpoints
    ]


def waits(place):
    return f"No A10 is free. This replica is {place} in line."


def test_those_behind_move_up_when_somebody_ahead_leaves(house):
    has(house, FIRST)
    on_gpu(house)
    tier = MediumTierFactory()
    first, second, third = (house.endpoint(tier=tier) for _ in range(3))
    for endpoint in (first, second, third):
        house.settle(endpoint)
    assert in_line(first, second, third) == [waits("1st"), waits("2nd"), waits("3rd")]
    wishes.pause(first, "alice")
    house.settle(first)
    assert in_line(second, third) == [waits("1st"), waits("2nd")]


def test_those_behind_move_up_when_somebody_ahead_is_served(house):
    has(house, FIRST)
    holder = on_gpu(house)
    tier = MediumTierFactory()
    first, second, third = (house.endpoint(tier=tier) for _ in range(3))
    for endpoint in (first, second, third):
        house.settle(endpoint)
    wishes.delete(holder, "alice")
    loop.reconcile(holder.pk)
    ended(holder)
    # Only the one whose turn it is gets called.
    assert loop.reconcile(holder.pk)[1] == [first.pk]
    assert house.settle(first) == [S.STARTING]
    assert in_line(second, third) == [waits("1st"), waits("2nd")]


def test_who_waits_for_one_that_finishes_its_requests_reads_so(house):
    has(house, FIRST)
    holder = on_gpu(house)
    house.answer(holder)
    late = house.endpoint(tier=MediumTierFactory())
    key = house.ingress.begin(holder.name)
    wishes.pause(holder, "alice")
    assert house.settle(holder) == [S.STOPPING]
    assert house.settle(late) == [S.WAITING]
    assert in_line(late) == [
        "No A10 is free yet. One is, once the replica on it has finished its open "
        "requests. This replica is 1st in line."
    ]
    house.ingress.end(holder.name, key)
    loop.reconcile(holder.pk)
    ended(holder)
    assert loop.reconcile(holder.pk)[1] == [late.pk]


def test_two_at_once_are_not_starved_by_one_at_a_time(house):
    has(house, FIRST, SECOND)
    one, other = on_gpu(house), on_gpu(house)
    greedy = house.endpoint(tier=MediumTierFactory(slug="two", gpus=2))
    late = house.endpoint(tier=MediumTierFactory())
    for endpoint in (greedy, late):
        assert house.settle(endpoint) == [S.WAITING]
    wishes.delete(one, "alice")
    loop.reconcile(one.pk)
    ended(one)
    loop.reconcile(one.pk)
    for endpoint in (late, greedy):
        assert house.settle(endpoint) == [S.WAITING]
    assert in_line(greedy, late) == [
        "This needs 2 × A10 and 1 is free. This replica is 1st in line.",
        "The free A10 is kept for a replica ahead. This replica is 2nd in line.",
    ]
    wishes.delete(other, "alice")
    loop.reconcile(other.pk)
    ended(other)
    assert loop.reconcile(other.pk)[1] == [greedy.pk]
    assert house.settle(late) == [S.WAITING]
    assert house.settle(greedy) == [S.STARTING]
    assert in_line(late) == [waits("1st")]


def test_a_new_gpu_calls_the_first_in_line_and_tells_the_others(house):
    tier = MediumTierFactory()
    first, second = house.endpoint(tier=tier), house.endpoint(tier=tier)
    for endpoint in (first, second):
        house.settle(endpoint)
    assert has(house, FIRST) == [first.pk]
    assert house.settle(first) == [S.STARTING]
    assert in_line(second) == [waits("1st")]


def test_the_sweep_calls_nobody_before_it_is_their_turn_and_mends_places(house):
    has(house, FIRST)
    holder = on_gpu(house)
    tier = MediumTierFactory()
    first, second = house.endpoint(tier=tier), house.endpoint(tier=tier)
    for endpoint in (first, second):
        house.settle(endpoint)
    Replica.objects.filter(endpoint=second).update(trouble_text=waits("9th"))
    assert loop.sweep() == []
    assert in_line(first, second) == [waits("1st"), waits("2nd")]
    house.world.crash(house.replicas(holder)[0].container_id)
    Gpu.objects.update(replica=None)  # as if the message of it were lost
    assert loop.sweep() == [holder.pk, first.pk]


# --- when it is looked ------------------------------------------------------------


@pytest.fixture
def looks(monkeypatch):
    """How often the node was looked at for GPUs; the list says what each found."""
    made = []

    def look():
        found = loop.look_for_gpus()
        made.append(found)
        return discovery.has_gpus()

    monkeypatch.setattr(tasks, "look_for_gpus", look)
    return made


class Clock:
    def __init__(self, monkeypatch):
        self.now = 1000.0
        monkeypatch.setattr("replicas.runner.finding.time.monotonic", lambda: self.now)


async def test_the_node_is_looked_at_now_and_then(house, looks, monkeypatch):
    clock = Clock(monkeypatch)
    monkeypatch.setattr(discovery, "smi_gpus", lambda: None)
    finder = GpuFinder()
    for wait, total in ((0, 1), (1, 1), (298, 1), (1, 2), (299, 2)):
        clock.now += wait
        await finder.sweep()
        assert len(looks) == total
    house.world.gpus = [FIRST]
    for wait, total in ((1, 3), (59, 3), (1, 4)):
        clock.now += wait
        await finder.sweep()
        assert len(looks) == total


async def test_it_is_looked_at_when_the_engine_is_back(house, looks, monkeypatch):
    clock = Clock(monkeypatch)
    monkeypatch.setattr(discovery, "smi_gpus", lambda: None)
    finder = GpuFinder()
    await finder.sweep()
    await database_sync_to_async(discovery.engine_lost)()
    clock.now += 1
    await finder.sweep()
    assert len(looks) == 1
    await database_sync_to_async(discovery.engine_found)()
    await finder.sweep()
    assert len(looks) == 2


async def test_it_is_looked_at_when_the_driver_lists_others(house, looks, monkeypatch):
    clock = Clock(monkeypatch)
    listed = [[FIRST], [FIRST], [], None, []]
    monkeypatch.setattr(discovery, "smi_gpus", lambda: listed.pop(0))
    finder = GpuFinder()
    for total in (1, 1, 2, 2, 2):
        await finder.sweep()
        assert len(looks) == total
        clock.now += 10


async def test_an_engine_that_does_not_answer_is_asked_again(house, looks, monkeypatch):
    Clock(monkeypatch)
    monkeypatch.setattr(discovery, "smi_gpus", lambda: None)
    finder = GpuFinder()
    house.world.go_down()
    await finder.sweep()
    assert looks == []
    house.world.come_back()
    await finder.sweep()
    assert len(looks) == 1


async def test_a_replica_moves_off_a_gpu_that_goes(house, monkeypatch):
    """As it goes in the worker: the finder sees it, and the endpoint follows."""
    await database_sync_to_async(has)(house, FIRST, SECOND)
    endpoint = await database_sync_to_async(on_gpu)(house)
    called = []
    monkeypatch.setattr(tasks.reconcile, "delay", called.append)
    house.world.gpus = [SECOND]
    await asyncio.wait_for(GpuFinder().sweep(), 30)
    assert called == [endpoint.pk]
    await until(lambda: house.settle(endpoint) == [S.STOPPING, S.STARTING])


# --- the command ------------------------------------------------------------------


def shown(house, monkeypatch, capsys):
    name = "replicas.management.commands.gpus.get_engine"
    monkeypatch.setattr(name, lambda: house.engine)
    call_command("gpus")
    return capsys.readouterr().out.splitlines()


def test_the_command_says_what_is_there_and_what_told_it(house, monkeypatch, capsys):
    has(house, FIRST, SECOND)
    endpoint = on_gpu(house)
    new = FoundGpu("GPU-new", "L4", 0)
    house.world.gpus = [FIRST, new]
    assert shown(house, monkeypatch, capsys) == [
        "2 GPUs, told by the container engine",
        f"  GPU-first-1  A10, 24 GB  {endpoint.name}, replica 1",
        "  GPU-new  L4, memory unknown  new: the worker takes it in at its next look",
        "  GPU-second  A10  gone; free",
    ]
    assert Gpu.objects.count() == 2


def test_the_command_fails_when_they_cannot_be_told(house, monkeypatch, capsys):
    house.world.gpus = None
    with pytest.raises(CommandError, match="cannot be told right now"):
        shown(house, monkeypatch, capsys)
