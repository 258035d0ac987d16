"""What every engine does. The same tests on the fake, alone and behind an engine that
could fail, and on real Docker."""

from __future__ import annotations

import asyncio
import gzip
import io
import tarfile

import pytest

from replicas.engine import config
from replicas.engine.base import (
    LOST,
    EngineRefused,
    EngineUnreachable,
    ImageNotFound,
    Known,
    RegistryRefused,
    RegistryUnreachable,
    SignIn,
    VolumeInUse,
)
from replicas.tests.engine_fixtures import tiny
from replicas.tests.engine_fixtures.bench import (
    PROGRAM,
    DockerBench,
    FakeBench,
    FaultyBench,
    first,
    next_event,
)

BENCHES = [
    pytest.param(FakeBench, id="fake"),
    pytest.param(FaultyBench, id="faulty"),
    pytest.param(DockerBench, id="docker", marks=pytest.mark.docker),
]


@pytest.fixture(scope="module", autouse=True)
def tidy(request):
    yield
    if any("docker" in item.keywords for item in request.session.items):
        tiny.forget()


@pytest.fixture(params=BENCHES)
async def bench(request):
    made = await request.param.open()
    yield made
    await made.close()


async def ended(bench, behaviour: str) -> str:
    """A container that ran and ended by itself."""
    events = bench.streams.events(bench.labels)
    container_id = await asyncio.to_thread(bench.run, behaviour)
    await next_event(events, "die", container_id)
    await events.aclose()
    return container_id


async def test_node_says_what_it_has(bench):
    node = bench.engine.node()
    assert node.name
    assert node.cores >= 1
    assert node.memory_mb > 256
    assert node.engine_version


async def test_looking_for_gpus_leaves_nothing_behind(bench):
    events = bench.streams.events(bench.labels)
    # None would mean that they cannot be told, which on a sound machine they can.
    assert isinstance(await asyncio.to_thread(bench.engine.gpus), list)
    assert bench.engine.observe(bench.labels) == []
    made = bench.engine.create(bench.wanted())
    assert (await first(events)).container_id == made.id


# --- Create and observe -------------------------------------------------------
async def test_created_container_does_not_run(bench):
    made = bench.engine.create(bench.wanted())
    assert (made.created, made.running, made.address) == (True, False, "")
    assert (made.exit_code, made.started_at, made.finished_at) == (None, None, None)
    assert made.node == bench.engine.node().name


async def test_creating_twice_finds_the_first(bench):
    wanted = bench.wanted()
    assert bench.engine.create(wanted).id == bench.engine.create(wanted).id
    assert len(bench.engine.observe(bench.labels)) == 1


async def test_a_running_container_is_found_by_create(bench):
    wanted = bench.wanted()
    made = bench.engine.create(wanted)
    bench.engine.start(made.id)
    assert bench.engine.create(wanted).running


async def test_a_name_that_someone_else_holds_is_refused(bench):
    wanted = bench.wanted()
    bench.engine.create(wanted)
    with pytest.raises(EngineRefused, match="someone else"):
        bench.engine.create(bench.wanted(name=wanted.name, labels={"other": "yes"}))


async def test_an_image_that_is_not_here_is_named(bench):
    with pytest.raises(ImageNotFound, match=r"alight-test/nothing:1 is not on"):
        bench.engine.create(bench.wanted(image="alight-test/nothing:1"))


async def test_observe_needs_every_label(bench):
    one, two = bench.wanted(), bench.wanted()
    made = bench.engine.create(one)
    bench.engine.create(two)
    assert [seen.id for seen in bench.engine.observe(one.labels)] == [made.id]
    assert len(bench.engine.observe(bench.labels)) == 2
    assert bench.engine.observe(one.labels | {"alight.attempt": "2"}) == []


async def test_observed_carries_name_and_labels(bench):
    wanted = bench.wanted()
    bench.engine.create(wanted)
    (seen,) = bench.engine.observe(bench.labels)
    assert (seen.name, seen.labels) == (wanted.name, wanted.labels)


async def test_more_cores_than_there_are_is_no_error(bench):
    assert bench.engine.create(bench.wanted(cores=999)).created


# --- Start, end, remove -------------------------------------------------------
async def test_start_gives_the_address(bench):
    made = bench.engine.create(bench.wanted())
    seen = bench.engine.start(made.id)
    assert seen.running
    assert seen.address
    assert seen.started_at is not None
    assert bench.look(made.id).address == seen.address


