"""Requests that are answered later, as the ingress brings them to the web process."""

import errno
import io
import uuid
from datetime import timedelta
from unittest import mock

import pytest
from asgiref.sync import async_to_sync
from django.utils import timezone

from endpoints import asynchronous
from endpoints.models import AsyncRequest, AsyncState, Endpoint
from endpoints.reaching import BODY_MAX
from endpoints.signals import async_changed
from endpoints.tests.factories import AccessKeyFactory, EndpointFactory

pytestmark = pytest.mark.django_db

EDGE = {"X-Alight-Endpoint": "art", "X-Alight-Grant": "A" * 64}


@pytest.fixture(autouse=True)
def folder(settings, tmp_path):
    settings.ALIGHT_ASYNC_DIR = tmp_path / "async"
    return settings.ALIGHT_ASYNC_DIR


@pytest.fixture
def art(alice):
    return EndpointFactory(name="art", owner=alice)


@pytest.fixture
def told():
    """Endpoints that the worker was told of."""
    heard = []

    def hear(endpoint_id, **_):
        heard.append(endpoint_id)

    async_changed.connect(hear)
    yield heard
    async_changed.disconnect(hear)


def send(client, body=b'{"a": 1}', method="POST", path="/infer?b=c", **headers):
    return client.generic(
        method,
        "/-/alight/async",
        body,
        headers={
            "X-OctoAI-Async": "1",
            "Content-Type": "application/json",
            **EDGE,
            "X-Alight-Path": path,
            **{k.replace("_", "-"): v for k, v in headers.items()},
        },
    )


def ask(client, request_id, tail="", method="get", **headers):
    address = f"/-/alight/async/{request_id}{tail}"
    return getattr(client, method)(address, headers={**EDGE, **headers})


def made(art, **columns):
    columns.setdefault("grant", AccessKeyFactory(owner=art.owner).digest)
    one = AsyncRequest.objects.create(
        endpoint=art,
        method="POST",
        path="/",
        expires_at=timezone.now() + timedelta(hours=1),
        **columns,
    )
    asynchronous.write(asynchronous.request_file(one.pk), [b"{}"])
    return one


# --- Taken -------------------------------------------------------------------
def test_it_is_kept_and_the_worker_is_told(
    client, art, told, folder, django_capture_on_commit_callbacks
):
    with django_capture_on_commit_callbacks(execute=True):
        answer = send(client, X_Trace="7", Authorization="Bearer mine", Cookie="a=b")
    one = AsyncRequest.objects.get()
    assert answer.status_code == 202
    assert answer.json() == {
        "response_id": str(one.pk),
        "poll_url": f"http://art.localhost:8080/-/alight/async/{one.pk}",
    }
    assert (one.state, one.method, one.path) == ("pending", "POST", "/infer?b=c")
    sent = {name.lower(): value for name, value in one.headers}
    assert sent == {"content-type": "application/json", "x-trace": "7"}
    assert asynchronous.request_file(one.pk).read_bytes() == b'{"a": 1}'
    assert folder.stat().st_mode & 0o777 == 0o700
    assert told == [art.pk]


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
def test_any_method_is_taken(client, art, method):
    assert send(client, b"", method=method).status_code == 202
    assert AsyncRequest.objects.get().method == method


def test_a_method_longer_than_any_usual_one_is_refused(client, art, folder):
    answer = send(client, method="UNSUBSCRIBE")
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "bad_method"
    assert not AsyncRequest.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_an_endpoint_that_just_went_is_unknown(client, art, folder):
    def goes(*_):
        Endpoint.objects.all().delete()

    # Once it was found, and before the request is written down.
    with mock.patch.object(asynchronous, "check_room", goes):
        answer = send(client)
    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "unknown"
    assert list(folder.iterdir()) == []


def test_the_largest_body_is_taken_and_a_larger_one_is_not(client, art, folder):
    largest = b"x" * BODY_MAX
    assert send(client, largest).status_code == 202
    one = AsyncRequest.objects.get()
    assert asynchronous.request_file(one.pk).read_bytes() == largest
    answer = send(client, largest + b"x")
    assert answer.status_code == 413
    assert answer.json()["error"]["code"] == "too_large"
    assert AsyncRequest.objects.count() == 1
    assert len(list(folder.iterdir())) == 1


