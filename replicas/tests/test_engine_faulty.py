"""An engine that goes wrong when it is told to: every call, in every way."""

import asyncio
import inspect
import io
import tarfile
import threading
import time
from contextlib import aclosing, suppress

import pytest

from replicas.engine import base, faulty
from replicas.engine.base import SignIn
from replicas.engine.docker import DockerEngine
from replicas.engine.fake import FakeEngine, FakeImage, FakeStreams, World
from replicas.engine.faults import WAYS, Fault, Faults
from replicas.engine.faulty import FaultyEngine, FaultyStreams
from replicas.tests.engine_fixtures.bench import DockerBench, FaultyBench

# Arguments for every call by the names of its parameters; what is not here is given
# to no method so far.
GIVEN = {
    "labels": {},
    "reference": "app:waits",
    "image": "app:waits",
    "lines": 3,
    "grace": 0,
    "script": "true",
    "since": 0,
    "build": "",
    "on_progress": lambda seen: None,
    "sign_in": SignIn("127.0.0.1:5000", "ada", "lovelace"),
    "names": ["weights"],
}


@pytest.fixture
async def bench():
    made = await FaultyBench.open()
    made.faults = made.engine.faults
    await made.publish(accounts={"ada": "lovelace"})
    await made.write("weights", "notes.txt", "kept")
    made.shell({"true": ""})
    made.world.publish("app:waits", FakeImage())
    made.held = made.run("says")
    yield made
    made.faults.clear()
    await made.close()


async def a_tar():
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        tar.addfile(tarfile.TarInfo("./notes.txt"))
    yield packed.getvalue()


def arguments(bench, method):
    """What this method is called with: all that it has no default for."""
    known = {**GIVEN, "container_id": bench.held, "wanted": bench.wanted()}
    # Containers and images have names of their own: this is a volume's.
    known |= {"name": "weights", "files": a_tar()}
    given = {}
    for name, parameter in list(inspect.signature(method).parameters.items())[1:]:
        if parameter.default is inspect.Parameter.empty:
            assert name in known, f"{method.__name__} needs {name}: say what in GIVEN"
            given[name] = known[name]
    return given


async def ask(bench, name):
    """Call it; what it answers, or the first piece of what it streams."""
    if name in faulty.ACTS:
        given = arguments(bench, vars(base.Engine)[name])
        return await asyncio.to_thread(getattr(bench.engine, name), **given)
    given = arguments(bench, vars(base.EngineStreams)[name])
    answer = getattr(bench.streams, name)(**given)
    if name in faulty.WAITS:
        return await answer
    async with aclosing(answer) as pieces:
        asked = asyncio.ensure_future(anext(pieces))
        # Something to tell, for those that only tell news.
        await asyncio.sleep(0)
        while not asked.done():
            bench.world.say(bench.held, "more")
            bench.run()
            await asyncio.wait({asked}, timeout=0.05)
        return asked.result()


EVERY = [*faulty.ACTS, *faulty.WAITS, *faulty.STREAMS]


def test_every_method_of_the_protocols_can_be_struck():
    methods = {
        name
        for protocol in (base.Engine, base.EngineStreams)
        for name in dir(protocol)
        if not name.startswith("_")
    }
    assert methods == set(EVERY)
    assert {"observe", "create"} <= set(faulty.ACTS)
    assert {"fetch", "usage"} <= set(faulty.WAITS)
    assert {"events", "log_batches", "volume_archive"} <= set(faulty.STREAMS)


@pytest.mark.parametrize("name", EVERY)
async def test_a_call_fails_once_with_the_error_that_was_named(bench, name):
    bench.faults.set(Fault(name, error="DiskFull", text="It is full."))
    with pytest.raises(base.DiskFull, match=r"It is full\."):
        await ask(bench, name)
    await ask(bench, name)
    (strike,) = bench.faults.struck()
    assert (strike.call, strike.does) == (name, "fail")