async def test_one_without_a_network_runs_and_has_no_address(bench):
    container_id = bench.run()
    bench.take_from_network(container_id)
    seen = bench.look(container_id)
    assert (seen.running, seen.address) == (True, "")
    assert bench.engine.start(container_id).address == ""


async def test_starting_twice_is_success(bench):
    container_id = bench.run()
    assert bench.engine.start(container_id).running


async def test_starting_what_is_gone_is_refused(bench):
    container_id = bench.run()
    bench.engine.remove(container_id)
    with pytest.raises(EngineRefused):
        bench.engine.start(container_id)


async def speaking(bench) -> str:
    """A container whose program runs: what it is told before, nobody may hear."""
    container_id = bench.run("says")
    await first(bench.streams.logs(container_id, since=0))
    return container_id


async def test_stop_ends_it(bench):
    container_id = await speaking(bench)
    bench.engine.stop(container_id, grace=20)
    seen = bench.look(container_id)
    assert (seen.running, seen.created, seen.address) == (False, False, "")
    assert seen.exit_code == 143
    assert seen.finished_at >= seen.started_at


async def test_stop_kills_what_does_not_listen(bench):
    container_id = bench.run("stubborn")
    await first(bench.streams.logs(container_id, since=0))  # its trap is set
    bench.engine.stop(container_id, grace=1)
    assert bench.look(container_id).exit_code == 137


async def test_terminate_asks_and_returns(bench):
    events = bench.streams.events(bench.labels)
    container_id = await speaking(bench)
    bench.engine.terminate(container_id)
    await next_event(events, "die", container_id)
    await events.aclose()
    assert bench.look(container_id).exit_code == 143


async def test_terminate_does_not_kill(bench):
    container_id = bench.run("stubborn")
    await first(bench.streams.logs(container_id, since=0))
    bench.engine.terminate(container_id)
    assert bench.look(container_id).running


async def test_remove_takes_it_away_even_while_it_runs(bench):
    container_id = bench.run()
    bench.engine.remove(container_id)
    assert bench.look(container_id) is None


async def test_gone_is_success(bench):
    container_id = bench.run()
    bench.engine.stop(container_id, grace=1)
    bench.engine.stop(container_id, grace=1)
    bench.engine.terminate(container_id)
    bench.engine.remove(container_id)
    bench.engine.remove(container_id)
    bench.engine.stop(container_id, grace=1)
    bench.engine.terminate(container_id)
    assert bench.engine.tail(container_id, 5) == []
    assert bench.engine.listening_ports(container_id) == []


# --- Inside -------------------------------------------------------------------
async def test_exit_code_is_kept(bench):
    seen = bench.look(await ended(bench, "exits with 3"))
    assert (seen.exit_code, seen.running, seen.oom) == (3, False, False)
    assert seen.error == ""


async def test_a_missing_program_is_said(bench):
    seen = bench.look(await ended(bench, "missing program"))
    assert seen.exit_code == 127
    assert PROGRAM in seen.error


async def test_tail_is_the_last_lines(bench):
    container_id = await ended(bench, "says and ends")
    assert bench.engine.tail(container_id, 2) == ["two", "three"]
    assert bench.engine.tail(container_id, 9) == ["one", "two", "three"]


async def test_listening_ports_tell_reachable_from_loopback(bench):
    container_id = bench.run("listens")
    async with asyncio.timeout(60):
        while not bench.engine.listening_ports(container_id):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    assert bench.engine.listening_ports(container_id) == [8080]
    assert bench.engine.listening_ports(container_id, loopback=True) == [9090]


async def test_a_stopped_container_listens_nowhere(bench):
    container_id = bench.run("listens")
    bench.engine.stop(container_id, grace=5)
    assert bench.engine.listening_ports(container_id) == []


# --- Use ----------------------------------------------------------------------
async def test_a_running_container_says_what_it_uses(bench):
    container_id = await asyncio.to_thread(bench.run, memory_mb=64)
    usage = await bench.streams.usage(container_id)
    assert usage.at.tzinfo is not None
    assert usage.cpu >= 0
    assert 0 < usage.memory < usage.limit == 64 * 1024 * 1024
    later = await bench.streams.usage(container_id)
    assert later.at >= usage.at
    assert later.cpu >= usage.cpu


