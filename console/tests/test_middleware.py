"""Pages travel compressed, streams do not."""

from __future__ import annotations

import gzip

import pytest
from django.http import HttpResponse, StreamingHttpResponse

from console.middleware import CompressPages

ASKED = {"Accept-Encoding": "gzip"}
LONG = "<p>words</p>" * 400


def through(rf, response):
    return CompressPages(lambda request: response)(rf.get("/", headers=ASKED))


def test_a_page_is_compressed(rf):
    answer = through(rf, HttpResponse(LONG))
    assert answer["Content-Encoding"] == "gzip"
    assert gzip.decompress(answer.content).decode() == LONG
    assert int(answer["Content-Length"]) < len(LONG) / 4


@pytest.mark.parametrize(
    "response",
    [
        StreamingHttpResponse([LONG.encode()]),
        StreamingHttpResponse([b"{}\n"], content_type="application/x-ndjson"),
        HttpResponse(LONG, content_type="application/json"),
    ],
)
def test_streams_and_data_are_left_alone(rf, response):
    assert "Content-Encoding" not in through(rf, response).headers


@pytest.mark.django_db
def test_the_console_does_so(client):
    answer = client.get("/sign-in/", headers=ASKED)
    assert answer["Content-Encoding"] == "gzip"
    assert "Sign in" in gzip.decompress(answer.content).decode()
