"""A request from the endpoint's page: what may be sent, and how answers are shown."""

import asyncio
import base64
import codecs
import contextlib
import gzip
import json
import random
import threading
import time
import tracemalloc
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from asgiref.sync import sync_to_async
from django.test import AsyncClient
from django.urls import reverse
from django.utils import timezone

from endpoints.models import Pass
from endpoints.passes import digest_of
from endpoints.tests.factories import EndpointFactory, respec, spec
from endpoints.trying import asked, sending, showing
from templates_app.spec import Example

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9"
    "awAAAABJRU5ErkJggg=="
)


# --- What may be sent ----------------------------------------------------------------
@pytest.mark.parametrize(
    ("path", "begins"),
    [
        ("infer", 'Start the path with a slash: "/infer".'),
        ("", 'Start the path with a slash: "/".'),
        ("//" + "x" * 4000, "Keep it to 4,000 characters. This is 4,002."),
        ("/a b", "Leave spaces and line breaks out"),
        ("/a\r\nHost: b", "Leave spaces and line breaks out"),
        ("/a#b", "Leave out “#”"),
        ("/a?b=c&d=%20", ""),
        ("/ü", ""),
    ],
)
def test_a_path(path, begins):
    assert asked.path_problem(path).startswith(begins)
    assert bool(asked.path_problem(path)) == bool(begins)


@pytest.mark.parametrize(
    ("text", "begins"),
    [
        ("", ""),
        ("X-A: b\n\n x-c:d:e ", ""),
        ("X-A", "Write each header as “Name: value”"),
        ("X A: b", "Write each header as “Name: value”"),
        (": b", "Write each header as “Name: value”"),
        ("X-A: ü", "The value of X-A"),
        ("X-A: " + "b" * 4000, "The value of X-A"),
        ("X-A: b\x07", "The value of X-A"),
        ("Host: other", "Leave out Host:"),
        ("transfer-encoding: chunked", "Leave out transfer-encoding:"),
        ("a: b\n" * 51, "Keep it to 50 headers. These are 51."),
    ],
)
def test_headers(text, begins):
    assert asked.headers_problem(text).startswith(begins)
    assert bool(asked.headers_problem(text)) == bool(begins)


def test_a_body_is_counted_in_bytes():
    assert asked.body_problem("x" * 1_000_000) == ""
    assert "This is 1,000,002" in asked.body_problem("ü" * 500_001)


def test_reading_says_what_kind_the_body_is_unless_that_is_typed():
    assert asked.read("POST", "/ü?a=b%20c", "", '{"a": 1}') == asked.Asked(
        "POST", "/%C3%BC?a=b%20c", (("Content-Type", "application/json"),), b'{"a": 1}'
    )
    assert asked.read("PUT", "/", "", "text").headers == (
        ("Content-Type", "text/plain; charset=utf-8"),
    )
    typed = asked.read("POST", "/", "content-type: a/b", "{}")
    assert typed.headers == (("content-type", "a/b"),)
    assert asked.read("GET", "/", "X-A: b", "{}") == asked.Asked(
        "GET", "/", (("X-A", "b"),), b""
    )