async def test_what_does_not_run_uses_nothing(bench):
    made = bench.engine.create(bench.wanted())
    assert await bench.streams.usage(made.id) is None
    bench.engine.remove(made.id)
    assert await bench.streams.usage(made.id) is None
    assert await bench.streams.usage(await ended(bench, "exits with 3")) is None


# --- Events -------------------------------------------------------------------
async def test_events_count_from_the_call(bench):
    events = bench.streams.events(bench.labels)
    wanted = bench.wanted()
    made = bench.engine.create(wanted)
    bench.engine.start(made.id)
    bench.engine.remove(made.id)
    seen = []
    async for event in events:
        assert event.container_id == made.id
        assert wanted.labels.items() <= event.labels.items()
        seen.append(event.action)
        if event.action == "destroy":
            break
    await events.aclose()
    assert seen == ["create", "start", "die", "destroy"]


async def test_events_of_others_are_not_told(bench):
    events = bench.streams.events(bench.labels)
    other = bench.wanted(labels={"alight.installation": "another"})
    theirs = bench.engine.create(other)
    mine = bench.engine.create(bench.wanted())
    assert (await first(events)).container_id == mine.id
    bench.engine.remove(theirs.id)


# --- Output -------------------------------------------------------------------
async def test_logs_tell_all_and_end_with_the_container(bench):
    container_id = await ended(bench, "says and ends")
    seen = [chunk async for chunk in bench.streams.logs(container_id, since=0)]
    assert [chunk.text for chunk in seen] == ["one", "two", "three"]
    assert all(chunk.complete and chunk.stream == "stdout" for chunk in seen)
    assert len({chunk.at for chunk in seen}) == 3


async def test_logs_resume_where_they_were(bench):
    container_id = await ended(bench, "says and ends")
    seen = [chunk async for chunk in bench.streams.logs(container_id, since=0)]
    again = bench.streams.logs(container_id, since=seen[1].at)
    assert [chunk async for chunk in again] == seen[1:]
    rest = bench.streams.logs(container_id, since=seen[1].at + 1)
    assert [chunk async for chunk in rest] == seen[2:]
    known = Known(lines=3, newest=seen[2].at)
    batches = bench.streams.log_batches(container_id, since=seen[1].at, known=known)
    assert [chunk async for batch in batches for chunk in batch] == seen[1:]


async def test_logs_follow_a_running_container(bench):
    container_id = bench.run("says")
    seen = []
    async for chunk in bench.streams.logs(container_id, since=0):
        seen.append(chunk.text)
        if chunk.text == "two":
            await asyncio.to_thread(bench.engine.stop, container_id, grace=5)
    assert seen == ["one", "two"]


async def test_batches_hold_the_same_lines(bench):
    container_id = await ended(bench, "says and ends")
    batches = bench.streams.log_batches(container_id, since=0)
    lines = [chunk async for batch in batches for chunk in batch]
    assert lines == [chunk async for chunk in bench.streams.logs(container_id, since=0)]


async def test_what_the_engine_threw_away_is_said(bench, monkeypatch):
    monkeypatch.setattr(config, "LOG_SIZE", "256k")
    container_id = await ended(bench, "says much")
    begin = await first(bench.streams.logs(container_id, since=0))
    bench.rotate(container_id)
    batches = bench.streams.log_batches(container_id, since=1)
    (lost,), *rest = [batch async for batch in batches]
    assert (lost.stream, lost.text) == (LOST, "1")
    lines = [chunk for batch in rest for chunk in batch]
    assert lost.at == lines[0].at >= begin.at
    assert [c.text for c in lines] == [str(n) for n in range(int(lines[0].text), 20001)]
    # Nothing is lost to one who has read it.
    again = bench.streams.log_batches(container_id, since=lines[0].at)
    assert [chunk async for batch in again for chunk in batch] == lines


async def test_logs_of_a_container_that_never_ran_end_at_once(bench):
    made = bench.engine.create(bench.wanted())
    assert [chunk async for chunk in bench.streams.logs(made.id, since=0)] == []


async def test_logs_of_a_gone_container_end_at_once(bench):
    container_id = bench.run()
    bench.engine.remove(container_id)
    assert [chunk async for chunk in bench.streams.logs(container_id, since=0)] == []
    assert [piece async for piece in bench.streams.live_tail(container_id)] == []


