"""Requests that are answered later, on their way: an ingress of the test answers."""

import asyncio
import contextlib
import uuid
from datetime import timedelta

import pytest
from aiohttp import web
from asgiref.sync import sync_to_async
from django.utils import timezone

from endpoints import asynchronous
from endpoints.models import AccessKey, AsyncRequest, AsyncState, Pass, ShareLink
from endpoints.passes import digest_of
from endpoints.tests.factories import AccessKeyFactory, EndpointFactory
from replicas.delivery import leases, queue
from replicas.delivery.verdicts import Next, Verdict, verdict
from replicas.runner import delivering
from replicas.runner.delivering import Deliverer


# --- What an answer means ----------------------------------------------------
@pytest.mark.parametrize(
    ("code", "tries", "attempts", "expected"),
    [
        ("", 0, 1, Next.KEEP),
        ("starting", 0, 1, Next.AGAIN),
        ("waiting", 500, 1, Next.AGAIN),
        ("idle", 0, 1, Next.AGAIN),
        ("busy", 0, 1, Next.AGAIN),
        ("paused", 0, 1, Next.AGAIN),
        ("unavailable", 0, 1, Next.AGAIN),
        ("away", 0, 1, Next.AGAIN),
        ("of a later version", 0, 1, Next.AGAIN),
        ("private", 0, 1, Next.RENEW),
        ("unknown", 19, 1, Next.RENEW),
        ("private", 20, 1, Next.FAIL),
        ("failed", 500, 1, Next.AGAIN),
        ("gone", 0, 1, Next.RESEND),
        ("timeout", 0, 2, Next.RESEND),
        ("lost", 0, 2, Next.RESEND),
        ("lost", 0, 3, Next.FAIL),
    ],
)
def test_a_verdict(code, tries, attempts, expected):
    assert verdict(code, tries, attempts).next is expected


def test_patience_grows_to_half_a_minute():
    pauses = [verdict("busy", tries, 1).pause for tries in (0, 1, 5, 10, 10_000)]
    assert pauses == sorted(pauses)
    assert (pauses[0], pauses[-1]) == (1.0, 30.0)
    assert verdict("", 0, 1) == Verdict(Next.KEEP)


def test_a_replica_that_fails_is_given_five_minutes():
    told = [verdict("failed", 0, 1, failures) for failures in range(18)]
    assert [one.next for one in told] == [Next.AGAIN] * 17 + [Next.FAIL]
    pauses = [one.pause for one in told[:-1]]
    assert pauses == sorted(pauses)
    assert 280 < sum(pauses) < 330
    assert told[-1].why == "The replica failed."


# --- Which are due -----------------------------------------------------------
@pytest.fixture(autouse=True)
def folder(settings, tmp_path):
    settings.ALIGHT_ASYNC_DIR = tmp_path / "async"
    return settings.ALIGHT_ASYNC_DIR


def accepted(endpoint, path="/infer", body=b"{}", headers=(), method="POST"):
    grant = AccessKeyFactory(owner=endpoint.owner).digest
    return asynchronous.accept(endpoint, method, path, headers, [body], grant=grant).pk


@pytest.fixture
def art(alice):
    return EndpointFactory(name="art", owner=alice, concurrency=2, max_replicas=2)


@pytest.mark.django_db
def test_as_many_as_its_replicas_take_the_oldest_first(art):
    ids = [accepted(art) for _ in range(6)]
    assert list(queue.due([])) == ids[:4]
    # What is in hand stays, also when there is room for fewer.
    art.max_replicas = 1
    art.save()
    assert set(queue.due(ids[:4])) == set(ids[:4])
    asynchronous.fail(ids[0], 503, "")
    assert set(queue.due(ids[:4])) == set(ids[1:4])