def test_a_body_that_does_not_say_how_large_it_is_is_counted(art, folder):
    body = io.BytesIO(b"x" * (BODY_MAX + 1))
    pieces = iter(lambda: body.read(1 << 16), b"")
    with pytest.raises(asynchronous.TooLarge):
        asynchronous.accept(art, "POST", "/", [], pieces, grant="public")
    assert list(folder.iterdir()) == []


def test_only_the_ingress_can_bring_one(client, art):
    assert send(client, X_Alight_Endpoint="").status_code == 404
    assert send(client, X_Alight_Endpoint="other").status_code == 404
    # Asked for by its own address.
    assert send(client, path="").status_code == 404
    bare = {"X-Alight-Endpoint": "art", "X-Alight-Path": "/"}
    assert client.post("/-/alight/async", headers=bare).status_code == 404
    assert not AsyncRequest.objects.exists()


def test_a_paused_endpoint_takes_none(client, art):
    art.paused = True
    art.save()
    answer = send(client)
    assert answer.status_code == 503
    assert answer.json()["error"]["code"] == "paused"


def test_there_is_an_end_to_waiting_ones(client, art, monkeypatch):
    monkeypatch.setattr(asynchronous, "UNFINISHED_MAX", 2)
    made(art)
    made(art, state=AsyncState.RUNNING)
    made(art, state=AsyncState.COMPLETED)
    answer = send(client)
    assert (answer.status_code, answer["Retry-After"]) == (429, "30")
    assert answer.json()["error"]["code"] == "busy"


def test_a_full_disk_is_told(client, art, folder, monkeypatch):
    def full(file):
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(asynchronous, "settle", full)
    answer = send(client)
    assert answer.status_code == 507
    assert answer.json()["error"]["code"] == "no_room"
    assert list(folder.iterdir()) == []
    assert not AsyncRequest.objects.exists()


@pytest.mark.parametrize("value", ["a\x01b", "a\x7f", "\x00"])
def test_a_header_that_cannot_be_sent_is_refused(client, art, folder, value):
    answer = send(client, Foo=value)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "bad_header")
    assert "“Foo”" in answer.json()["error"]["message"]
    assert not AsyncRequest.objects.exists()
    assert not folder.exists()


def test_headers_keep_their_bytes(art):
    # As a web server gives them: a character for each byte.
    utf8 = "ü".encode().decode("latin-1")
    kept = asynchronous.kept_headers([("X-A", utf8), ("X-B", "\xfc"), ("X-C", "a\tb")])
    assert kept == [["X-A", "ü"], ["X-B", "ü"], ["X-C", "a\tb"]]


def test_an_endpoint_keeps_so_much_and_no_more(client, art, alice, monkeypatch):
    monkeypatch.setattr(asynchronous, "KEPT_BYTES_MAX", 100)
    one = made(art, body_bytes=60)
    two = made(art, state=AsyncState.COMPLETED, answer_bytes=40)
    chat = EndpointFactory(name="chat", owner=alice)
    answer = send(client)
    assert (answer.status_code, answer.json()["error"]["code"]) == (507, "no_room")
    assert send(client, X_Alight_Endpoint=chat.name).status_code == 202
    # A deleted answer makes room, and so does one that is cancelled.
    asynchronous.cancel(two)
    assert send(client).status_code == 202
    asynchronous.cancel(one)
    new = AsyncRequest.objects.get(endpoint=art, state=AsyncState.PENDING)
    assert new.body_bytes == len(b'{"a": 1}')


def test_some_of_the_disk_stays_free(client, art, monkeypatch):
    monkeypatch.setattr(asynchronous, "FREE_BYTES", 1 << 80)
    monkeypatch.setattr(asynchronous, "FREE_PART", 1.1)
    answer = send(client)
    assert (answer.status_code, answer.json()["error"]["code"]) == (507, "no_room")
    assert not AsyncRequest.objects.exists()