# --- How answers are shown -----------------------------------------------------------
@pytest.mark.parametrize(
    ("header", "media", "charset", "kind"),
    [
        ("", "", "utf-8", "TEXT"),
        ("Text/HTML; charset=latin-1", "text/html", "latin-1", "TEXT"),
        ("text/event-stream", "text/event-stream", "utf-8", "TEXT"),
        ("application/x-ndjson", "application/x-ndjson", "utf-8", "TEXT"),
        ('application/json; charset="utf-8"', "application/json", "utf-8", "JSON"),
        ("application/problem+json", "application/problem+json", "utf-8", "JSON"),
        ("image/svg+xml", "image/svg+xml", "utf-8", "PICTURE"),
        ("text/plain; charset=nonsense", "text/plain", "utf-8", "TEXT"),
        ("text/plain; charset=ISO_8859-1", "text/plain", "latin-1", "TEXT"),
        ("text/plain; charset=Windows-1252", "text/plain", "cp1252", "TEXT"),
        # Those that raise in spite of errors="replace", and one that is no text.
        ("text/plain; charset=undefined", "text/plain", "utf-8", "TEXT"),
        ("text/plain; charset=idna", "text/plain", "utf-8", "TEXT"),
        ("text/plain; charset=punycode", "text/plain", "utf-8", "TEXT"),
        ("text/plain; charset=utf-16", "text/plain", "utf-8", "TEXT"),
        ("text/plain; charset=rot13", "text/plain", "utf-8", "TEXT"),
        ("audio/wav", "audio/wav", "utf-8", "FILE"),
    ],
)
def test_content_types(header, media, charset, kind):
    found = showing.content_type(header)
    assert found == showing.ContentType(media, charset, showing.Kind[kind])


@pytest.mark.parametrize("charset", sorted({*showing._CHARSETS.values()}))
def test_every_charset_decodes_anything_in_any_parts(charset):
    rnd = random.Random(charset)
    decoder = codecs.getincrementaldecoder(charset)(errors="replace")
    for _ in range(200):
        decoder.decode(rnd.randbytes(rnd.randrange(1, 40)))
    assert isinstance(decoder.decode(b"\xff", final=True), str)
    assert rnd.randbytes(4000).decode(charset, errors="replace")


def test_json_is_set_out_and_its_numbers_stay_as_written():
    text = '{"b":1.0,"a":[{"x":12345678901234567890,"b":true},null],"b":{},"c":[]}'
    assert showing.json_shown(text).text == (
        '{\n  "b": 1.0,\n  "a": [\n    {\n      "x": 12345678901234567890,\n'
        '      "b": true\n    },\n    null\n  ],\n  "b": {},\n  "c": []\n}'
    )


def test_rows_of_numbers_and_long_strings_are_cut_and_counted():
    text = json.dumps({"row": [0.5] * 400, "long": "ü" * 5000})
    shown = showing.json_shown(text).text
    assert ", … 376 more]" in shown
    assert '" … 4,800 more' in shown
    assert shown.count("0.5") == 24


@pytest.mark.parametrize("text", ["no JSON", "{", "[" * 100_000])
def test_what_is_not_json_is_shown_as_it_is(text):
    assert showing.json_shown(text) == showing.Shown(text)


def test_no_text_is_endless():
    text = json.dumps(["word"] * 200_000)
    shown = showing.json_shown(text).text
    assert shown[:20] == '[\n  "word",\n  "word"'
    cut = "\n… Cut here: get the whole answer with one of the snippets."
    assert shown.endswith(cut)
    assert len(shown) == 1_000_000 + len(cut)
    # What is no JSON says how much is left out.
    assert showing.json_shown(text + "}").text.endswith(" more characters")


def nested(depth, inside="1"):
    return "[" * depth + inside + "]" * depth


def test_what_is_deep_is_shown_as_it_is():
    # A row of numbers is on one line, so it adds no level.
    assert showing.json_shown(nested(65)).text.count("\n") == 2 * 64
    for text in (nested(66), '{"a":' * 65 + "{}" + "}" * 65):
        assert showing.json_shown(text) == showing.Shown(text)


def test_what_has_too_many_parts_is_shown_as_it_is():
    assert showing.json_shown(nested(1, "1," * 399_999 + "1")).text.endswith(" more]")
    for text in (nested(1, "1," * 400_000 + "1"), nested(1, "[],{}," * 100_001 + "1")):
        assert showing.json_shown(text) == showing.Shown(text)
    # The largest pictures are still found.
    picture = base64.b64encode(PNG + bytes(5_000_000)).decode()
    assert len(showing.json_shown(json.dumps([picture])).pictures) == 1


