"""A request's name: in the answer, on the page, in web's log and in the worker's."""

import json
import logging
import queue
import re

import httpx
import pytest
from celery import Celery
from django.core.handlers.asgi import ASGIHandler

from console import request_ids
from console.logs import JsonLines, Lines
from console.request_ids import RequestIds
from endpoints import trail

NAME = "[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}"


def record(message, *args, exc_info=None):
    return logging.LogRecord("x.y", logging.INFO, "f", 1, message, args, exc_info)


async def ask(app, method="GET", path="/healthz", **more):
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport) as client:
        return await client.request(method, f"http://localhost{path}", **more)


async def test_every_answer_has_a_name_that_no_client_chose():
    app = RequestIds(ASGIHandler())
    answers = [await ask(app, headers={"X-Request-ID": "mine"}) for _ in range(2)]
    names = [answer.headers.get_list("x-request-id") for answer in answers]
    assert all(len(found) == 1 and re.fullmatch(NAME, found[0]) for found in names)
    assert names[0] != names[1]


@pytest.mark.django_db(transaction=True)
async def test_the_page_of_a_failure_names_what_the_log_names(monkeypatch, caplog):
    def fail(*args):
        raise RuntimeError("no")

    monkeypatch.setattr("console.views.HttpResponse", fail)
    seen = []
    tell = request_ids.log.handle
    monkeypatch.setattr(
        request_ids.log, "handle", lambda r: (seen.append(Lines().format(r)), tell(r))
    )
    with caplog.at_level(logging.INFO):
        answer = await ask(RequestIds(ASGIHandler()), path="/healthz?key=x")
    (name,) = answer.headers.get_list("x-request-id")
    assert answer.status_code == 500
    assert f'<span class="mono">{name}</span>' in answer.text
    assert "tell it to whoever runs the console" in answer.text
    assert f"Reference {name}: /healthz failed" in caplog.text
    (line,) = seen
    assert f"[request={name}] GET /healthz: 500" in line
    assert "key=x" not in line


async def test_reading_leaves_no_line_and_acts_do(caplog):
    app = RequestIds(ASGIHandler())
    with caplog.at_level(logging.INFO, logger="console.request_ids"):
        await ask(app)
        await ask(app, "POST", "/healthz")
        await ask(app, "POST", "/healthz%0AERROR%20forged")
    told = [r.getMessage() for r in caplog.records if r.name == request_ids.__name__]
    assert len(told) == 2
    assert told[0].startswith("POST /healthz: ")
    assert told[1].startswith("POST /healthz%0AERROR%20forged: 404")


@pytest.mark.valkey
def test_the_worker_writes_the_name_of_the_request_that_asked(valkey_url):
    """Through the real broker, and a worker's own way of running a task."""
    from celery.contrib.testing.worker import start_worker

    app = Celery("names", broker=valkey_url.replace("unix://", "redis+socket://"))
    app.conf.task_ignore_result = True
    app.conf.worker_hijack_root_logger = False
    seen = queue.Queue()

    @app.task(name="names.note")
    def note(again):
        seen.put(trail.now().request)
        if again:
            note.delay(False)

    with start_worker(app, pool="solo", perform_ping_check=False, shutdown_timeout=60):
        with trail.about(request="7f3a-19c2-4be0"):
            note.delay(True)
        note.delay(False)
        names = [seen.get(timeout=30) for _ in range(3)]
    # What a task starts is of the same request; one of nobody's has its own name.
    assert names.count("7f3a-19c2-4be0") == 2
    (other,) = set(names) - {"7f3a-19c2-4be0"}
    assert re.fullmatch(NAME, other)
    assert request_ids._open == {}
    assert trail.now() == trail.Trail()


def test_lines_say_what_they_are_about():
    plain = Lines().format(record("%s left", "art"))
    assert plain.endswith("INFO x.y art left")
    with trail.about(request="7f3a-19c2-4be0", endpoint=3):
        with trail.about(replica=9):
            line = Lines().format(record("started"))
            told = json.loads(JsonLines().format(record("started")))
        after = Lines().format(record("done"))
    assert line.endswith("x.y [request=7f3a-19c2-4be0 endpoint=3 replica=9] started")
    assert (told["request"], told["endpoint"], told["replica"]) == (
        "7f3a-19c2-4be0",
        3,
        9,
    )
    assert "replica" not in after


def test_json_is_one_line_with_the_whole_story():
    try:
        raise ValueError("two\nlines")
    except ValueError as error:
        failed = (type(error), error, error.__traceback__)
    text = JsonLines().format(record("it \n failed", exc_info=failed))
    assert "\n" not in text
    told = json.loads(text)
    assert told["level"] == "INFO"
    assert told["message"] == "it \n failed"
    assert "ValueError: two\nlines" in told["exception"]
    assert told["time"].endswith("+00:00")
