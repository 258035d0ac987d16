"""The order of files, and how many run side by side."""

import os
from dataclasses import dataclass, field

import pytest

from tests import order


@dataclass
class Item:
    """What the order needs to know of a test."""

    path: str
    fixturenames: tuple = ()
    marks: frozenset = field(default_factory=frozenset)

    @property
    def nodeid(self):
        return f"{self.path}::test"

    def get_closest_marker(self, name):
        return name if name in self.marks else None


DOCKER = frozenset({"docker"})


def ordered(*items):
    found = list(items)
    order.pytest_collection_modifyitems(found)
    return found


def test_engines_come_first_and_browsers_last():
    pure = Item("pure")
    engine = Item("engine", marks=DOCKER)
    console = Item("console", ("console", "docker_engine"))
    page = Item("page", ("tab", "chromium"))
    journey = Item("journey", ("page", "docker_engine", "chromium"), DOCKER)
    assert ordered(page, pure, journey, engine, console) == [
        engine,
        console,
        pure,
        journey,
        page,
    ]


def test_one_test_with_a_browser_takes_its_whole_file_along():
    """No other file comes after a browser was begun, and no file is torn apart."""
    mixed = [Item("mixed"), Item("mixed", ("chromium",)), Item("mixed", marks=DOCKER)]
    assert ordered(*mixed, Item("pure")) == [Item("pure"), *mixed]


def test_what_needs_the_compose_stack_is_one_share():
    """A second lane would bring up a second stack."""
    stack = Item("tests/compose/test_stack.py", ("console", "docker_engine"), DOCKER)
    same = Item("tests/compose/test_same.py", ("page", "chromium"), DOCKER)
    page = Item("page", ("tab", "chromium"))
    pure = Item("pure")
    assert ordered(page, stack, pure, same) == [pure, stack, same, page]
    shares = [order._share(one.nodeid) for one in (stack, same, page)]
    assert shares == [order.COMPOSE, order.COMPOSE, "page"]


class Config:
    def __init__(self, usepdb):
        self._usepdb = usepdb

    def getoption(self, name):
        return {"usepdb": self._usepdb}[name]


@pytest.mark.parametrize(("cores", "lanes"), [(1, 3), (2, 4), (4, 6), (64, 6)])
def test_there_are_two_lanes_more_than_cores(monkeypatch, cores, lanes):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(cores)))
    assert order.pytest_xdist_auto_num_workers(Config(usepdb=False)) == lanes


def test_a_debugger_has_the_terminal_for_itself():
    assert order.pytest_xdist_auto_num_workers(Config(usepdb=True)) == 0