@pytest.mark.parametrize("depth", [63, 400])
def test_depth_takes_no_memory(depth):
    text = "[" * depth + '"",' * 40_000 + "1" + "]" * depth
    tracemalloc.start()
    try:
        showing.json_shown(text)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # 1 MB is shown; set out to the end, 40,000 lines of 800 spaces are 32 MB.
    assert most < 12_000_000


def test_the_rest_is_not_looked_at(monkeypatch):
    seen = []
    known = showing._string
    monkeypatch.setattr(showing, "_string", lambda text: seen.append(1) or known(text))
    showing.json_shown(json.dumps(["x" * 1000] * 7000))
    assert 900 < len(seen) < 1000


def test_half_a_letter_is_written_as_json_writes_it():
    assert showing.json_shown('["\\ud83d", "\\ud83d\\ude00"]').text == (
        '[\n  "\\ud83d",\n  "😀"\n]'
    )


def test_pictures_inside_json_are_shown():
    picture = base64.b64encode(PNG).decode()
    url = f"data:image/png;base64,{picture}"
    riff = base64.b64encode(b"RIFF\0\0\0\0WAVEfmt " + bytes(90)).decode()
    webp = base64.b64encode(b"RIFF\0\0\0\0WEBPVP8 " + bytes(90)).decode()
    text = json.dumps({"images": [picture, url], "no": [riff, "A" * 200, ""]})
    assert showing.json_shown(text).pictures == (url, url)
    assert showing.json_shown(json.dumps([webp])).pictures[0][:23] == (
        "data:image/webp;base64,"
    )
    many = showing.json_shown(json.dumps([picture] * 20)).pictures
    assert len(many) == 8


def test_other_bodies_can_be_saved():
    said = showing.content_type("audio/wav")
    assert showing.shown(b"RIFF", said) == showing.Shown(
        file="data:audio/wav;base64,UklGRg==", name="answer.wav"
    )
    said = showing.content_type("image/png")
    assert showing.shown(b"\x89", said).pictures == ("data:image/png;base64,iQ==",)


# --- Sending -------------------------------------------------------------------------
class Container:
    """What stands behind the ingress: answers as the test says, and remembers."""

    def __init__(self):
        self.heard = []
        self.answer = lambda handler: say(handler, b"fine")
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def respond(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                outer.heard.append((self.command, self.path, self.headers, body))
                outer.answer(self)

            do_GET = do_POST = do_HEAD = respond

            def log_message(self, *args):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,))
        self.thread.start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


def say(handler, body, kind="text/plain", status=200, **headers):
    handler.send_response(status)
    handler.send_header("Content-Type", kind)
    handler.send_header("Content-Length", str(len(body)))
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(body)


@pytest.fixture
def container(settings):
    made = Container()
    settings.ALIGHT_PORT = made.server.server_port
    settings.ALIGHT_BIND = ["::1", "0.0.0.0"]
    yield made
    made.close()


@pytest.fixture
def art(alice):
    example = Example("POST", "/infer", '{"prompt": "a"}')
    return respec(EndpointFactory(name="art", owner=alice), spec(example=example))


def tried(art, method="GET", path="/", headers="", body="", cookie=""):
    async def gather():
        request = asked.read(method, path, headers, body)
        return [piece async for piece in sending.send(art, request, cookie)]

    return asyncio.run(gather())


@pytest.mark.django_db
def test_it_arrives_as_its_clients_would_send_it(container, art, settings):
    begun, text, ended = tried(
        art, "POST", "/infer?a=b", "X-A: b\nCookie: c=d\nUser-Agent: me", "{}", "s3cr3t"
    )
    ((method, path, headers, body),) = container.heard
    assert (method, path, body) == ("POST", "/infer?a=b", b"{}")
    assert headers["Host"] == f"art.localhost:{settings.ALIGHT_PORT}"
    assert headers["X-A"] == "b"
    assert headers["Cookie"] == "c=d; alight_pass=s3cr3t"
    assert headers.get_all("User-Agent") == ["me"]
    assert headers["Content-Type"] == "application/json"
    assert (begun.status, begun.reason) == (200, "OK")
    assert text == sending.Text("fine")
    assert (ended.size, ended.cut) == (4, False)


