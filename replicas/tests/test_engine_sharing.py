"""Many ask for the same thing, and it is done once."""

import asyncio

import pytest

from replicas.engine.sharing import Sharing


class Work:
    """Work that says a word, waits to be let go, and counts itself."""

    def __init__(self) -> None:
        self.begun = self.cancelled = 0
        self.go = asyncio.Event()
        self.fails: Exception | None = None

    async def __call__(self, tell) -> str:
        self.begun += 1
        tell("half")
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if self.fails:
            raise self.fails
        tell("whole")
        return "done"


async def ask(sharing, work, key="app:1"):
    heard = []
    task = asyncio.create_task(sharing.run(key, work, heard.append))
    for _ in range(3):
        await asyncio.sleep(0)
    return task, heard


async def test_who_comes_later_shares_the_work_and_hears_the_newest():
    sharing, work = Sharing(), Work()
    one, heard_one = await ask(sharing, work)
    two, heard_two = await ask(sharing, work)
    assert heard_two == ["half"]
    work.go.set()
    assert await asyncio.gather(one, two) == ["done", "done"]
    assert heard_one == heard_two == ["half", "whole"]
    assert work.begun == 1


async def test_different_keys_do_not_share():
    sharing, work = Sharing(), Work()
    one, _ = await ask(sharing, work, "app:1")
    two, _ = await ask(sharing, work, "app:2")
    work.go.set()
    await asyncio.gather(one, two)
    assert work.begun == 2


async def test_one_who_leaves_does_not_stop_it_for_the_other():
    sharing, work = Sharing(), Work()
    one, _ = await ask(sharing, work)
    two, _ = await ask(sharing, work)
    one.cancel()
    with pytest.raises(asyncio.CancelledError):
        await one
    work.go.set()
    assert await two == "done"
    assert work.cancelled == 0


async def test_the_last_who_leaves_stops_it():
    sharing, work = Sharing(), Work()
    one, _ = await ask(sharing, work)
    one.cancel()
    with pytest.raises(asyncio.CancelledError):
        await one
    two, _ = await ask(sharing, work)
    assert (work.begun, work.cancelled) == (2, 1)
    work.go.set()
    assert await two == "done"


async def test_a_failure_reaches_everyone_and_is_not_kept():
    sharing, work = Sharing(), Work()
    work.fails = ValueError("no")
    one, _ = await ask(sharing, work)
    two, _ = await ask(sharing, work)
    work.go.set()
    for task in (one, two):
        with pytest.raises(ValueError, match="no"):
            await task
    work.fails = None
    assert await sharing.run("app:1", work, lambda _: None) == "done"


async def test_a_listener_in_trouble_stops_nobody(caplog):
    sharing, work = Sharing(), Work()
    work.go.set()

    def broken(news):
        raise RuntimeError(news)

    assert await sharing.run("app:1", work, broken) == "done"
    assert "listener" in caplog.text


async def test_close_stops_everything():
    sharing, work = Sharing(), Work()
    one, _ = await ask(sharing, work)
    await sharing.close()
    with pytest.raises(asyncio.CancelledError):
        await one
    assert work.cancelled == 1
