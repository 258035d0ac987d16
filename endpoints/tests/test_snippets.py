"""The snippets are run as they are, and must send what the example says."""

import json
import os
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import playwright
import pytest

from endpoints.snippets import TOKEN, Call, example_of, snippets
from endpoints.tests.factories import spec
from templates_app.catalogue.reading import read_templates
from templates_app.spec import ContainerSpec, Example

NODE = Path(playwright.__file__).parent / "driver" / "node"
ODD = {
    "quotes": 'it\'s "so" `here` $HOME \\ %s',
    "lines": "one\ntwo\ttab",
    "letters": "Ünï 🙂 \u2028",
    "values": [True, False, None, 1.5, -2, [], {}],
}
EXAMPLES = [
    Example("GET", "/"),
    Example("GET", "/search?q=a%20b&n=1"),
    Example("DELETE", "/things/7"),
    Example("POST", "/infer", json.dumps(ODD)),
    Example("PUT", "/infer", '[1, "two"]'),
    Example("POST", "/say", 'not JSON: it\'s "text" $HOME Ü\nand more'),
    Example("POST", "/nan", '{"a": NaN}'),
]


@pytest.fixture(scope="module")
def listener():
    """A server that answers everything with JSON and remembers what it was asked."""
    heard = []

    class Handler(BaseHTTPRequestHandler):
        def answer(self):
            length = int(self.headers.get("Content-Length", 0))
            heard.append(
                (self.command, self.path, self.headers, self.rfile.read(length))
            )
            self.send_response(200)
            self.send_header("Content-Length", "13")
            self.end_headers()
            self.wfile.write(b'{"fine": "1"}')

        do_GET = do_POST = do_PUT = do_DELETE = answer

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    server.heard = heard
    yield server
    server.shutdown()
    server.server_close()


def run(snippet, folder):
    """Run it as its language is run; what it printed."""
    program = {
        "curl": ["bash", "-c", snippet.text],
        "python": [sys.executable, "-c", snippet.text],
        "javascript": [NODE, "--input-type=module", "-e", snippet.text],
    }[snippet.key]
    done = subprocess.run(
        program,
        env={**os.environ, TOKEN: "alt_secret"},
        cwd=folder,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, f"{snippet.text}\n{done.stderr}"
    return done.stdout


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda e: f"{e.method} {e.path}")
def test_every_language_sends_the_same(listener, tmp_path, example):
    url = f"http://127.0.0.1:{listener.server_port}"
    for snippet in snippets(Call(url, example, private=True), openai=False):
        listener.heard.clear()
        assert run(snippet, tmp_path).strip() == '{"fine": "1"}'
        ((method, path, headers, body),) = listener.heard
        assert (method, path) == (example.method, example.path)
        assert headers["Authorization"] == "Bearer alt_secret"
        try:
            wanted = json.loads(example.body) if "NaN" not in example.body else None
        except ValueError:
            wanted = None
        if wanted is None:
            assert body.decode() == example.body
        else:
            assert json.loads(body) == wanted
            assert headers["Content-Type"] == "application/json"


def test_a_sound_becomes_a_file(listener, tmp_path):
    url = f"http://127.0.0.1:{listener.server_port}"
    call = Call(url, Example("POST", "/v1/audio/speech", '{"input": "a"}'), False)
    for snippet in snippets(call, openai=False)[:2]:
        assert run(snippet, tmp_path) == ""
        assert (tmp_path / "speech.wav").read_text() == '{"fine": "1"}'
        (tmp_path / "speech.wav").unlink()


def test_a_public_endpoint_needs_no_token():
    call = Call("http://a.localhost:8080", EXAMPLES[3], private=False)
    for snippet in snippets(call, openai=True):
        assert TOKEN not in snippet.text
        assert "import os" not in snippet.text


@pytest.mark.parametrize(
    ("path", "body", "verb"),
    [
        ("/v1/chat/completions", '{"model": "m"}', "chat.completions.create"),
        ("/v1/models", "", "chat.completions.create"),
        ("/v1/embeddings", '{"model": "m", "input": "a"}', "embeddings.create"),
        ("/v1/audio/speech", '{"input": "a"}', "audio.speech"),
    ],
)
def test_openais_client_is_shown_where_the_template_says_so(path, body, verb):
    example = Example("POST" if body else "GET", path, body)
    call = Call("http://a.localhost:8080", example, private=True)
    *_, last = snippets(call, openai=True)
    assert last.language == "OpenAI client"
    assert verb in last.text
    assert 'base_url="http://a.localhost:8080/v1"' in last.text
    compile(last.text, "snippet", "exec")
    assert "openai" not in [s.key for s in snippets(call, openai=False)]


def test_without_an_example_something_harmless_is_asked():
    assert example_of(spec()) == Example("GET", "/")
    assert example_of(spec(health_path="/ok")) == Example("GET", "/ok")
    asked = Example("POST", "/infer", "{}")
    assert example_of(spec(health_path="/ok", example=asked)) == asked


def test_all_of_the_catalogue_has_snippets_that_can_be_read():
    for template in read_templates():
        container = ContainerSpec.from_json(template.fields["spec"])
        call = Call("http://a.localhost", example_of(container), private=True)
        found = snippets(call, openai=container.openai)
        compile(found[1].text, template.slug, "exec")
        if container.openai:
            compile(found[3].text, template.slug, "exec")
        if container.example and container.example.body:
            assert call.data is not None, template.slug
