"""Runs checks side by side, each with a time limit."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace

from django.db import OperationalError, connection

from console.doctor.finding import CannotLook, Finding, note, wrong

Check = Callable[[], list[Finding]]


def examine(checks: Mapping[str, Check], seconds: float) -> list[Finding]:
    """All findings, in the order of the checks; after `seconds` at the latest.

    A check that hangs is left behind in its thread, which ends with the process.
    """
    told: dict[str, list[Finding]] = {}
    threads = [
        threading.Thread(target=_run, args=(name, check, told), daemon=True)
        for name, check in checks.items()
    ]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + seconds
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    late = wrong(
        f"No answer within {seconds:g} s.",
        "What it asks hangs: see the other findings first, then logs/ and dmesg.",
    )
    found = {name: told.get(name, [late]) for name in checks}
    return [replace(f, check=name) for name, some in found.items() for f in some]


def _run(name: str, check: Check, told: dict[str, list[Finding]]) -> None:
    try:
        found = check()
    except CannotLook as reason:
        found = [note(f"Not looked at: {reason}")]
    except OperationalError as error:
        found = [
            wrong(
                f"The database did not answer: {error}.",
                "See what the checks of disk and database say.",
            )
        ]
    except Exception as error:  # noqa: BLE001 - a doctor that falls ill helps nobody
        kind = type(error).__name__
        found = [
            wrong(
                f"The check itself failed: {kind}: {error}",
                "Look at the other findings; if they are fine, this is a fault of "
                "Alight.",
            )
        ]
    finally:
        connection.close()
    told[name] = found
