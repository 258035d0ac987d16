"""What the person at the terminal sees: one line a step, with the time it took."""

import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from launcher.errors import LaunchError, last_lines

# A step that takes longer says so this often where a line cannot be rewritten.
NEWS_SECONDS = 10.0
WIDTH = 78


def say(text: str = "") -> None:
    print(text, flush=True)


def span(seconds: float) -> str:
    """3.2 s · 42 s · 1 min 42 s"""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    return f"{whole} s" if whole < 60 else f"{whole // 60} min {whole % 60} s"


class Step:
    """A line that is rewritten on a terminal and repeated, rarely, in a file."""

    def __init__(self, title: str) -> None:
        self.title = title
        self.begun = self.told = time.monotonic()
        self.live = sys.stdout.isatty()

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.begun

    def news(self, detail: str = "") -> None:
        """Show that it goes on; cheap to call often."""
        line = f"  … {self.title}, {span(self.seconds)}"
        line = f"{line}: {detail}" if detail else line
        if self.live:
            print(f"\r\033[K{line[:WIDTH]}", end="", flush=True)
        elif time.monotonic() - self.told >= NEWS_SECONDS:
            self.told = time.monotonic()
            say(line[:160])

    def done(self, note: str = "") -> None:
        clear = "\r\033[K" if self.live else ""
        say(
            f"{clear}  {self.title}{f', {note}' if note else ''} ({span(self.seconds)})"
        )

    def failed(self) -> None:
        clear = "\r\033[K" if self.live else ""
        say(f"{clear}  {self.title}: failed ({span(self.seconds)})")


@contextmanager
def step(title: str) -> Iterator[Step]:
    """A step that says when it ended, and how."""
    line = Step(title)
    if not line.live:
        say(f"  {title} …")
    else:
        line.news()
    try:
        yield line
    except BaseException:
        line.failed()
        raise
    line.done()


def run_logged(
    title: str,
    command: Sequence[str],
    *,
    log: Path,
    todo: str,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    capture: bool = False,
) -> str:
    """Run a command with its output in `log` and its progress on the screen.

    capture: standard output is returned instead, and kept nowhere; a few lines only.
    Raises LaunchError with the end of the log when it fails.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with step(title) as line, log.open("wb") as out:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if capture else out,
            stderr=out if capture else subprocess.STDOUT,
            env=env,
            cwd=cwd,
            text=True,
        )
        with process:
            while True:
                try:
                    said, _ = process.communicate(timeout=1)
                    break
                except subprocess.TimeoutExpired:
                    line.news("".join(last_lines(log, count=1, reach=400)))
        if process.returncode:
            raise LaunchError(
                f"{title} failed (exit code {process.returncode}).", todo, log
            )
    return said or ""
