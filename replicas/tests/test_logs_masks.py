"""Secrets that are cut anywhere on their way: by frames, reads, returns and limits."""

import pytest

from replicas.engine.frames import LogReader
from replicas.logs import files
from replicas.logs.lines import Assembler
from replicas.logs.masks import Masker
from replicas.logs.partials import Partials
from replicas.logs.records import Attempt
from replicas.logs.sink import Sink

OWNER = Attempt(1, 7, 1)
SECRET = "pä55-wörd✓!"
LINE = f"the key is {SECRET} and more"
STAMP = b"2026-01-31T12:00:00.123456789Z "
BYTES = LINE.encode()
SPLITS = range(1, len(BYTES))


@pytest.fixture(autouse=True)
def log_dir(settings, tmp_path):
    settings.ALIGHT_LOG_DIR = tmp_path / "logs"


def frame(payload, stream=1):
    payload = STAMP + payload
    return bytes([stream, 0, 0, 0]) + len(payload).to_bytes(4, "big") + payload


def stored(*reads):
    """What the file has of these pieces of the engine's answer."""
    masker = Masker([SECRET])
    reader, assembler = (
        LogReader(),
        Assembler(lambda t: masker.mask(masker.mask_drawn(t))),
    )
    sink = Sink(OWNER, files.LogFile(OWNER), masker)
    for data in reads:
        sink.put(assembler.feed(reader.feed(data)))
        # Written at once, so that no secret is whole by waiting.
        sink.prepare()
        sink.write()
    return [r.text for block in files.blocks(OWNER) for r in block]


@pytest.mark.parametrize("at", SPLITS)
def test_a_secret_over_two_frames(at):
    data = frame(BYTES[:at]) + frame(BYTES[at:] + b"\n")
    assert stored(data) == ["the key is ••• and more"]


@pytest.mark.parametrize("at", range(1, len(frame(BYTES)) + 1))
def test_a_secret_over_two_reads(at):
    data = frame(BYTES + b"\n")
    assert stored(data[:at], data[at:]) == ["the key is ••• and more"]


@pytest.mark.parametrize("at", SPLITS)
def test_a_secret_over_two_frames_with_another_stream_between(at):
    reads = frame(BYTES[:at]), frame(b"of stderr\n", 2), frame(BYTES[at:] + b"\n")
    assert sorted(stored(*reads)) == ["of stderr", "the key is ••• and more"]


def shows_some_of_it(text):
    """Whether three letters of the secret in a row are to be seen."""
    return any(SECRET[n : n + 3] in text for n in range(len(SECRET) - 2))


@pytest.mark.parametrize("at", range(1, len(SECRET)))
@pytest.mark.parametrize("returns", ["\r", "\r\r"])
def test_a_secret_over_a_return(at, returns):
    drawn = f"{SECRET[:at]}{returns}{SECRET[at:]}"
    (text,) = stored(frame(f"key {drawn} end\n".encode()))
    assert not shows_some_of_it(text)


@pytest.mark.parametrize("at", range(len(SECRET) + 1))
def test_a_secret_that_is_partly_overwritten(at):
    (text,) = stored(frame(f"{SECRET}\r{'#' * at}\n".encode()))
    assert not shows_some_of_it(text)
    # Or that comes to be by overwriting.
    (_, text) = stored(frame(f"{'#' * at}{SECRET[at:]}\r{SECRET[:at]}\n".encode()))
    assert not shows_some_of_it(text) or at == 0


@pytest.mark.parametrize("at", range(len(SECRET) + 1))
def test_a_secret_where_an_endless_line_is_shortened(at):
    begin = "#" * (256 * 1024 - at)
    reads = [frame(f"{begin}{SECRET}\r".encode()), frame(b"##" * at + b"\n")]
    (text,) = stored(*reads)
    assert not shows_some_of_it(text)


@pytest.mark.parametrize("at", range(1, len(SECRET.encode()) + 1))
def test_a_secret_in_a_line_that_is_being_written(at):
    partials = Partials(Masker([SECRET]))
    written = SECRET.encode()
    for piece in (b"\rkey ", written[:at], written[at:], b" ", b"\rxyz"):
        partials.feed("stderr", piece, now=0)
        assert not shows_some_of_it(partials.shown(now=1)["stderr"])
    # And where the beginning of it was let go of.
    rest = b"\r" + b"#" * (16 * 1024 - 1 - at) + b"!"
    partials.feed("stdout", written + rest, now=0)
    assert not shows_some_of_it(partials.shown(now=1)["stdout"])
