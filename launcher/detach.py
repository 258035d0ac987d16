"""A process of its own session that tells its parent how its start went."""

import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

Tell = Callable[[str, str], None]


def run_detached(work: Callable[[Tell], None], log: Path) -> Iterator[tuple[str, str]]:
    """Run `work` in a detached process; yield what it tells, (kind, text), until it
    tells no more (`tell("end", "")`) or has ended.

    Its standard output and error go to `log`.
    """
    reader, writer = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        os.close(reader)
        _become_daemon(work, writer, log)
    os.close(writer)
    os.waitpid(child, 0)
    with os.fdopen(reader) as lines:
        for line in lines:
            kind, text = json.loads(line)
            if kind == "end":
                return
            yield kind, text


def _become_daemon(work: Callable[[Tell], None], writer: int, log: Path) -> None:
    """Never returns."""
    os.setsid()
    # The second fork leaves the session without a leader: no terminal can be gained.
    if os.fork():
        os._exit(0)
    pipe = os.fdopen(writer, "w", buffering=1)

    def tell(kind: str, text: str) -> None:
        if kind == "end":
            print(json.dumps([kind, text]), file=pipe)
            pipe.close()
        elif pipe.closed:
            print(text, flush=True)
        else:
            print(json.dumps([kind, text]), file=pipe)

    code = 1
    try:
        _redirect(log)
        work(tell)
        code = 0
    finally:
        sys.stdout.flush()
        os._exit(code)


def _redirect(log: Path) -> None:
    null = os.open(os.devnull, os.O_RDONLY)
    out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(null, 0)
    os.dup2(out, 1)
    os.dup2(out, 2)
    os.close(null)
    os.close(out)
