"""The clock is set, and set back: of our processes, which load a library for it.

The engine keeps its time, as one on another machine does.
"""

import shutil
import struct
import subprocess
from pathlib import Path

from tests.chaos.faults.missed import Missed

_SOURCE = Path(__file__).with_suffix(".c")


def give(console):
    """Let a console that is not started yet have a clock that can be set."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        return
    library = console.home / "clock.so"
    flags = ("-O2", "-shared", "-fPIC", "-o", str(library))
    subprocess.run([compiler, *flags, str(_SOURCE)], check=True)
    _write(console.home, 0)
    console.env |= {
        "LD_PRELOAD": str(library),
        "ALIGHT_CHAOS_CLOCK": str(console.home / "clock"),
    }


def _jump(stage, by, seconds):
    home = stage.console.home
    if not (home / "clock").exists():
        words = "it takes a C compiler"
        raise Missed(words)
    _write(home, by)
    try:
        stage.wait(seconds)
    finally:
        _write(home, 0)


def _write(home, by):
    """In its place: the processes see this very file."""
    path = home / "clock"
    with path.open("r+b" if path.exists() else "wb") as file:
        file.write(struct.pack("=q", by))


STRIKES = {"clock jumps": _jump}