@pytest.mark.django_db
def test_a_redirect_and_a_failure_are_shown_and_not_followed(container, art):
    container.answer = lambda h: say(h, b"", status=302, Location="/there")
    begun, ended = tried(art)
    assert (begun.status, ended.size) == (302, 0)
    container.answer = lambda h: say(h, b'{"a":1}', "application/json", status=503)
    begun, shown, _ = tried(art)
    assert (begun.status, shown.text) == (503, '{\n  "a": 1\n}')
    assert len(container.heard) == 2


@pytest.mark.django_db
@pytest.mark.parametrize("typed", ["", "accept-encoding: gzip\nAccept-Encoding: br"])
def test_answers_are_asked_for_unpacked_whatever_was_typed(container, art, typed):
    tried(art, headers=typed)
    assert container.heard[0][2].get_all("Accept-Encoding") == ["identity"]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("encoding", "name"),
    [
        ("gzip", "answer.gz"),
        ("GZIP, gzip", "answer.bin"),
        ("br", "answer.br"),
        ("x", "answer.bin"),
    ],
)
@pytest.mark.parametrize("kind", ["text/plain", "application/json", "image/png"])
def test_what_is_packed_all_the_same_is_a_file(container, art, encoding, name, kind):
    body = gzip.compress(gzip.compress(bytes(1_000_000)))
    container.answer = lambda h: say(h, body, kind, Content_Encoding=encoding)
    _, shown, ended = tried(art)
    began, _, rest = shown.file.partition(",")
    assert (began, shown.name) == ("data:application/octet-stream;base64", name)
    assert base64.b64decode(rest) == body
    assert (shown.text, shown.pictures) == ("", ())
    assert (ended.size, ended.cut) == (len(body), False)


@pytest.mark.django_db
def test_identity_is_no_packing(container, art):
    container.answer = lambda h: say(h, b"fine", Content_Encoding="Identity, ")
    assert tried(art)[1] == sending.Text("fine")


@pytest.mark.django_db
@pytest.mark.parametrize("charset", ["undefined", "idna", "punycode", "utf-16"])
@pytest.mark.parametrize("kind", ["text/plain", "application/json"])
def test_a_charset_that_decodes_nothing_is_taken_for_utf_8(
    container, art, charset, kind
):
    body = '"Ünï"'.encode() + b"\xff"
    container.answer = lambda h: say(h, body, f"{kind}; charset={charset}")
    _, shown, ended = tried(art)
    assert shown.text == '"Ünï"�'
    assert ended.size == len(body)


@pytest.mark.django_db
def test_text_comes_piece_by_piece_and_letters_stay_whole(container, art):
    seen = threading.Event()

    def answer(handler):
        handler.send_response(200)
        handler.send_header("Content-Type", "text/event-stream")
        handler.end_headers()
        handler.wfile.write(b"data: \xc3")
        handler.wfile.flush()
        # The second half only when the first was told.
        assert seen.wait(30)
        handler.wfile.write(b"\xbc\n\n")

    container.answer = answer

    async def gather():
        texts = []
        async for piece in sending.send(art, asked.read("GET", "/", "", "")):
            if isinstance(piece, sending.Text):
                texts.append(piece.text)
                seen.set()
        return texts

    assert asyncio.run(gather()) == ["data: ", "ü\n\n"]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("kind", "size", "told"),
    [
        ("text/plain", 1_000_000, ["Begun", "Text", "Ended"]),
        ("text/plain", 1_000_001, ["Begun", "Text", "Ended"]),
        ("application/zip", 8_000_001, ["Begun", "Ended"]),
    ],
)
def test_too_much_is_cut(container, art, kind, size, told):
    def answer(handler):
        # The other side hangs up when it has enough.
        with contextlib.suppress(OSError):
            say(handler, b"x" * size, kind)

    container.answer = answer
    pieces = tried(art)
    assert list(dict.fromkeys(type(p).__name__ for p in pieces)) == told
    assert pieces[-1].cut == (size not in (1_000_000,))
    text = "".join(p.text for p in pieces if isinstance(p, sending.Text))
    assert len(text) == min(size, 1_000_000) * (kind == "text/plain")