@pytest.mark.django_db
def test_endpoints_take_turns(art, alice, monkeypatch):
    monkeypatch.setattr(queue, "TOGETHER", 3)
    first = [accepted(art) for _ in range(4)]
    chat = EndpointFactory(name="chat", owner=alice, concurrency=4)
    second = [accepted(chat) for _ in range(2)]
    assert set(queue.due([])) == {first[0], second[0], first[1]}
    assert set(queue.due(first[:2])) == {first[0], first[1], second[0]}


@pytest.mark.django_db
def test_what_is_finished_or_of_a_deleted_endpoint_is_not_due(art):
    done, gone = accepted(art), accepted(art)
    asynchronous.begin(done)
    assert set(queue.due([])) == {done, gone}
    asynchronous.complete(done, 200, [])
    assert set(queue.due([done])) == {gone}
    art.deleting = True
    art.save()
    assert queue.due([gone]) == {}


def test_of_two_workers_one_has_it(tmp_path):
    file = tmp_path / "request"
    with pytest.raises(FileNotFoundError):
        leases.take(file)
    file.touch()
    held = leases.take(file)
    assert leases.take(file) is None
    leases.give_back(held)
    again = leases.take(file)
    assert again is not None
    leases.give_back(again)


# --- Sent --------------------------------------------------------------------
class Ingress:
    """What the deliverer reaches: the test says what each request is answered."""

    def __init__(self):
        self.heard = []
        self.arrived = asyncio.Event()
        self.release = asyncio.Event()
        self.answers = []

    async def start(self, port=0):
        """At this port, or at any; which it is."""
        app = web.Application(client_max_size=1 << 30)
        app.router.add_route("*", "/{rest:.*}", self._answer)
        self._runner = web.AppRunner(app, handler_cancellation=True)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", port).start()
        return self._runner.addresses[0][1]

    async def stop(self):
        await self._runner.cleanup()

    async def _answer(self, request):
        body = await request.read()
        self.heard.append((request.method, request.raw_path, request.headers, body))
        self.arrived.set()
        answer = self.answers.pop(0) if self.answers else web.Response(text="fine")
        return await answer(request) if callable(answer) else answer

    async def held(self, request):
        await self.release.wait()
        return web.Response(text="at last")


def says(code, status=503, **error):
    return web.json_response(
        {"error": {"code": code, "endpoint": "art", **error}},
        status=status,
        headers={"X-Alight-Answer": code},
    )


@pytest.fixture
async def ingress(settings, monkeypatch):
    # Patience is the table's to test.
    kind = delivering.verdict
    monkeypatch.setattr(
        delivering,
        "verdict",
        lambda *facts: Verdict(kind(*facts).next, 0.0, kind(*facts).why),
    )
    made = Ingress()
    settings.ALIGHT_PORT = await made.start()
    yield made
    await made.stop()


@contextlib.asynccontextmanager
async def working():
    """A deliverer that looks as often as it can."""
    deliverer = Deliverer()

    async def look():
        while True:
            await deliverer.sweep()
            await asyncio.sleep(0.02)

    looking = asyncio.create_task(look())
    try:
        yield deliverer
    finally:
        looking.cancel()
        await asyncio.wait({looking})
        await deliverer.close()


async def eventually(true):
    async with asyncio.timeout(60):
        while not await true():  # noqa: ASYNC110 - rows ring no bell
            await asyncio.sleep(0.01)


async def finished(request_id):
    rows = AsyncRequest.objects.filter(pk=request_id)
    done = rows.exclude(state__in=asynchronous.UNFINISHED)
    await eventually(done.aexists)
    return await done.aget()


asend = sync_to_async(accepted)
in_threads = pytest.mark.django_db(transaction=True)


