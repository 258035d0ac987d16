"""Lines, levels, masks and unfinished lines, as tables."""

import pytest

from replicas.engine.base import LogChunk
from replicas.logs.levels import Levels, guess
from replicas.logs.lines import CUT_NOTE, MAX_TEXT, Assembler, cut, resolve
from replicas.logs.masks import Masker
from replicas.logs.partials import Partials
from replicas.logs.records import Draft, Record, decode, encode
from replicas.logs.store import strip_escapes


# --- Levels ------------------------------------------------------------------
@pytest.mark.parametrize(
    ("text", "level"),
    [
        ("", "info"),
        ("Running on local URL:  http://0.0.0.0:3000", "info"),
        ("INFO:     Uvicorn running on http://0.0.0.0:7860", "info"),
        ("2026-01-31 12:00:00,1 INFO worker: trying again after ERROR", "info"),
        ('172.17.0.1 - - "GET /errors/warning HTTP/1.1" 200 -', "info"),
        ("0 errors, 0 warnings", "info"),
        ("The default is fine", "info"),
        ("ERROR: Exception in ASGI application", "error"),
        ("2026-01-31 12:00:00 [CRITICAL] out of workers", "error"),
        ("error: could not open file", "error"),
        ("[error] 7#7: worker process exited", "error"),
        ("panic: runtime error: index out of range", "error"),
        ('{"time":"12:00","level":"error","msg":"no"}', "error"),
        ("time=12:00 level=warning msg=slow", "warn"),
        ('{"severity": "info", "message": "an error is mentioned"}', "info"),
        ("ValueError: bad shape", "error"),
        ("safetensors_rust.SafetensorError: Error while deserializing", "error"),
        ("torch.cuda.OutOfMemoryError: CUDA out of memory.", "error"),
        ("Segmentation fault (core dumped)", "error"),
        ("WARNING: sampler was renamed", "warn"),
        ("/app/x.py:12: UserWarning: 'timm' is deprecated", "warn"),
        ("W1122 12:00:00.000000 1 server.cc:100] slow", "warn"),
        ("E1122 12:00:00.000000 1 server.cc:100] gone", "error"),
        ("I1122 12:00:00.000000 1 server.cc:100] no error", "info"),
    ],
)
def test_level(text, level):
    assert guess(text) == level


def test_a_traceback_is_one_error():
    levels = Levels()
    said = [
        "Loading weights",
        "Traceback (most recent call last):",
        '  File "/app/a.py", line 1, in read',
        "    return load(path)",
        "",
        "SafetensorError: MetadataIncompleteBuffer",
        "Using the other one",
    ]
    assert [levels.of(text) for text in said] == ["info", *["error"] * 5, "info"]


# --- Carriage returns, long lines --------------------------------------------
@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", ("plain", False)),
        ("windows\r", ("windows", False)),
        ("\r  0%|   |\r 50%|#  |\r100%|## |", ("100%|## |", True)),
        ("Downloading\rDone", ("Doneloading", True)),
        ("Downloading\rDone       ", ("Done", True)),
        ("\x1b[31m10%\r\x1b[32m100%\x1b[0m", ("\x1b[32m100%\x1b[0m", True)),
        ("gone\r    \r", ("", True)),
    ],
)
def test_what_a_terminal_shows(text, shown):
    assert resolve(text) == shown


def test_frames_of_two_streams_are_joined():
    lines = Assembler().feed(
        [
            LogChunk(1, "stdout", "a", complete=False),
            LogChunk(2, "stderr", "whole"),
            LogChunk(1, "stdout", "b", complete=False),
            LogChunk(1, "stdout", "c"),
            LogChunk(3, "stdout", "d"),
        ]
    )
    assert [(line.at, line.stream, line.text) for line in lines] == [
        (2, "stderr", "whole"),
        (1, "stdout", "abc"),
        (3, "stdout", "d"),
    ]


