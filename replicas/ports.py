"""Where a container listens instead of where it was expected."""

from replicas.engine import get_engine
from replicas.engine.base import EngineError


def hint(container_id: str, port: int) -> str:
    """ "Nothing listens on 3000. The container listens on 7860." or ""."""
    if not container_id:
        return ""
    engine = get_engine()
    try:
        open_ports = engine.listening_ports(container_id)
        inside = engine.listening_ports(container_id, loopback=True)
    except EngineError:
        return ""
    return words(port, open_ports, inside)


def words(port: int, open_ports: list[int], inside: list[int]) -> str:
    """The sentence, from the ports that can be reached and those that cannot. Pure."""
    if port in open_ports:
        return ""
    if port in inside:
        return (
            f"It listens on 127.0.0.1:{port}, where nobody outside the container can "
            "reach it. Make it listen on 0.0.0.0."
        )
    text = f"Nothing listens on {port}."
    if open_ports:
        heard = " and ".join(str(p) for p in open_ports[:3])
        return f"{text} The container listens on {heard}."
    return text