@in_threads
async def test_it_is_sent_as_it_was_and_its_answer_is_kept(ingress, art):
    ingress.answers = [
        web.Response(
            body=b"\x00\xff" * 100_000,
            status=418,
            headers={"Content-Type": "image/odd", "X-A": "b"},
        )
    ]
    sent = [["Content-Type", "application/json"], ["X-Trace", "7"]]
    request_id = await asend(art, "/a%20b/%2F?c=%C3%BC&d", b'{"a": 1}', sent, "PUT")
    async with working():
        one = await finished(request_id)
    ((method, path, headers, body),) = ingress.heard
    assert (method, path, body) == ("PUT", "/a%20b/%2F?c=%C3%BC&d", b'{"a": 1}')
    assert headers["Host"].startswith("art.localhost:")
    assert headers["X-Trace"] == "7"
    assert headers["Content-Type"] == "application/json"
    assert headers["X-Alight-Wait"] == "600"
    assert "X-OctoAI-Async" not in headers
    assert "User-Agent" not in headers
    assert (one.state, one.status, one.attempts) == ("completed", 418, 1)
    assert ["X-A", "b"] in one.response_headers
    kept = asynchronous.answer_file(request_id)
    assert kept.read_bytes() == b"\x00\xff" * 100_000
    assert not asynchronous.request_file(request_id).exists()


@in_threads
async def test_a_private_endpoint_is_called_with_a_pass_that_ends(ingress, art):
    usable = []

    async def look(request):
        usable.append([one.digest async for one in Pass.objects.usable()])
        return web.Response(text="fine")

    ingress.answers = [says("private", 401), look]
    async with working():
        await finished(await asend(art))
    first, second = (h["Cookie"].partition("=") for _, _, h, _ in ingress.heard)
    assert first[0] == "alight_pass"
    # The one that was refused was made anew.
    assert first[2] != second[2]
    assert usable == [[digest_of(second[2])]]
    assert not await Pass.objects.usable().aexists()


@in_threads
async def test_a_public_one_is_called_without(ingress, art):
    art.public = True
    await art.asave()
    async with working():
        await finished(await asend(art))
    assert "Cookie" not in ingress.heard[0][2]


@in_threads
async def test_turned_away_it_waits_and_is_not_counted(ingress, art):
    waits = ["starting", "busy", "paused", "idle", "unavailable", "unknown"]
    ingress.answers = [says(code) for code in waits]
    async with working():
        one = await finished(await asend(art))
    assert (one.state, one.status, one.attempts) == ("completed", 200, 1)
    assert len(ingress.heard) == len(waits) + 1


@in_threads
async def test_an_ingress_that_is_away_is_waited_for(ingress, art, settings):
    await ingress.stop()
    request_id = await asend(art)
    async with working():
        await eventually(AsyncRequest.objects.exclude(trouble="").aexists)
        await ingress.start(settings.ALIGHT_PORT)
        one = await finished(request_id)
    assert (one.state, one.trouble) == ("completed", "")


@in_threads
async def test_a_failed_start_is_its_answer(ingress, art):
    failed = says("failed", reason="The container exited with code 1.")

    async def fails(request):
        return web.Response(body=failed.body, status=503, headers=failed.headers)

    ingress.answers = [fails] * 18
    async with working():
        one = await finished(await asend(art))
    assert ingress.answers == []
    assert (one.state, one.status) == ("failed", 503)
    assert one.trouble == "The container exited with code 1."


@in_threads
async def test_what_breaks_its_replica_is_sent_three_times(ingress, art):
    async def breaks(request):
        request.transport.abort()
        return web.Response()

    ingress.answers = [says("gone", 502), breaks, says("timeout", 504)]
    async with working():
        one = await finished(await asend(art))
    assert (one.state, one.status, one.attempts) == ("failed", 503, 3)
    assert one.trouble == "The replica did not answer in time. It was sent 3 times."


@in_threads
async def test_half_an_answer_is_none(ingress, art, folder):
    async def half(request):
        answer = web.StreamResponse(headers={"Content-Length": "100"})
        await answer.prepare(request)
        await answer.write(b"half")
        request.transport.abort()
        return answer

    ingress.answers = [half]
    async with working():
        one = await finished(await asend(art))
    assert (one.state, one.attempts) == ("completed", 2)
    assert [f.name for f in folder.iterdir()] == [f"{one.pk}.answer"]
    assert asynchronous.answer_file(one.pk).read_text() == "fine"