@pytest.mark.parametrize("name", EVERY)
async def test_a_call_hangs_until_it_is_told_to_go_on(bench, name):
    bench.faults.set(Fault(name, does="hang"))
    asked = asyncio.ensure_future(ask(bench, name))
    async with asyncio.timeout(60):
        while not bench.faults.struck():  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0.01)
    done, _ = await asyncio.wait({asked}, timeout=0.1)
    assert not done
    assert [strike.does for strike in bench.faults.struck()] == ["hang"]
    bench.faults.clear()
    await asked


@pytest.mark.parametrize("name", EVERY)
async def test_a_call_that_hangs_too_long_ends_as_the_adapters_do(bench, name):
    bench.faults.set(Fault(name, does="hang", seconds=0.03))
    with pytest.raises(base.EngineUnreachable):
        await ask(bench, name)
    await ask(bench, name)


@pytest.mark.parametrize("name", EVERY)
async def test_an_answer_is_lost(bench, name):
    bench.faults.set(Fault(name, does="lose"))
    with pytest.raises(base.EngineUnreachable):
        await ask(bench, name)


async def test_what_was_asked_for_is_done_though_the_answer_is_lost(bench):
    wanted = bench.wanted()
    bench.faults.set(Fault("create", does="lose"))
    with pytest.raises(base.EngineUnreachable):
        bench.engine.create(wanted)
    assert wanted.name in [one.name for one in bench.engine.observe(bench.labels)]


async def test_only_calls_about_one_endpoint_are_struck(bench):
    bench.faults.set(Fault("*", about="another-endpoint", times=None))
    await ask(bench, "create")
    # A call that names a container only by its id is known by the container's name.
    bench.engine.observe(bench.labels)
    bench.faults.set(Fault("tail", about="whisper", times=None))
    with pytest.raises(base.EngineUnreachable):
        bench.engine.tail(bench.held, 3)
    assert bench.engine.image("app:waits") is not None


async def test_an_open_stream_is_struck_as_well(bench):
    events = bench.streams.events(bench.labels)
    asked = asyncio.ensure_future(anext(events))
    await asyncio.wait({asked}, timeout=0.05)
    bench.faults.set(Fault("events"))
    with pytest.raises(base.EngineUnreachable):
        await asked


async def test_a_stream_is_struck_after_as_many_pieces_as_were_said(bench):
    bench.faults.set(Fault("logs", after=1))
    chunks = bench.streams.logs(bench.held, since=0)
    assert (await anext(chunks)).text == "one"
    with pytest.raises(base.EngineUnreachable):
        await anext(chunks)


def test_which_call_is_struck(tmp_path):
    engine = FaultyEngine(FakeEngine(World()), Faults(tmp_path))
    engine.faults.set(Fault("node", nth=3, times=2))
    assert [failed(engine) for _ in range(6)] == [
        False,
        False,
        True,
        True,
        False,
        False,
    ]


def failed(engine):
    try:
        engine.node()
    except base.EngineUnreachable:
        return True
    return False


def test_a_chance_is_the_same_again_with_the_same_seed(tmp_path):
    def run(seed):
        engine = FaultyEngine(FakeEngine(World()), Faults(tmp_path))
        engine.faults.set(Fault("*", times=None, chance=0.3, seed=seed))
        return [failed(engine) for _ in range(60)]

    first = run(7)
    assert first == run(7)
    assert first != run(8)
    assert 5 < sum(first) < 35


def test_a_process_that_starts_anew_counts_on(tmp_path):
    """The worker that a fault struck may be killed: what it met still counts."""
    for expected in (False, True, False):
        engine = FaultyEngine(FakeEngine(World()), Faults(tmp_path))
        if not engine.faults.planned():
            engine.faults.set(Fault("node", nth=2))
        assert failed(engine) is expected