@pytest.mark.django_db
def test_an_ingress_that_is_away_is_named(art, settings):
    settings.ALIGHT_PORT = 1
    assert tried(art) == [
        sending.Trouble("The ingress does not answer. See “make status”.")
    ]


@pytest.mark.django_db
def test_an_answer_that_breaks_off_is_told_after_what_came(container, art):
    def answer(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", "100")
        handler.end_headers()
        handler.wfile.write(b"half")

    container.answer = answer
    *_, text, trouble = tried(art)
    assert text == sending.Text("half")
    assert trouble.sentence.startswith("The answer broke off.")


# --- The page ------------------------------------------------------------------------
URL = "/endpoints/art/try/"
GOOD = {"method": "POST", "path": "/infer", "headers": "", "body": '{"a": 1}'}


@pytest.mark.django_db
def test_the_page_begins_with_the_templates_example(client, alice, art):
    client.force_login(alice)
    assert reverse("endpoints:try", args=["art"]) == URL
    page = client.get(URL).content.decode()
    assert "<option selected>POST</option>" in page
    assert 'value="/infer"' in page
    assert "{\n  &quot;prompt&quot;: &quot;a&quot;\n}" in page
    assert "curl http://art.localhost:8080/infer" in page
    # It is on the endpoint's own page as well.
    assert 'id="try-form"' in client.get("/endpoints/art/").content.decode()


@pytest.mark.django_db
def test_it_is_nobody_elses(client, charlie, art):
    client.force_login(charlie)
    assert client.get(URL).status_code == 404
    assert client.post(URL, GOOD).status_code == 404
    client.logout()
    assert client.post(URL, GOOD).status_code == 302


@pytest.mark.django_db
def test_without_a_script_the_answer_is_a_page(client, alice, art, container):
    container.answer = lambda h: say(h, b'{"a":"<b>"}', "application/json")
    client.force_login(alice)
    page = client.post(URL, {**GOOD, "headers": "X-A: b"}).content.decode()
    assert "200 OK in " in page
    assert "&quot;a&quot;: &quot;&lt;b&gt;&quot;" in page
    assert "Content-Type: application/json" in page
    # What was typed is still there.
    assert "X-A: b</textarea>" in page


@pytest.mark.django_db
def test_a_packed_answer_can_be_saved_and_says_why(client, alice, art, container):
    container.answer = lambda h: say(h, gzip.compress(b"a"), Content_Encoding="gzip")
    client.force_login(alice)
    page = client.post(URL, GOOD).content.decode()
    assert 'download="answer.gz"' in page
    assert "It came packed (gzip): save it, and unpack it to read it." in page
    container.answer = lambda h: say(h, b"a")
    assert "It came packed" not in client.post(URL, GOOD).content.decode()


@pytest.mark.django_db
def test_half_a_letter_breaks_no_page(client, alice, art, container):
    container.answer = lambda h: say(h, b'{"a":"\\ud83d"}', "application/json")
    client.force_login(alice)
    page = client.post(URL, GOOD).content.decode()
    assert "&quot;a&quot;: &quot;\\ud83d&quot;" in page


@pytest.mark.django_db
def test_a_mistake_is_told_and_nothing_is_lost(client, alice, art, container):
    client.force_login(alice)
    bad = {**GOOD, "path": "infer", "headers": "Host: a", "body": "x\r\ny"}
    answer = client.post(URL, bad)
    page = answer.content.decode()
    assert answer.status_code == 422
    assert "Start the path with a slash" in page
    assert "Leave out Host" in page
    assert 'value="infer"' in page
    streamed = client.post(URL, bad, headers={"Accept": "application/x-ndjson"})
    assert streamed.status_code == 422
    assert streamed.json()["problems"].keys() == {"path", "headers"}
    assert container.heard == []


@pytest.mark.django_db(transaction=True)
def test_a_private_one_is_called_with_a_pass_that_ends(client, alice, art, container):
    passes = []
    container.answer = lambda h: (
        passes.append(list(Pass.objects.usable().values_list("digest", "user_id"))),
        say(h, b"fine"),
    )
    client.force_login(alice)
    client.post(URL, GOOD)
    cookie = container.heard[0][2]["Cookie"].partition("=")[2]
    assert passes == [[(digest_of(cookie), alice.pk)]]
    assert not Pass.objects.usable().exists()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("status", "kept"), [(202, True), (507, False)])
