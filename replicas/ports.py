"""Where a container listens instead of where it was expected."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from replicas.engine import get_engine
from replicas.engine.base import EngineError


@dataclass(frozen=True)
class Heard:
    """A sentence on where it listens, and the ports that would do instead."""

    text: str = ""
    ports: tuple[int, ...] = ()


def look(container_id: str, port: int, image: str) -> Heard:
    """Asks the running container, then its image. Says nothing when the engine does
    not answer, or when the port is fine."""
    if not container_id:
        return Heard()
    engine = get_engine()
    try:
        listening = engine.listening_ports(container_id)
        inside = engine.listening_ports(container_id, loopback=True)
        info = None if listening else engine.image(image)
    except EngineError:
        return Heard()
    return words(port, listening, inside, info.ports if info else ())


def words(
    port: int, listening: Sequence[int], inside: Sequence[int], declared: Sequence[int]
) -> Heard:
    """From the ports that can be reached, those that cannot, and those that the image
    says it uses. Pure."""
    if port in listening:
        return Heard()
    if port in inside:
        return Heard(
            f"It listens on 127.0.0.1:{port}, where nobody outside the container can "
            "reach it. Make it listen on 0.0.0.0."
        )
    text = f"Nothing listens on {port}."
    if listening:
        found = tuple(listening[:3])
        return Heard(f"{text} The container listens on {_named(found)}.", found)
    if declared and port not in declared:
        found = tuple(declared[:3])
        return Heard(f"{text} The image says it uses {_named(found)}.", found)
    if inside:
        return Heard(
            f"{text} The container listens on 127.0.0.1:{inside[0]}, where nobody "
            "outside it can reach it. Make it listen on 0.0.0.0."
        )
    return Heard(text)


def _named(ports: Sequence[int]) -> str:
    return " and ".join(str(port) for port in ports)
