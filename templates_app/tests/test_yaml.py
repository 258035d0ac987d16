"""Templates as YAML: what is read, what is refused and how, and the way back."""

from __future__ import annotations

import random

import pytest

from templates_app.catalogue.fields import CatalogueError
from templates_app.catalogue.loading import load
from templates_app.catalogue.parsing import TEXT_MAX, parse
from templates_app.catalogue.reading import FOLDER, builds_of, template_of
from templates_app.catalogue.writing import as_yaml
from templates_app.models import Template, Tier
from templates_app.spec import ContainerSpec, EnvVar, Example, LogHint, VolumeSpec

GOOD = """\
name: Echo
summary: Says it back.
kind: text
tier: cpu
image: lab/echo:1
port: 8000
"""


def refusal(text):
    """The sentence a file is refused with."""
    with pytest.raises(CatalogueError) as caught:
        template_of(parse(text), builds=builds_of())
    return caught.value.sentence


def env(entries):
    return template_of(parse(f"{GOOD}env:\n{entries}"))[1]["spec"]["env"]


REFUSED = [
    # nothing that grows or builds something
    ("a: &a [x]\nb: *a", "Line 1: write it out; names such as &a and *a are not read."),
    ("a: *a", "Line 1: write it out; names such as &a and *a are not read."),
    ("name: !!python/object:os.system x", "Line 1: leave out tags, the words that beg"),
    ("port: !!int x", "Line 1: leave out tags, the words that begin with “!”."),
    ("name: ! x", "Line 1: leave out tags, the words that begin with “!”."),
    ("a: " + "[" * 5000, "Line 1: this is nested too deeply."),
    ("- " * 5000, "Line 1: this is nested too deeply."),
    (f"<<: {{name: x}}\n{GOOD}", "Line 1, <<: there is no such field."),
    ("x" * (TEXT_MAX + 1), "Keep it to 64,000 characters; this is 64,001."),
    # not what a template is
    ("", "Write fields, such as name: and image:."),
    ("- a", "Write fields, such as name: and image:."),
    ("a: b\n---\na: b", "Line 2: but found another document."),
    ("name: Echo\n\tkind: text", "Line 2: found character '\\t' that cannot start any"),
    ("name: Echo\nname: Echo", "Line 2: “name” is there twice."),
    ("7: x", "Line 1: write the field's name as text."),
    ("[a]: x", "Line 1: write the field's name as text."),
    ('name: "\\UFFFFFFFF"', "This is not YAML."),
    ("a: x\nb: \x07", "Line 2: there is a character here that is not text."),
    # fields
    (GOOD + 'description: "\\ud800"', "Line 7, description: leave out the characters"),
    (GOOD + 'args: ["\\0"]', "Line 7, args: leave out the characters that are not te"),
    (GOOD + '"\\ud800": 1', "Line 7, ?: there is no such field."),
    (GOOD.replace("Echo", '"a\\nb"'), "Line 1, name: write it on one line."),
    (GOOD.replace("port: 8000", ""), "Port: write a whole number from 1 to 65535."),
    (GOOD + "port2: 1", "Line 7, port2: there is no such field."),
    (GOOD + "public: 1", "Line 7, public: write true or false."),
    (GOOD + "motif: ../x", "Line 7, motif: write its name in lowercase letters."),
    (GOOD + "build: mine", "Line 7, build: there is no “mine” to build here; there"),
    (GOOD + "requests: 2026-01-01", "Line 7, requests: write a whole number from 1 to"),
    (GOOD + f"args: [{'a,' * 201}]", "Line 7, args: keep it to 200; this is 201."),
    # what is inside fields
    (GOOD + "env: [A]", "Line 7, env: write a list of mappings."),
    (GOOD + "env:\n- name: A\n- value: x", "Line 9, env, entry 2, name: write a text."),
    (GOOD + "env:\n- name: 1A", "Line 8, env, entry 1, name: use letters, digits and"),
    (
        GOOD + "env:\n- name: A\n  value: 8",
        "Line 9, env, entry 1, value: write a text; put numbers and yes or no in quote",
    ),
    (
        GOOD + "env: [{name: A, value: x, needed: true}]",
        "Line 7, env, entry 1, needed: a variable that has a value here asks for none.",
    ),
    (
        GOOD + "env: [{name: A}, {name: A}]",
        "Line 7, env, entry 2, name: “A” is there twice.",
    ),
    (GOOD + "volume: files", "Line 7, volume: write a mapping."),
    (
        GOOD + "volume:\n  name: files\n  mount: data",
        "Line 9, volume, mount: enter an absolute path inside the container, such as",
    ),
    (
        GOOD + "volume: {name: ../files, mount: /data}",
        "Line 7, volume, name: use up to 40 lowercase letters",
    ),
    (GOOD + "openai: maybe", "Line 7, openai: write true or false."),
    (GOOD + "example: /infer", "Line 7, example: write a mapping."),
    (GOOD + "example: {body: a}", "Line 7, example, path: write a text."),
    (
        GOOD + "example: {path: infer}",
        'Line 7, example, path: start the path with a slash: "/infer".',
    ),
    (
        GOOD + "example: {method: post, path: /infer}",
        "Line 7, example, method: choose one of GET, POST,",
    ),
    (
        GOOD + "example: {method: GET, path: /infer, body: a}",
        "Line 7, example, body: leave it out; GET takes none.",
    ),
    (
        GOOD + "hints: [{pattern: 'a{99999999999999999}', title: a, body: b}]",
        "Line 7, hints, entry 1, pattern: not a regular expression",
    ),
    (
        GOOD + "hints: [{pattern: '(a+)+b', title: a, body: b}]",
        "Line 7, hints, entry 1, pattern: leave out a repeat or a choice inside",
    ),
    (
        GOOD + "hints: [{pattern: '(?i)out of memory', title: a, body: b}]",
        "Line 7, hints, entry 1, pattern: leave out flags",
    ),
    (
        GOOD + "hints: [{pattern: '[[a]', title: a, body: b}]",
        "Line 7, hints, entry 1, pattern: not a regular expression",
    ),
]


