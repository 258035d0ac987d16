"""The line for GPUs as a table: who waits for what, what there is, who gets it."""

import pytest

from replicas.line import Device, stand
from templates_app.models import Tier


def tier(gpus=1, model="A10", memory=24):
    return Tier(gpus=gpus, gpu_model=model, gpu_memory_gb=memory)


ONE, TWO, FOUR = tier(1), tier(2), tier(4)
ANY_A100, A100_40, A100_80 = (tier(1, "A100", memory) for memory in (0, 40, 80))
TWO_A100 = tier(2, "A100", 0)


def a10(uuid, *, free=True, node="box"):
    return Device(uuid, node, "A10", 24, free)


def a100(uuid, memory, *, free=True):
    return Device(uuid, "box", f"A100-SXM4-{memory}GB", memory, free)


def taken(uuid):
    return a10(uuid, free=False)


# Who waits (the longest first), the GPUs, what each gets, each one's place.
LINES = {
    "nobody waits": ([], [a10("a")], [], []),
    "one for each": ([ONE, ONE], [a10("a"), a10("b")], ["a", "b"], [1, 2]),
    "first come, first served": ([ONE, ONE], [a10("a")], ["a", ""], [1, 2]),
    "all are taken": ([ONE, ONE], [taken("a")], ["", ""], [1, 2]),
    "two at once": ([TWO], [a10("a"), a10("b"), a10("c")], ["ab"], [1]),
    "the first keeps what is free while it waits for more": (
        [TWO, ONE],
        [a10("a"), taken("b")],
        ["", ""],
        [1, 2],
    ),
    "what it does not need is not kept": (
        [TWO, ONE, ONE],
        [a10("a"), a10("b"), a10("c")],
        ["ab", "c", ""],
        [1, 2, 3],
    ),
    "more than there ever is keeps nobody waiting": (
        [FOUR, ONE],
        [a10("a"), a10("b")],
        ["", "a"],
        [1, 1],
    ),
    "as many, but on two nodes": (
        [TWO, ONE],
        [a10("a"), a10("b", node="other")],
        ["", "a"],
        [1, 1],
    ),
    "the tightest node first": (
        [ONE],
        [a10("a"), a10("b"), a10("c", node="other")],
        ["c"],
        [1],
    ),
    "a node that has enough at all, not one that has some now": (
        [TWO, ONE],
        [a10("a"), taken("b"), a10("c", node="other")],
        ["", "c"],
        [1, 2],
    ),
    "another model is another line": (
        [ONE, A100_40],
        [taken("a"), a100("x", 40)],
        ["", "x"],
        [1, 1],
    ),
    "40 and 80 GB are two lines": (
        [A100_80, A100_40],
        [a100("x", 40)],
        ["", "x"],
        [1, 1],
    ),
    "any A100 takes the smaller one": (
        [ANY_A100, A100_80],
        [a100("y", 80), a100("x", 40)],
        ["x", "y"],
        [1, 2],
    ),
    "tiers that share GPUs share a line": (
        [TWO_A100, A100_80, A100_40],
        [a100("x", 40), a100("y", 80, free=False)],
        ["", "", ""],
        # The second and third could use no GPU of each other.
        [1, 2, 2],
    ),
}


@pytest.mark.parametrize("case", LINES)
def test_the_line(case):
    waiting, devices, gets, places = LINES[case]
    found = stand(enumerate(waiting), devices)
    assert ["".join(found[i].gets) for i in range(len(waiting))] == gets
    assert [found[i].place for i in range(len(waiting))] == places


def test_it_counts_what_is_free_and_what_one_node_has():
    devices = [a10("a"), taken("b"), a10("c", node="other"), a100("x", 40)]
    seen = stand([(7, FOUR)], devices)[7]
    assert (seen.free, seen.total) == (2, 2)


def test_without_gpus_there_is_nothing_to_wait_for():
    seen = stand([(7, ONE)], [])[7]
    assert (seen.gets, seen.free, seen.total) == ((), 0, 0)