def test_the_pass_of_one_that_is_answered_later_counts_until_it_is_sent(
    client, alice, art, container, time_machine, status, kept
):
    container.answer = lambda h: say(h, b"{}", "application/json", status=status)
    client.force_login(alice)
    client.post(URL, GOOD | {"headers": "x-octoai-async: 1"})
    assert container.heard[0][2]["X-OctoAI-Async"] == "1"
    shown = [digest_of(container.heard[0][2]["Cookie"].partition("=")[2])]
    asked_at = timezone.now()
    time_machine.move_to(asked_at + timedelta(hours=23, minutes=59))
    assert list(Pass.objects.usable().values_list("digest", flat=True)) == shown * kept
    time_machine.move_to(asked_at + timedelta(hours=24, minutes=1))
    assert not Pass.objects.usable().exists()


@pytest.mark.django_db
def test_a_public_one_needs_none(client, alice, art, container):
    art.public = True
    art.save()
    client.force_login(alice)
    client.post(URL, GOOD)
    assert container.heard[0][2]["Cookie"] is None
    assert not Pass.objects.exists()


async def streamed(person):
    client = AsyncClient()
    await sync_to_async(client.force_login)(person)
    return await client.post(URL, GOOD, headers={"Accept": "application/x-ndjson"})


@pytest.mark.django_db(transaction=True)
def test_a_script_gets_it_in_lines(alice, art, container):
    async def lines():
        answer = await streamed(alice)
        assert answer["Content-Type"] == "application/x-ndjson"
        parts = [part async for part in answer.streaming_content]
        return [json.loads(part) for part in parts if part.strip()]

    begun, text, ended = asyncio.run(lines())
    assert begun["begun"]["status"] == 200
    assert begun["words"].startswith("200 OK after ")
    assert text == {"text": {"text": "fine"}}
    assert ended["words"].startswith("200 OK in ")
    assert ended["words"].endswith(", 4 bytes")


@pytest.mark.django_db(transaction=True)
def test_who_leaves_ends_the_request_and_the_pass(alice, art, container):
    gone = threading.Event()

    def answer(handler):
        handler.send_response(200)
        handler.send_header("Content-Type", "text/plain")
        handler.end_headers()
        deadline = time.monotonic() + 30
        try:
            while time.monotonic() < deadline:
                handler.wfile.write(b"x" * 1000)
        except OSError:
            gone.set()

    container.answer = answer

    async def leave():
        answer = await streamed(alice)
        # A test's client hands over the generator itself.
        lines = aiter(answer.streaming_content)
        await anext(lines)
        await lines.aclose()

    asyncio.run(leave())
    assert gone.wait(30)
    assert not Pass.objects.usable().exists()
