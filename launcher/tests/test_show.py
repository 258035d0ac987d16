"""Lines a person reads."""

import sys

import pytest

from launcher.errors import LaunchError, last_lines
from launcher.show import run_logged, span
from launcher.supervisor import ending


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.04, "0.0 s"), (9.94, "9.9 s"), (9.96, "10 s"), (59.4, "59 s"),
     (59.6, "1 min 0 s"), (102, "1 min 42 s")],
)  # fmt: skip
def test_spans(seconds, words):
    assert span(seconds) == words


def test_a_failed_command_shows_its_end_and_the_next_step(tmp_path, capsys):
    log = tmp_path / "logs" / "apt.log"
    script = "for i in range(40): print('line', i)\nraise SystemExit(7)"
    with pytest.raises(LaunchError) as caught:
        run_logged("Trying", [sys.executable, "-c", script], log=log, todo="Mend it.")
    text = str(caught.value)
    assert "Trying failed (exit code 7)." in text
    assert "line 39" in text
    assert "line 20" not in text
    assert text.endswith("What to do: Mend it.")
    assert "Trying: failed" in capsys.readouterr().out


def test_the_whole_output_is_kept(tmp_path):
    log = tmp_path / "all.log"
    run_logged("Trying", ["sh", "-c", "echo a; echo b >&2"], log=log, todo="")
    assert log.read_text() == "a\nb\n"


def test_progress_bars_count_as_one_line(tmp_path):
    log = tmp_path / "pip.log"
    log.write_bytes(b"start\n 10%\r 50%\r100%\n\n\xff end\n")
    assert last_lines(log) == ["start", "100%", "\ufffd end"]
    assert last_lines(tmp_path / "none.log") == []


@pytest.mark.parametrize(
    ("code", "words"), [(0, "exit code 0"), (3, "exit code 3"), (-9, "SIGKILL")]
)
def test_how_a_process_ended(code, words):
    assert ending(code) == words


def test_what_is_captured_is_in_no_file(tmp_path):
    log = tmp_path / "all.log"
    said = run_logged(
        "Trying",
        ["sh", "-c", "echo secret; echo b >&2"],
        log=log,
        todo="",
        capture=True,
    )
    assert said == "secret\n"
    assert log.read_text() == "b\n"
