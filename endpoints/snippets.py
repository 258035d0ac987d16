"""One request to an endpoint, written in the languages people call it from. Pure.

The texts run as they are: in a shell, with Python's requests, with fetch in Node or a
browser's module, and with OpenAI's client. A private endpoint's token is read from the
environment, so that nobody pastes one into a file.
"""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from typing import Any

from templates_app.spec import ContainerSpec, Example

TOKEN = "ALIGHT_TOKEN"  # noqa: S105 - the variable's name
# Where a model has no name that is known here.
_SOME_MODEL = "MODEL"
_SPEECH = "/v1/audio/speech"


@dataclass(frozen=True)
class Call:
    """url: the endpoint's, without a slash at its end. private: a token is shown."""

    url: str
    example: Example
    private: bool

    @property
    def address(self) -> str:
        return self.url + self.example.path

    @property
    def data(self) -> Any:
        """The body as JSON; None where it is not JSON."""
        return as_json(self.example.body)

    @property
    def speaks(self) -> bool:
        """Whether a sound is what comes back."""
        return self.example.path.partition("?")[0] == _SPEECH


@dataclass(frozen=True)
class Snippet:
    """key: short, for ids. language: as people say it."""

    key: str
    language: str
    text: str


def example_of(spec: ContainerSpec) -> Example:
    """What to ask a container first: as its template says, else something harmless."""
    return spec.example or Example("GET", spec.health_path or "/")


def snippets_of(url: str, spec: ContainerSpec, public: bool) -> list[Snippet]:
    """The snippets of an endpoint at `url` that runs this container."""
    return snippets(Call(url, example_of(spec), not public), openai=spec.openai)


def snippets(call: Call, *, openai: bool) -> list[Snippet]:
    """The request in each language; with OpenAI's client where it speaks to that."""
    found = [
        Snippet("curl", "curl", _curl(call)),
        Snippet("python", "Python", _python(call)),
        Snippet("javascript", "JavaScript", _javascript(call)),
    ]
    if openai:
        found.append(Snippet("openai", "OpenAI client", _openai(call)))
    return found


def as_json(text: str) -> Any:
    """What the text says as a JSON object or list; None when it is neither."""
    try:
        found = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict | list) else None


def _no_constant(word: str) -> None:
    """Python reads NaN and Infinity; JSON has no such words."""
    raise ValueError(word)


def _curl(call: Call) -> str:
    example = call.example
    words = [shlex.quote(call.address)]
    usual = "POST" if example.body else "GET"
    if example.method == "HEAD":
        words.append("--head")
    elif example.method != usual:
        words.append(f"-X {example.method}")
    if call.private:
        words.append(f'-H "Authorization: Bearer ${TOKEN}"')
    if example.body:
        words.append(f"-H {shlex.quote(f'Content-Type: {_kind(call)}')}")
        words.append(f"--data-raw {shlex.quote(_body(call, indent=2))}")
    if call.speaks:
        words.append("-o speech.wav")
    return "curl " + " \\\n  ".join(words)


def _python(call: Call) -> str:
    example = call.example
    asked = [json.dumps(call.address, ensure_ascii=False)]
    if call.private:
        bearer = f'{{"Authorization": f"Bearer {{os.environ[\'{TOKEN}\']}}"}}'
        asked.append(f"headers={bearer}")
    if call.data is not None:
        asked.append(f"json={_literal(call.data, 1)}")
    elif example.body:
        asked.append(f"data={example.body!r}.encode()")
    lines = [
        *(["import os", ""] if call.private else []),
        "import requests",
        "",
        f"answer = requests.{example.method.lower()}(",
        *(f"    {one}," for one in asked),
        ")",
        "answer.raise_for_status()",
    ]
    if call.speaks:
        lines += ['with open("speech.wav", "wb") as file:']
        lines += ["    file.write(answer.content)"]
    else:
        lines += ["print(answer.text)"]
    return "\n".join(lines)