# --- Who may still call ------------------------------------------------------
def test_what_strangers_sent_while_it_was_public_is_not_sent_later(client, art):
    art.public = True
    art.save()
    assert send(client, X_Alight_Grant="public").status_code == 202
    one = AsyncRequest.objects.get()
    assert asynchronous.begin(one.pk) is not None
    art.public = False
    art.save()
    assert asynchronous.begin(one.pk) is None
    one.refresh_from_db()
    assert (one.state, one.status) == ("failed", 401)


def test_a_token_of_somebody_else_does_not_count(art):
    one = made(art, grant=AccessKeyFactory().digest)
    assert asynchronous.begin(one.pk) is None
    one.refresh_from_db()
    assert (one.state, one.status) == ("failed", 401)
    art.public = True
    art.save()
    assert asynchronous.begin(made(art, grant="").pk) is not None


def test_there_is_an_end_to_beginning(art):
    one = made(art)
    for _ in range(asynchronous.BEGUN_MAX):
        assert asynchronous.begin(one.pk) is not None
    assert asynchronous.begin(one.pk) is None
    one.refresh_from_db()
    assert (one.state, one.status) == ("failed", 503)
    assert "10 times" in one.trouble


# --- Asked for ---------------------------------------------------------------
def test_where_it_stands(client, art):
    one = made(art)
    assert ask(client, one.pk).json()["status"] == "pending"
    assert asynchronous.begin(one.pk).attempts == 1
    assert ask(client, one.pk).json()["status"] == "running"
    asynchronous.put_back(one.pk, "No replica is ready yet.", seen=False)
    assert ask(client, one.pk).json() == {
        "response_id": str(one.pk),
        "poll_url": f"{art.url}/-/alight/async/{one.pk}",
        "status": "pending",
        "detail": "No replica is ready yet.",
    }
    answer = ask(client, one.pk, "/response")
    assert (answer.status_code, answer["Retry-After"]) == (409, "1")
    assert AsyncRequest.objects.get().attempts == 0


def completed(art, status=201, headers=(), body=b"done"):
    one = made(art)
    asynchronous.begin(one.pk)
    asynchronous.write(asynchronous.answer_file(one.pk), [body])
    assert asynchronous.complete(one.pk, status, headers)
    return one


async def body_of(answer):
    return b"".join([piece async for piece in answer.streaming_content])


def test_the_answer_comes_back_as_it_was(client, art):
    headers = [
        ("Content-Type", "text/x-odd"),
        ("X-Two", "a"),
        ("X-Two", "b"),
        ("Set-Cookie", "c=d"),
        ("Transfer-Encoding", "chunked"),
        ("Server", "uvicorn"),
    ]
    one = completed(art, headers=headers)
    assert ask(client, one.pk).json() == {
        "response_id": str(one.pk),
        "poll_url": f"{art.url}/-/alight/async/{one.pk}",
        "status": "completed",
        "response_url": f"{art.url}/-/alight/async/{one.pk}/response",
        "response_status": 201,
    }
    answer = ask(client, one.pk, "/response")
    assert answer.status_code == 201
    assert async_to_sync(body_of)(answer) == b"done"
    assert answer["Content-Type"] == "text/x-odd"
    assert answer["X-Two"] == "a, b"
    assert answer["Content-Length"] == "4"
    for name in ("Set-Cookie", "Transfer-Encoding", "Server"):
        assert name not in answer
    # The body is not needed any longer.
    assert not asynchronous.request_file(one.pk).exists()


def test_answers_keep_the_bytes_of_their_headers(client, art):
    # As aiohttp gives them: UTF-8, and other bytes as surrogates.
    headers = [("X-A", "ü"), ("X-B", "\udcff"), ("X-C", "a\x01"), ("X D", "e")]
    one = completed(art, headers=headers)
    answer = ask(client, one.pk, "/response")
    assert answer.status_code == 201
    assert answer["X-A"].encode("latin-1") == "ü".encode()
    assert answer["X-B"] == "\xff"
    assert "X-C" not in answer
    assert "X D" not in answer