@pytest.mark.parametrize(("text", "sentence"), REFUSED)
def test_a_refusal_says_where_and_what(text, sentence):
    assert refusal(text).startswith(sentence)


def test_words_without_quotes_are_what_people_mean():
    found = parse("a: 2026-01-01\nb: 017\nc: 1:30\nd: yes\ne: 1.5\nf:\ng: 1_000")
    assert found == {
        "a": "2026-01-01",
        "b": 17,
        "c": "1:30",
        "d": True,
        "e": 1.5,
        "f": None,
        "g": "1_000",
    }


def test_variables_can_be_asked_for_with_a_note():
    assert env(
        "- {name: HF_TOKEN, secret: true, needed: true, note: Of huggingface.co}\n"
        "- {name: MODEL, value: ' a b ', note: Any of them}"
    ) == [
        {
            "name": "HF_TOKEN",
            "value": "",
            "secret": True,
            "needed": True,
            "note": "Of huggingface.co",
        },
        {
            "name": "MODEL",
            "value": " a b ",
            "secret": False,
            "needed": False,
            "note": "Any of them",
        },
    ]


@pytest.mark.parametrize(
    ("written", "method"),
    [("{path: /a}", "GET"), ("{path: /a, body: b}", "POST")],
)
def test_an_example_with_a_body_is_a_post(written, method):
    fields = template_of(parse(f"{GOOD}example: {written}"))[1]
    assert fields["spec"]["example"]["method"] == method


def again(template):
    """The template after it was written and read: its tier's slug and its columns."""
    return template_of(parse(as_yaml(template)), builds=builds_of())


def columns(template, fields):
    return {name: getattr(template, name) for name in fields}


@pytest.mark.django_db
def test_all_of_the_catalogue_comes_back_as_it_was():
    load()
    templates = list(Template.objects.all())
    assert len(templates) > 12
    for template in templates:
        tier, fields = again(template)
        assert tier == template.tier_id
        assert fields == columns(template, fields), template.slug


ODD_TEXTS = [
    " spaces ",
    "no",
    "~",
    "",
    "017",
    "1:30",
    "2026-01-01",
    "# not a comment",
    "a: b",
    "!tag",
    "*a",
    "&a",
    "<<",
    "=",
    "line\nline\n",
    "\r\n\t\x07\x85\u2028",
    "Ünï 🙂",
    "'\"\\",
    "x" * 300,
    "- a",
    "{a: b}",
    "%YAML 1.2",
    "---",
]


