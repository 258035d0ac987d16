"""The socket before the engine passes everything on, but what it is told to spoil."""

import http.client
import socket
import tempfile
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingUnixStreamServer

import pytest

from tests.chaos.wire import Wire


class Engine(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.server.asked.append(self.path)
        self.send_response(200)
        if self.path == "/events":
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.write(b"2\r\n{}\r\n")
            self.server.over.wait(20)
            return
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def address_string(self):
        return ""

    def log_message(self, *words):
        return


class Link(http.client.HTTPConnection):
    """A client on the wire, as Docker's: one connection, request after request."""

    def __init__(self, path):
        super().__init__("localhost", timeout=20)
        self._path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(20)
        self.sock.connect(self._path)

    def ask(self, path):
        self.request("GET", path)
        answer = self.getresponse()
        return answer.status, answer.read()


@pytest.fixture
def wire():
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        with ThreadingUnixStreamServer(str(home / "engine"), Engine) as engine:
            engine.daemon_threads = True
            engine.asked, engine.over = [], threading.Event()
            serving = threading.Thread(target=engine.serve_forever, args=(0.01,))
            serving.start()
            made = Wire(home / "wire", home / "engine")
            made.asked = engine.asked
            made.open()
            yield made
            made.end()
            engine.over.set()
            engine.shutdown()
            serving.join()


def test_it_passes_on_request_after_request(wire):
    link = Link(wire.path)
    assert [link.ask("/a"), link.ask("/v1.43/b")] == [(200, b"ok")] * 2
    assert wire.asked == ["/a", "/v1.43/b"]


def test_a_refused_call_never_reaches_the_engine_and_others_do(wire):
    with wire.spoiled("GET /containers", "refuse") as rule:
        assert Link(wire.path).ask("/v1.43/containers/json")[0] == 500
        assert Link(wire.path).ask("/info") == (200, b"ok")
    assert rule.struck == 1
    assert wire.asked == ["/info"]
    assert Link(wire.path).ask("/v1.43/containers/json") == (200, b"ok")


@pytest.mark.parametrize(("how", "asked"), [("cut", []), ("mute", ["/info"])])
def test_an_answer_that_never_comes(wire, how, asked):
    with wire.spoiled("GET /info", how), pytest.raises(http.client.HTTPException):
        Link(wire.path).ask("/info")
    assert wire.asked == asked


def test_a_call_that_hangs_goes_on_when_it_is_over(wire):
    link = Link(wire.path)
    with wire.spoiled("GET /info", "hang") as rule:
        link.request("GET", "/info")
        while not rule.struck:
            threading.Event().wait(0.01)
        assert wire.asked == []
    assert link.getresponse().read() == b"ok"


def test_streams_are_cut_and_nothing_else(wire):
    stream, other = Link(wire.path), Link(wire.path)
    stream.request("GET", "/events")
    answer = stream.getresponse()
    assert answer.read(2) == b"{}"
    other.ask("/info")
    assert wire.cut("GET /events") == 1
    with suppress(ConnectionError), pytest.raises(http.client.IncompleteRead):
        answer.read()
    assert other.ask("/info") == (200, b"ok")


def test_nobody_answers_while_it_is_closed(wire):
    wire.close()
    with pytest.raises(OSError, match=r"No such file|refused"):
        Link(wire.path).ask("/info")
    wire.open()
    assert Link(wire.path).ask("/info") == (200, b"ok")