def _javascript(call: Call) -> str:
    example = call.example
    headers = []
    if call.private:
        headers.append(f"Authorization: `Bearer ${{process.env.{TOKEN}}}`")
    if example.body:
        headers.append(f'"Content-Type": {json.dumps(_kind(call))}')
    options = []
    if example.method != "GET":
        options.append(f"method: {json.dumps(example.method)}")
    if headers:
        options.append(f"headers: {{ {', '.join(headers)} }}")
    if call.data is not None:
        options.append(f"body: JSON.stringify({_script(call.data, 1)})")
    elif example.body:
        options.append(f"body: {json.dumps(example.body, ensure_ascii=False)}")
    address = json.dumps(call.address, ensure_ascii=False)
    inside = "".join(f"\n  {one}," for one in options)
    asked = f"{address}, {{{inside}\n}}" if options else address
    lines = [
        f"const answer = await fetch({asked});",
        "if (!answer.ok) throw new Error(`${answer.status} ${await answer.text()}`);",
    ]
    if call.speaks:
        lines += ["const sound = await answer.blob();"]
    else:
        lines += ["console.log(await answer.text());"]
    return "\n".join(lines)


def _openai(call: Call) -> str:
    data = call.data if isinstance(call.data, dict) else {}
    # The client wants one in any case.
    key = f'os.environ["{TOKEN}"]' if call.private else '"none"'
    base = json.dumps(f"{call.url}/v1")
    lines = [
        *(["import os", ""] if call.private else []),
        "from openai import OpenAI",
        "",
        f"client = OpenAI(base_url={base}, api_key={key})",
        *_openai_call(call, data),
    ]
    return "\n".join(lines)


def _openai_call(call: Call, data: dict[str, Any]) -> list[str]:
    model = json.dumps(data.get("model", _SOME_MODEL), ensure_ascii=False)
    if "/embeddings" in call.example.path:
        return [
            "answer = client.embeddings.create(",
            f"    model={model},",
            f"    input={_literal(data.get('input', ''), 1)},",
            ")",
            "print(answer.data[0].embedding)",
        ]
    if call.speaks:
        voice = json.dumps(data.get("voice", "default"), ensure_ascii=False)
        return [
            "with client.audio.speech.with_streaming_response.create(",
            f"    model={model},",
            f"    voice={voice},",
            f"    input={_literal(data.get('input', ''), 1)},",
            ") as answer:",
            '    answer.stream_to_file("speech.wav")',
        ]
    hello = [{"role": "user", "content": "Hello"}]
    return [
        "stream = client.chat.completions.create(",
        f"    model={model},",
        f"    messages={_literal(data.get('messages', hello), 1)},",
        "    stream=True,",
        ")",
        "for chunk in stream:",
        "    if chunk.choices:",
        '        print(chunk.choices[0].delta.content or "", end="", flush=True)',
    ]


def _kind(call: Call) -> str:
    return "application/json" if call.data is not None else "text/plain; charset=utf-8"


def _body(call: Call, indent: int) -> str:
    """The body; JSON with its lines parted."""
    if call.data is None:
        return call.example.body
    return json.dumps(call.data, indent=indent, ensure_ascii=False)


def _literal(value: Any, depth: int) -> str:
    """The value in Python, its lines indented as the argument of a call."""
    if isinstance(value, dict) and value:
        inside = [
            f"{_literal(key, 0)}: {_literal(one, depth + 1)}"
            for key, one in value.items()
        ]
        return _block("{", inside, "}", depth, "    ")
    if isinstance(value, list) and value:
        inside = [_literal(one, depth + 1) for one in value]
        return _block("[", inside, "]", depth, "    ")
    if isinstance(value, str):
        # As JSON has it, which Python reads alike, apart from a few odd letters.
        text = json.dumps(value, ensure_ascii=False)
        return text if value.isprintable() else repr(value)
    return repr(value)


def _script(value: Any, depth: int) -> str:
    """The value in JavaScript, which JSON is a part of."""
    lines = json.dumps(value, indent=2, ensure_ascii=False).split("\n")
    return ("\n" + "  " * depth).join(lines)


def _block(begin: str, inside: list[str], end: str, depth: int, unit: str) -> str:
    room = unit * (depth + 1)
    lines = "".join(f"{room}{one},\n" for one in inside)
    return f"{begin}\n{lines}{unit * depth}{end}"