def test_calls_of_many_threads_are_counted_each_once(tmp_path):
    engine = FaultyEngine(FakeEngine(World()), Faults(tmp_path))
    engine.faults.set(Fault("node", times=5))
    hits = []
    threads = [
        threading.Thread(target=lambda: hits.extend(failed(engine) for _ in range(5)))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(hits) == 5
    assert len(engine.faults.struck()) == 5


@pytest.mark.parametrize("wrong", [{"does": "burn"}, {"error": "Burned"}])
def test_a_fault_that_cannot_be_is_refused_where_it_is_made(wrong):
    with pytest.raises(ValueError, match=r"[Bb]urn"):
        Fault("node", **wrong)


def test_the_ways_are_all_there():
    assert set(WAYS) == {"fail", "hang", "lose"}


async def test_a_hang_does_not_keep_the_loop_from_others(tmp_path):
    streams = FaultyStreams(FakeStreams(World()), Faults(tmp_path))
    streams.behind.world.images["app:1"] = FakeImage()
    streams.faults.set(Fault("usage", does="hang"))
    asked = asyncio.ensure_future(streams.usage("nobody"))
    begun = time.monotonic()
    assert (await streams.image_facts("app:1")).present
    assert time.monotonic() - begun < 30
    streams.faults.clear()
    assert await asked is None


# --- on a real engine -----------------------------------------------------------
@pytest.fixture
async def real(tmp_path):
    made = await DockerBench.open()
    made.faults = Faults(tmp_path / "faults")
    made.engine = FaultyEngine(made.engine, made.faults)
    yield made
    made.faults.clear()
    await made.close()


def done_twice(real, call, *args, **kwargs):
    """The engine does it, its answer is lost, and it is asked for once more."""
    real.faults.set(Fault(call, does="lose"))
    with pytest.raises(base.EngineUnreachable):
        getattr(real.engine, call)(*args, **kwargs)
    return getattr(real.engine, call)(*args, **kwargs)


@pytest.mark.docker
async def test_a_real_engine_is_asked_again_for_what_it_has_done(real):
    wanted = real.wanted("stubborn")
    made = await asyncio.to_thread(done_twice, real, "create", wanted)
    (seen,) = real.engine.observe(real.labels)
    assert (seen.id, seen.created) == (made.id, True)
    started = await asyncio.to_thread(done_twice, real, "start", made.id)
    assert started.running
    await asyncio.to_thread(done_twice, real, "terminate", made.id)
    await asyncio.to_thread(done_twice, real, "stop", made.id, grace=0)
    assert not real.look(made.id).running
    await asyncio.to_thread(done_twice, real, "remove", made.id)
    assert real.engine.observe(real.labels) == []


@pytest.mark.docker
async def test_a_container_that_a_real_engine_holds_is_not_an_engine_that_is_away(
    real, monkeypatch
):
    """While somebody copies from a container, Docker answers nothing about it."""
    container_id = await asyncio.to_thread(real.run)
    monkeypatch.setattr("replicas.engine.docker.GLANCE", 1)
    hurried = DockerEngine(installation=real.installation)
    assert await asyncio.to_thread(until_told, hurried.node)
    pieces, _ = real.client.get_archive(container_id, "/", chunk_size=1024)
    next(pieces)
    with pytest.raises(base.EngineSlow, match="has not answered it for 1 s"):
        await asyncio.to_thread(hurried.observe, real.labels)
    assert await asyncio.to_thread(until_told, hurried.node)
    pieces.close()
    real.client.close()
    # It takes the engine a moment to notice that the reader has left.
    (seen,) = await asyncio.to_thread(until_told, hurried.observe, real.labels)
    assert (seen.id, seen.running) == (container_id, True)


def until_told(ask, *args):
    """Its answer. A busy machine needs more than a second for any of them."""
    for _ in range(30):
        with suppress(base.EngineUnreachable):
            return ask(*args)
    raise AssertionError("the engine does not answer")
