"""The clock: whether it goes with the engine's, and has not gone back."""

from __future__ import annotations

import ctypes
from datetime import datetime, timedelta

from django.utils import timezone

from console.doctor import engine, place
from console.doctor.finding import Finding, fine, note, wrong
from endpoints.models import Event

_APART = timedelta(seconds=3)
_AHEAD = timedelta(seconds=5)
_MEND = "Let the clock follow a server: sudo timedatectl set-ntp true"
# adjtimex(2): the kernel's clock follows nobody.
_TIME_ERROR = 5


def check() -> list[Finding]:
    place.need_database()
    newest = Event.objects.order_by("-at").values_list("at", flat=True).first()
    told = engine.info().get("SystemTime", "")
    return judge(timezone.now(), newest, read(told), followed=is_followed())


def judge(
    now: datetime, newest: datetime | None, engines: datetime | None, *, followed: bool
) -> list[Finding]:
    """newest: of the timelines' lines. engines: the engine's clock, None if unknown."""
    found = []
    if newest and newest - now > _AHEAD:
        ahead = (newest - now).total_seconds()
        found.append(
            wrong(
                f"The newest line of a timeline is {ahead:.0f} s in the future: the "
                "clock was ahead, or has gone back.",
                f"{_MEND}. Nothing has to be mended in Alight.",
            )
        )
    if engines and abs(engines - now) > _APART:
        apart = abs(engines - now).total_seconds()
        found.append(
            wrong(
                f"The engine's clock is {apart:.0f} s apart from this one: lines of "
                "logs come in the wrong order.",
                f"{_MEND}, on both machines.",
            )
        )
    if not followed:
        found.append(note("The clock follows no time server.", _MEND))
    return found or [fine("The clock follows a time server and has not gone back.")]


def read(text: str) -> datetime | None:
    """The engine's words, which have nanoseconds."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else None


def is_followed() -> bool:
    """Whether the kernel's clock is kept by somebody (ntpd, chrony, timesyncd)."""
    # Room for the kernel's struct timex; all zero asks and sets nothing.
    room = ctypes.create_string_buffer(512)
    try:
        state = ctypes.CDLL(None).adjtimex(room)
    except (OSError, AttributeError):
        return True
    return bool(state != _TIME_ERROR)