@in_threads
async def test_an_answer_that_is_too_large_is_not_kept(
    ingress, art, folder, monkeypatch
):
    monkeypatch.setattr(delivering, "ANSWER_MAX", 1000)
    ingress.answers = [web.Response(body=b"x" * 1001)]
    async with working():
        one = await finished(await asend(art))
    assert (one.state, one.status) == ("failed", 502)
    assert one.trouble.startswith("The answer has more than 512 MB.")
    assert list(folder.iterdir()) == []


@in_threads
async def test_a_lost_body_is_told(ingress, art):
    request_id = await asend(art)
    asynchronous.request_file(request_id).unlink()
    async with working():
        one = await finished(request_id)
    assert (one.state, one.status) == ("failed", 500)
    assert ingress.heard == []


@in_threads
async def test_what_a_worker_left_is_sent_by_the_next(ingress, art):
    ingress.answers = [ingress.held]
    request_id = await asend(art, body=b"kept")
    async with working():
        await ingress.arrived.wait()
        one = await AsyncRequest.objects.aget(pk=request_id)
        assert (one.state, one.attempts) == ("running", 1)
    async with working():
        one = await finished(request_id)
    # That the worker ended was not its doing.
    assert (one.state, one.attempts) == ("completed", 1)
    assert [body for *_, body in ingress.heard] == [b"kept", b"kept"]


@in_threads
async def test_two_workers_send_it_once(ingress, art):
    ingress.answers = [ingress.held]
    request_id = await asend(art)
    async with working(), working() as second:
        await ingress.arrived.wait()
        for _ in range(3):
            await second.sweep()
        ingress.release.set()
        await finished(request_id)
    assert len(ingress.heard) == 1


@in_threads
async def test_cancelling_ends_what_is_being_sent(ingress, art, folder):
    left = asyncio.Event()

    async def hold(request):
        try:
            await asyncio.Event().wait()
        finally:
            left.set()

    ingress.answers = [hold]
    request_id = await asend(art)
    async with working():
        await ingress.arrived.wait()
        one = await AsyncRequest.objects.aget(pk=request_id)
        await sync_to_async(asynchronous.cancel)(one)
        async with asyncio.timeout(60):
            await left.wait()
    one = await AsyncRequest.objects.aget(pk=request_id)
    assert one.state == AsyncState.CANCELLED
    assert list(folder.iterdir()) == []


@in_threads
async def test_one_that_ends_makes_room_for_the_next_at_once(ingress, art):
    art.concurrency = art.max_replicas = 1
    await art.asave()
    ids = [await asend(art, f"/{number}") for number in range(5)]
    deliverer = Deliverer()
    try:
        # One look only: each that ends looks for the next.
        await deliverer.sweep()
        await finished(ids[-1])
    finally:
        await deliverer.close()
    assert [path for _, path, *_ in ingress.heard] == [f"/{n}" for n in range(5)]


@in_threads
async def test_what_is_older_than_it_is_kept_is_pruned(ingress, art, folder):
    request_id = await asend(art)
    past = timezone.now() - timedelta(seconds=1)
    rows = AsyncRequest.objects.filter(pk=request_id)
    await rows.aupdate(state=AsyncState.COMPLETED, expires_at=past)
    deliverer = Deliverer()
    await deliverer.sweep()
    await deliverer.close()
    assert not await rows.aexists()
    assert list(folder.iterdir()) == []


@in_threads
async def test_a_start_that_fails_for_a_while_is_waited_for(ingress, art):
    ingress.answers = [says("gone", 502), says("failed"), says("failed")]
    async with working():
        one = await finished(await asend(art))
    assert (one.state, one.attempts) == ("completed", 2)