def test_what_an_earlier_version_kept_and_cannot_be_said_is_left_out(client, art):
    one = completed(art)
    rows = AsyncRequest.objects.filter(pk=one.pk)
    rows.update(response_headers=[["X-B", "\udcff"], ["X-C", "d"]])
    answer = ask(client, one.pk, "/response")
    assert (answer.status_code, answer["X-C"]) == (201, "d")
    assert "X-B" not in answer
    rows.update(status=999)
    answer = ask(client, one.pk, "/response")
    assert (answer.status_code, answer.json()["error"]["code"]) == (502, "failed")


def test_a_failure_is_completed_too_and_its_answer_says_why(client, art):
    one = made(art)
    asynchronous.begin(one.pk)
    assert asynchronous.fail(one.pk, 503, "The container exited with code 1.")
    told = ask(client, one.pk).json()
    assert told["status"] == "completed"
    assert told["error"]["message"] == "The container exited with code 1."
    answer = ask(client, one.pk, "/response")
    assert answer.status_code == 503
    why = "Not answered. The container exited with code 1."
    assert answer.json()["error"]["message"] == why


def test_it_is_known_at_its_own_endpoint_only(client, art, alice):
    EndpointFactory(name="chat", owner=alice)
    one = completed(art)
    other = {"X-Alight-Endpoint": "chat"}
    for tail in ("", "/response"):
        answer = ask(client, one.pk, tail, **other)
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "unknown")
    assert ask(client, one.pk, method="delete", **other).status_code == 404
    assert ask(client, uuid.uuid4()).status_code == 404
    stranger = {"X-Alight-Endpoint": "art"}
    assert client.get(f"/-/alight/async/{one.pk}", headers=stranger).status_code == 404
    assert client.get(f"/-/alight/async/{one.pk}").status_code == 404


# --- Cancelled and pruned ----------------------------------------------------
@pytest.mark.parametrize("state", [AsyncState.PENDING, AsyncState.RUNNING])
def test_cancelling_an_unfinished_one(
    client, art, told, state, django_capture_on_commit_callbacks
):
    one = made(art, state=state)
    with django_capture_on_commit_callbacks(execute=True):
        assert ask(client, one.pk, method="delete").status_code == 204
    assert told == [art.pk]
    for tail in ("", "/response"):
        answer = ask(client, one.pk, tail)
        assert answer.status_code == 410
        assert answer.json()["error"]["code"] == "cancelled"
    # Whoever was sending it finds out, and twice is fine.
    assert asynchronous.begin(one.pk) is None
    assert not asynchronous.complete(one.pk, 200, [])
    assert not asynchronous.request_file(one.pk).exists()
    assert ask(client, one.pk, method="delete").status_code == 204
    assert ask(client, one.pk).status_code == 410


def test_deleting_an_answer(client, art, folder):
    one = completed(art)
    assert ask(client, one.pk, method="delete").status_code == 204
    assert ask(client, one.pk).status_code == 404
    assert list(folder.iterdir()) == []


def test_what_is_older_than_it_is_kept_goes(art, folder, time_machine):
    old = completed(art)
    forgotten = made(art)
    asynchronous.new_part().close()
    later = timezone.now() + asynchronous.KEPT + timedelta(minutes=1)
    fresh = completed(art)
    AsyncRequest.objects.filter(pk=fresh.pk).update(
        expires_at=later + timedelta(hours=1)
    )
    assert asynchronous.prune(timezone.now()) == 0
    assert AsyncRequest.objects.count() == 3
    # Two rows, and the file that is nobody's.
    assert asynchronous.prune(later) == 3
    assert [file.name for file in folder.iterdir()] == [f"{fresh.pk}.answer"]
    assert not AsyncRequest.objects.filter(pk__in=[old.pk, forgotten.pk]).exists()


def test_files_of_a_deleted_endpoint_go(art, folder):
    made(art)
    art.delete()
    later = timezone.now() + timedelta(hours=2)
    assert asynchronous.prune(later) == 1
    assert list(folder.iterdir()) == []