def test_an_endless_line_is_bounded_and_says_so():
    assembler = Assembler()
    for _ in range(1000):
        assembler.feed([LogChunk(1, "stdout", "x" * 16384, complete=False)])
    (line,) = assembler.feed([LogChunk(1, "stdout", "end")])
    assert len(line.text) < 5 * MAX_TEXT
    assert cut(line.text) == "x" * MAX_TEXT + CUT_NOTE


def test_an_endless_bar_keeps_its_end():
    assembler = Assembler()
    for n in range(2000):
        bar = f"\r{n:>5} " + "#" * 1000
        assembler.feed([LogChunk(1, "stderr", bar, complete=False)])
    (line,) = assembler.feed([LogChunk(1, "stderr", "\rdone ")])
    assert resolve(line.text)[0].startswith("done ")


# --- Masks -------------------------------------------------------------------
@pytest.mark.parametrize(
    ("secret", "text", "shown"),
    [
        ("hunter2!", "password=hunter2!", "password=•••"),
        ("hunter2!", "GET /?key=hunter2%21 200", "GET /?key=••• 200"),
        ('say "hi"', '{"token": "say \\"hi\\""}', '{"token": "•••"}'),
        ("line one\nline two\n", "it is line two here", "it is ••• here"),
        ("abc", "abc stays: too short to mask", "abc stays: too short to mask"),
        ("secret", "nothing here", "nothing here"),
        ("secret", "SECRET is another word", "SECRET is another word"),
    ],
)
def test_secrets_are_masked(secret, text, shown):
    assert Masker([secret]).mask(text) == shown


def test_the_longer_of_two_secrets_is_masked_whole():
    assert Masker(["token", "token-and-more"]).mask("token-and-more token") == (
        "••• •••"
    )


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("password: hunt", "password: •••"),
        ("password: hunter2!", "password: •••"),
        ("password: ", "password: "),
        ("with an h", "with an •••"),
    ],
)
def test_a_secret_being_written_is_masked(text, shown):
    assert Masker(["hunter2!"]).mask_unfinished(text) == shown


def test_a_secret_cut_between_chunks_is_masked():
    (line,) = Assembler().feed(
        [
            LogChunk(1, "stdout", "password=hun", complete=False),
            LogChunk(1, "stdout", "ter2!"),
        ]
    )
    assert Masker(["hunter2!"]).mask(line.text) == "password=•••"


# --- Unfinished lines --------------------------------------------------------
def test_a_bar_shows_at_once_and_a_prompt_after_a_while():
    partials = Partials(Masker([]))
    partials.feed("stderr", b"loading\n\r 10%", now=0)
    partials.feed("stdout", b"Continue? ", now=0)
    assert partials.shown(now=0.1) == {"stderr": " 10%", "stdout": ""}
    partials.feed("stderr", b"\r 60", now=0.2)
    partials.feed("stderr", b"%\r", now=0.2)
    assert partials.shown(now=0.5) == {"stderr": " 60%", "stdout": "Continue?"}
    partials.feed("stderr", b"\r100%\n", now=0.6)
    assert partials.shown(now=0.6)["stderr"] == ""


def test_half_a_letter_is_left_out():
    partials = Partials(Masker([]))
    partials.feed("stdout", "\r50 €".encode()[:-1], now=0)
    assert partials.shown(now=0) == {"stdout": "50"}


# --- Records -----------------------------------------------------------------
def test_records_read_back_as_written():
    texts = ["", "  two words ", "\x1b[31mred\x1b[0m", "1 2 3 4", "ünïcode \u2028 \x85"]
    drafts = [Draft(n, "oi-", text) for n, text in enumerate(texts)]
    assert decode(encode(drafts, 7)) == [
        Record(7 + n, n, "oi-", text) for n, text in enumerate(texts)
    ]


def test_plain_text_has_no_escapes():
    told = "\x1b[1;31mred\x1b[0m \x1b]0;title\x07bell\x07 tab\tstays \x1b[2K"
    assert strip_escapes(told) == "red bell tab\tstays "