@in_threads
async def test_what_cannot_be_sent_is_told_and_not_tried_again(ingress, art):
    request_id = await asend(art)
    # As earlier versions kept it.
    rows = AsyncRequest.objects.filter(pk=request_id)
    await rows.aupdate(headers=[["Foo", "a\x01b"]])
    async with working():
        one = await finished(request_id)
    assert (one.state, one.status, one.attempts) == ("failed", 500, 1)
    assert one.trouble.startswith("The request could not be sent as it is.")


@in_threads
@pytest.mark.parametrize("status", [700, 999])
async def test_a_status_that_is_none_is_told(ingress, art, status):
    ingress.answers = [web.Response(status=status)]
    async with working():
        one = await finished(await asend(art))
    assert (one.state, one.status) == ("failed", 502)
    assert str(status) in one.trouble


@in_threads
async def test_who_asked_has_to_be_let_in_still(ingress, art):
    request_id = await asend(art)
    await AccessKey.objects.aupdate(revoked_at=timezone.now())
    async with working():
        one = await finished(request_id)
    assert (one.state, one.status) == ("failed", 401)
    assert one.trouble.startswith("The token, pass or link it was sent with no longer")
    assert ingress.heard == []


@in_threads
async def test_nothing_is_sent_for_an_owner_who_may_not_sign_in(ingress, art):
    # Let in by what is not the owner's: a link.
    link = await ShareLink.objects.acreate(
        endpoint=art,
        maker=art.owner,
        digest="L" * 64,
        expires_at=timezone.now() + timedelta(hours=1),
    )
    await Pass.objects.acreate(
        endpoint=art,
        link=link,
        digest="B" * 64,
        expires_at=timezone.now() + timedelta(hours=1),
    )
    request_id = await asend(art)
    await AsyncRequest.objects.aupdate(grant="B" * 64)
    art.owner.is_active = False
    await art.owner.asave()
    async with working():
        one = await finished(request_id)
    assert (one.state, one.status) == ("failed", 401)
    assert one.trouble.startswith("The endpoint's owner may not sign in")
    assert ingress.heard == []


@in_threads
async def test_an_answer_beyond_what_an_endpoint_may_keep_is_told(
    ingress, art, folder, monkeypatch
):
    monkeypatch.setattr(asynchronous, "KEPT_BYTES_MAX", 1000)
    ingress.answers = [web.Response(body=b"x" * 1001)]
    async with working():
        one = await finished(await asend(art))
        assert (one.state, one.status, one.answer_bytes) == ("failed", 507, 0)
        assert "this endpoint's have" in one.trouble
        # What was not kept takes no room.
        two = await finished(await asend(art))
    assert (two.state, two.answer_bytes) == ("completed", 4)
    assert [file.name for file in folder.iterdir()] == [f"{two.pk}.answer"]


async def test_of_two_looks_the_newer_is_followed_last(monkeypatch):
    """The older one's rows are read first and come later."""
    release, looks, followed = asyncio.Event(), [], []
    newer = {uuid.uuid4(): 1}

    async def in_thread(call, *args):
        if call is not queue.due:
            return None
        looks.append(call)
        if len(looks) > 1:
            return newer
        await release.wait()
        return {}

    monkeypatch.setattr(delivering, "in_thread", in_thread)
    deliverer = Deliverer()
    monkeypatch.setattr(deliverer._jobs, "fit", followed.append)
    sweeps = [asyncio.create_task(deliverer.sweep()) for _ in range(2)]
    for _ in range(20):
        await asyncio.sleep(0)
    release.set()
    await asyncio.gather(*sweeps)
    assert followed == [{}, newer]


@in_threads
async def test_a_large_answer_is_kept_whole(ingress, art):
    body = bytes(range(256)) * (5 << 12) + b"end"
    ingress.answers = [web.Response(body=body)]
    async with working():
        one = await finished(await asend(art))
    assert (one.state, one.answer_bytes) == ("completed", len(body))
    assert asynchronous.answer_file(one.pk).read_bytes() == body
