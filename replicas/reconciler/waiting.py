"""Those who wait for hardware: told their place, and called when it is their turn."""

from __future__ import annotations

from replicas import booking, services
from replicas.reconciler import words
from replicas.reconciler.observe import NO_HARDWARE


def move_up() -> list[int]:
    """Write each place in line that is another now: the line or the hardware changed.

    Returns endpoints to look at: they have a replica that may take its hardware.
    """
    called = []
    for replica, standing in booking.line():
        if standing is None or standing.gets:
            called.append(replica.endpoint_id)
            continue
        text = words.in_line(replica.tier, standing)
        if replica.trouble_text != text:
            services.note(replica, trouble=NO_HARDWARE, trouble_text=text)
    return called