def test_every_field_and_odd_text_comes_back():
    hint = LogHint(" a|b ", "Trouble", "Do this.", "cpu")
    template = Template(
        name="yes",
        summary="no: it is # odd",
        description="One.\n\n  Two.",
        kind="text",
        motif="chat",
        position=7,
        tier=Tier(slug="cpu"),
        tier_note="123",
        image_bytes=5_000_000,
        build_minutes=3,
        min_replicas=0,
        max_replicas=8,
        public=True,
        idle_timeout=0,
        start_timeout=86_400,
        concurrency=500,
        spec=ContainerSpec(
            image="lab/app:1",
            port=1,
            build="chat",
            health_path="/ok?a=b#c",
            command=tuple(ODD_TEXTS),
            args=tuple(reversed(ODD_TEXTS)),
            env=(
                *(EnvVar(f"V{n}", text) for n, text in enumerate(ODD_TEXTS)),
                EnvVar("TOKEN", "", secret=True, needed=True, note="yes"),
                EnvVar("ASKED", "", needed=True),
            ),
            volume=VolumeSpec("files", "/data"),
            shm_mb=64,
            hints=(hint,),
            openai=True,
            example=Example("PUT", "/a?b=c#d", ODD_TEXTS[-6]),
        ).to_json(),
    )
    tier, fields = again(template)
    assert tier == "cpu"
    assert fields == columns(template, fields)


PIECES = [
    *ODD_TEXTS,
    *"\0\x07\t\n\r\ud800\ufeff\uffff'\"\\:-?#&*!|>%@`{}[],=~<.0x",
    "!!python/object/apply:os.system ['x']",
    "!!binary x",
    "&a ",
    "*a",
    "<<: *a",
    "? ",
    "- ",
    ": ",
    "|2+\n",
    ">-\n",
    "%YAML 9.9\n---\n",
    "%TAG ! tag:x,2026:\n---\n",
    '"\\U00110000"',
    '"\\ud800"',
    "9" * 30,
    "-.inf",
    ".nan",
    "0x_",
    "0b_",
    "1e999",
    "null",
    "[" * 30,
    "{a: " * 30,
    "(?P<a",
    "(a{9999999999})",
    "[[:alpha:]]",
]
FILES = [p for p in sorted(FOLDER.glob("*.yaml")) if p.name != "tiers.yaml"]


def mutated(rng, text):
    """The text with one to four things done to it that typing or malice can do."""
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(text) + 1)
        to = min(len(text), at + rng.choice((0, 1, 1, 4, 30)))
        lines = text.split("\n")
        line = rng.randrange(len(lines))
        match rng.randrange(6):
            case 0 | 1:
                text = text[:at] + rng.choice(PIECES) + text[to:]
            case 2:
                text = text[:at] + text[to:]
            case 3:
                value = f"{lines[line].partition(':')[0]}: {rng.choice(PIECES)}"
                text = "\n".join([*lines[:line], value, *lines[line + 1 :]])
            case 4:
                other = rng.randrange(len(lines))
                lines[line], lines[other] = lines[other], lines[line]
                text = "\n".join(lines)
            case 5:
                indent = " " * rng.randint(1, 4)
                lines[line] = indent + lines[line]
                text = "\n".join(lines)
    return text


def test_a_mangled_file_is_read_or_refused_and_nothing_else():
    rng = random.Random(20261122)
    small = [GOOD + "env:\n- {name: A, secret: true}\nvolume: {name: a, mount: /b}\n"]
    small += [GOOD + "hints:\n- pattern: a+\n  title: b\n  body: >-\n    c\n"]
    texts = small * 8 + [file.read_text() for file in FILES]
    builds = builds_of()
    outcomes = {"read": 0, "refused": 0}
    for _ in range(2000):
        text = mutated(rng, rng.choice(texts))
        try:
            _, fields = template_of(parse(text), builds=builds)
        except CatalogueError as error:
            error.sentence.encode()
            outcomes["refused"] += 1
        else:
            ContainerSpec.from_json(fields["spec"])
            str(fields).encode()
            outcomes["read"] += 1
    # Both happen often, so that the mutations are neither too mild nor too wild.
    assert min(outcomes.values()) > 150, outcomes
