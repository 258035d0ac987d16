"""Progress is passed on a few times a second, and its last word always."""

from __future__ import annotations

import asyncio

import pytest

from replicas.engine.base import FetchProgress
from replicas.engine.fetching import Paced


def line(text: str, step: str = "RUN make") -> FetchProgress:
    return FetchProgress("build", step=step, line=text)


async def test_what_came_too_early_is_told_though_nothing_follows():
    told: asyncio.Queue[FetchProgress] = asyncio.Queue()
    with Paced(told.put_nowait) as paced:
        for text in ("one", "two", "three"):
            paced.tell(line(text))
        async with asyncio.timeout(60):
            assert [(await told.get()).line for _ in range(2)] == ["one", "three"]


async def test_a_new_step_waits_for_nothing():
    told: list[FetchProgress] = []
    with Paced(told.append) as paced:
        paced.tell(line("one"))
        paced.tell(line("", "RUN make install"))
        assert [p.step for p in told] == ["RUN make", "RUN make install"]


async def test_the_last_word_is_told_at_the_end_and_only_once():
    told: list[FetchProgress] = []
    with Paced(told.append) as paced:
        paced.tell(line("one"))
        paced.tell(line("two"))
    assert [p.line for p in told] == ["one", "two"]
    await asyncio.sleep(0.3)  # longer than its pace: no timer of it is left
    assert len(told) == 2


async def test_nothing_more_is_told_of_what_failed():
    told: list[FetchProgress] = []

    def fetch() -> None:
        with Paced(told.append) as paced:
            paced.tell(line("one"))
            paced.tell(line("two"))
            raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        fetch()
    assert [p.line for p in told] == ["one"]