async def test_live_tail_does_not_wait_for_the_newline(bench):
    container_id = bench.run("draws")
    pieces = bench.streams.live_tail(container_id)
    waiting = asyncio.create_task(first(pieces))
    while not waiting.done():
        # What is written before it reads is not told.
        bench.draw(container_id)
        await asyncio.wait({waiting}, timeout=0.02)
    stream, piece = waiting.result()
    assert stream == "stdout"
    assert piece.startswith(b"\r")
    assert bench.engine.tail(container_id, 5) == []


# --- Images -------------------------------------------------------------------
async def test_an_image_is_known_or_not(bench):
    wanted = bench.wanted()
    assert bench.engine.image(wanted.image).size > 0
    assert bench.engine.image("alight-test/nothing:1") is None


async def test_fetch_brings_the_image(bench):
    await bench.publish()
    told = []
    found = await bench.streams.fetch(bench.offered, build="", on_progress=told.append)
    assert bench.engine.image(bench.offered) == found
    assert told[-1].verb == "pull"
    assert told[-1].done == told[-1].total > 0
    assert told[-1].layer == told[-1].layers > 0


async def test_fetch_of_an_unknown_image(bench):
    await bench.publish()
    with pytest.raises(ImageNotFound, match=r"answered “not found” for app:2\."):
        await bench.streams.fetch(bench.unknown, build="", on_progress=lambda _: None)


async def test_fetch_without_a_registry(bench):
    with pytest.raises(RegistryUnreachable, match=r"127\.0\.0\.1:1 did not answer"):
        await bench.streams.fetch(bench.nowhere, build="", on_progress=lambda _: None)


# --- Sign-ins -----------------------------------------------------------------
ACCOUNTS = {"ada": "secret-word", "bob": "other-word"}
# A registry of names and passwords, and one of tokens that these fetch.
WAYS = [pytest.param({}, id="basic"), pytest.param({"token": "t0ken"}, id="bearer")]


async def fetch(bench, sign_in=None, image=""):
    return await bench.streams.fetch(
        image or bench.offered, build="", on_progress=lambda _: None, sign_in=sign_in
    )


@pytest.mark.parametrize("way", WAYS)
async def test_a_private_image_needs_a_sign_in(bench, way):
    await bench.publish(accounts=ACCOUNTS, **way)
    with pytest.raises(RegistryRefused, match="add a registry sign-in"):
        await fetch(bench)
    with pytest.raises(RegistryRefused, match="choose another registry sign-in"):
        await fetch(bench, bench.sign_in("ada", "wrong"))
    assert bench.engine.image(bench.offered) is None
    await fetch(bench, bench.sign_in("ada", "secret-word"))
    assert bench.engine.image(bench.offered) is not None


async def test_an_image_that_is_there_is_asked_for_again(bench):
    """So a fetch tells who may have it, whatever the node has."""
    await bench.publish(accounts=ACCOUNTS)
    given = await fetch(bench, bench.sign_in("ada", "secret-word"))
    for sign_in in (None, bench.sign_in("ada", "guessed")):
        with pytest.raises(RegistryRefused):
            await fetch(bench, sign_in)
    assert (await fetch(bench, bench.sign_in("bob", "other-word"))).id == given.id


async def test_who_asks_without_the_sign_in_shares_nothing(bench):
    await bench.publish(accounts=ACCOUNTS)
    answers = await asyncio.gather(
        fetch(bench, bench.sign_in("ada", "secret-word")),
        fetch(bench, bench.sign_in("ada", "guessed")),
        fetch(bench),
        return_exceptions=True,
    )
    assert answers[0] == bench.engine.image(bench.offered)
    assert [type(answer).__name__ for answer in answers[1:]].count("ImageInfo") == 0
    assert all(isinstance(answer, RegistryRefused) for answer in answers[1:])


async def test_a_sign_in_is_shown_to_its_own_registry_only(bench):
    await bench.publish(accounts=ACCOUNTS)
    other = SignIn("lab.example", "ada", "secret-word")
    for asked in (fetch(bench, other), facts(bench, other)):
        with pytest.raises(RegistryRefused, match=r"for lab\.example, and the image"):
            await asked


@pytest.mark.parametrize("way", WAYS)
async def test_a_sign_in_is_checked(bench, way):
    await bench.publish(accounts=ACCOUNTS, **way)
    await bench.streams.check_sign_in(bench.sign_in("bob", "other-word"))
    for name, password in (("bob", "secret-word"), ("eve", "other-word")):
        with pytest.raises(RegistryRefused, match="this username and password") as no:
            await bench.streams.check_sign_in(bench.sign_in(name, password))
        assert password not in str(no.value)


