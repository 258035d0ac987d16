"""The engine's output format, whole and in pieces."""

import pytest

from replicas.engine.base import LogChunk
from replicas.engine.frames import LogReader, RawReader

AT = 1_769_860_800_000_000_000  # 2026-01-31T12:00:00Z


def frame(stream: int, payload: bytes) -> bytes:
    return bytes([stream, 0, 0, 0]) + len(payload).to_bytes(4, "big") + payload


def line(ns: int, text: bytes, stream: int = 1) -> bytes:
    return frame(stream, b"2026-01-31T12:00:00.%09dZ " % ns + text)


THREE = line(1, b"one\n") + line(2, b"zwei \xc3\xa4\n", 2) + line(999_999_999, b"\n")
PARSED = [
    LogChunk(AT + 1, "stdout", "one"),
    LogChunk(AT + 2, "stderr", "zwei ä"),
    LogChunk(AT + 999_999_999, "stdout", ""),
]


def test_lines_with_their_times():
    assert LogReader().feed(THREE) == PARSED


@pytest.mark.parametrize("size", [1, 3, 7, 8, 9, 39, 40, 41])
def test_pieces_of_any_size(size):
    reader = LogReader()
    pieces = [THREE[at : at + size] for at in range(0, len(THREE), size)]
    assert [chunk for piece in pieces for chunk in reader.feed(piece)] == PARSED


def test_seconds_pass():
    later = frame(1, b"2026-01-31T12:00:01.000000000Z b\n")
    assert [c.at for c in LogReader().feed(line(5, b"a\n") + later)] == [
        AT + 5,
        AT + 1_000_000_000,
    ]


def test_a_long_line_is_cut_and_only_its_end_is_complete():
    parts = LogReader().feed(line(5, b"a" * 16384) + line(5, b"b" * 10 + b"\n"))
    assert [(p.at, len(p.text), p.complete) for p in parts] == [
        (AT + 5, 16384, False),
        (AT + 5, 10, True),
    ]


def test_a_letter_cut_in_two_survives():
    parts = LogReader().feed(line(5, b"x\xf0\x9f") + line(5, b"\x98\x80y\n"))
    assert "".join(part.text for part in parts) == "x😀y"


def test_the_other_stream_does_not_end_a_cut_line():
    parts = LogReader().feed(
        line(5, b"one \xc3") + line(6, b"other\n", 2) + line(5, b"\xa4\n")
    )
    assert [(p.stream, p.text, p.complete) for p in parts] == [
        ("stdout", "one ", False),
        ("stderr", "other", True),
        ("stdout", "ä", True),
    ]


def test_bytes_that_are_no_text_are_marked():
    assert LogReader().feed(line(1, b"\xff\xfe\n"))[0].text == "��"


def test_a_carriage_return_is_left_alone():
    assert LogReader().feed(line(1, b"\r 10%\r 20%\n"))[0].text == "\r 10%\r 20%"


@pytest.mark.parametrize(
    ("stamp", "ns"),
    [(b"2026-01-31T12:00:00.5Z", 500_000_000), (b"2026-01-31T12:00:00Z", 0)],
)
def test_shorter_times_of_other_engines(stamp, ns):
    assert LogReader().feed(frame(1, stamp + b" hi\n")) == [
        LogChunk(AT + ns, "stdout", "hi")
    ]


def test_output_without_times_is_not_lost():
    assert LogReader().feed(frame(1, b"panic: no clock\n"))[0].text == "panic: no clock"


def test_raw_pieces_come_as_they_were_written():
    data = frame(1, b"\r10%") + frame(2, b"oh\n")
    assert RawReader().feed(data) == [("stdout", b"\r10%"), ("stderr", b"oh\n")]
    reader = RawReader()
    assert reader.feed(data[:11]) == []
    assert reader.feed(data[11:]) == [("stdout", b"\r10%"), ("stderr", b"oh\n")]