async def test_a_sign_in_is_not_checked_without_its_registry(bench):
    with pytest.raises(RegistryUnreachable, match=r"127\.0\.0\.1:1"):
        await bench.streams.check_sign_in(SignIn("127.0.0.1:1", "ada", "secret-word"))


# --- Facts --------------------------------------------------------------------
async def facts(bench, sign_in=None, image=""):
    return await bench.streams.image_facts(image or bench.offered, sign_in=sign_in)


async def test_facts_about_an_image_in_the_registry(bench):
    await bench.publish()
    known = await facts(bench)
    assert (known.present, known.ports, known.volumes) == (False, (7860,), ("/data",))
    assert known.size > 0
    assert known.digest.startswith("sha256:")
    assert bench.engine.image(bench.offered) is None


async def test_facts_about_an_image_on_the_node(bench):
    await bench.publish()
    before = await facts(bench)
    here = await fetch(bench)
    known = await facts(bench)
    assert (known.present, known.ports, known.volumes) == (True, (7860,), ("/data",))
    assert (known.size, known.digest) == (here.size, before.digest)


@pytest.mark.parametrize("way", WAYS)
async def test_facts_about_a_private_image_need_the_sign_in(bench, way):
    await bench.publish(accounts=ACCOUNTS, **way)
    with pytest.raises(RegistryRefused, match="add a registry sign-in"):
        await facts(bench)
    with pytest.raises(RegistryRefused, match="choose another registry sign-in"):
        await facts(bench, bench.sign_in("ada", "wrong"))
    assert (await facts(bench, bench.sign_in("ada", "secret-word"))).ports == (7860,)


async def test_facts_can_be_asked_of_the_registry_alone(bench):
    await bench.publish(accounts=ACCOUNTS)
    ada = bench.sign_in("ada", "secret-word")
    given = await fetch(bench, ada)
    assert (await facts(bench)).id == given.id
    asked = bench.streams.image_facts
    with pytest.raises(RegistryRefused):
        await asked(bench.offered, node=False)
    told = await asked(bench.offered, sign_in=ada, node=False)
    assert (told.present, told.ports, told.id) == (False, (7860,), "")


async def test_facts_about_what_is_not_there(bench):
    await bench.publish()
    with pytest.raises(ImageNotFound, match=r"answered “not found” for app:2\."):
        await facts(bench, image=bench.unknown)
    with pytest.raises(RegistryUnreachable, match=r"127\.0\.0\.1:1 did not answer"):
        await facts(bench, image=bench.nowhere)
    with pytest.raises(ImageNotFound, match="is no image name"):
        await facts(bench, image="../containers")


# --- Volumes ------------------------------------------------------------------
def volume(bench, what="files") -> str:
    return f"alight-{bench.installation}-1-{what}"


async def files(bench, name, *, packed=False) -> dict[str, bytes]:
    stream = bench.streams.volume_archive(name, gzip=packed)
    whole = b"".join([piece async for piece in stream])
    if packed:
        whole = gzip.decompress(whole)
    found = {}
    with tarfile.open(fileobj=io.BytesIO(whole)) as tar:
        for entry in tar:
            assert entry.name in {".", "./"} or entry.name.startswith("./")
            if entry.isfile():
                found[entry.name] = tar.extractfile(entry).read()
    return found


@pytest.mark.parametrize("packed", [False, True])
async def test_an_archive_has_every_file(bench, packed):
    await bench.write(volume(bench), "one.txt", "first")
    await bench.write(volume(bench), "deep/two.txt", "second")
    assert await files(bench, volume(bench), packed=packed) == {
        "./one.txt": b"first",
        "./deep/two.txt": b"second",
    }
    assert bench.engine.observe(bench.labels) == []


async def test_a_volume_is_filled_from_an_archive(bench):
    one, two = volume(bench, "one"), volume(bench, "two")
    await bench.write(one, "kept.txt", "first")
    await bench.write(one, "deep/both.txt", "of the archive")
    await bench.write(two, "deep/both.txt", "of before")
    await bench.write(two, "other.txt", "stays")
    await bench.streams.volume_fill(two, bench.streams.volume_archive(one))
    assert await files(bench, two) == {
        "./kept.txt": b"first",
        "./deep/both.txt": b"of the archive",
        "./other.txt": b"stays",
    }
    fresh = volume(bench, "fresh")
    await bench.streams.volume_fill(fresh, bench.streams.volume_archive(one))
    assert await files(bench, fresh) == await files(bench, one)
    bench.engine.remove_volume(fresh)
    assert bench.engine.observe(bench.labels) == []


async def test_what_is_no_tar_fills_no_volume(bench):
    async def words():
        yield b"these are no files" * 100

    with pytest.raises(EngineRefused):
        await bench.streams.volume_fill(volume(bench), words())


async def test_an_archive_of_no_volume(bench):
    with pytest.raises(EngineRefused):
        await files(bench, volume(bench))
    assert await bench.streams.volume_sizes([volume(bench)]) == {}


async def test_an_archive_can_be_left_early(bench):
    await bench.write(volume(bench), "big.bin", "x" * 100_000)
    stream = bench.streams.volume_archive(volume(bench))
    assert await anext(stream)
    await stream.aclose()
    bench.engine.remove_volume(volume(bench))


async def test_sizes_of_the_volumes_asked_for(bench):
    one, two = volume(bench, "one"), volume(bench, "two")
    await bench.write(one, "a.bin", "x" * 30_000)
    await bench.write(two, "b.bin", "x")
    found = await bench.streams.volume_sizes([one, volume(bench, "none")])
    assert list(found) == [one]
    assert 30_000 <= found[one] < 60_000
    assert await bench.streams.volume_sizes([]) == {}


async def test_a_volume_is_removed_once_nobody_has_it(bench):
    name = volume(bench)
    container_id = bench.run(volumes=((name, "/data"),))
    for end in (bench.engine.stop, None):
        with pytest.raises(VolumeInUse, match=name):
            bench.engine.remove_volume(name)
        if end is not None:
            await asyncio.to_thread(end, container_id, grace=5)
    bench.engine.remove(container_id)
    bench.engine.remove_volume(name)
    bench.engine.remove_volume(name)
    with pytest.raises(EngineRefused):
        await files(bench, name)


# --- The node itself ----------------------------------------------------------
async def test_a_script_runs_on_the_node_and_leaves_nothing_behind(bench):
    bench.shell({"echo hello": "hello\n"})
    said = await asyncio.to_thread(bench.engine.in_network, "echo hello")
    assert said == "hello\n"
    assert bench.engine.observe(bench.labels) == []


async def test_a_script_that_fails_is_refused_with_its_last_line(bench):
    bench.shell({})
    with pytest.raises(EngineRefused, match="no way"):
        await asyncio.to_thread(
            bench.engine.in_network, "echo first; echo no way >&2; exit 3"
        )


# --- Away ---------------------------------------------------------------------
async def test_every_act_says_that_the_engine_is_away(bench):
    wanted = bench.wanted()
    away = bench.go_away()
    engine = away.engine
    for act in (
        engine.node,
        lambda: engine.observe(away.labels),
        lambda: engine.image("app:1"),
        lambda: engine.create(wanted),
        lambda: engine.start("x"),
        lambda: engine.terminate("x"),
        lambda: engine.stop("x", grace=1),
        lambda: engine.remove("x"),
        lambda: engine.tail("x", 5),
        lambda: engine.listening_ports("x"),
        engine.gpus,
        lambda: engine.remove_volume("x"),
        lambda: engine.in_network("true"),
    ):
        with pytest.raises(EngineUnreachable, match="does not answer"):
            act()


async def test_every_stream_says_that_the_engine_is_away(bench):
    away = bench.go_away()
    streams = away.streams
    for stream in (
        streams.events(away.labels),
        streams.logs("x", since=0),
        streams.log_batches("x", since=0),
        streams.live_tail("x"),
        streams.volume_archive("x"),
    ):
        with pytest.raises(EngineUnreachable, match="does not answer"):
            await first(stream)
    with pytest.raises(EngineUnreachable):
        await streams.fetch("app:1", build="", on_progress=lambda _: None)
    for asked in (
        streams.image_facts("app:1"),
        streams.check_sign_in(SignIn("lab.example", "ada", "secret-word")),
        streams.volume_sizes(["x"]),
        streams.volume_fill("x", streams.volume_archive("x")),
        streams.usage("x"),
    ):
        with pytest.raises(EngineUnreachable, match="does not answer"):
            await asked
    await streams.close()
