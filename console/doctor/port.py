"""The one port people use: ours, or free for us."""

from __future__ import annotations

from console.doctor import place
from console.doctor.finding import Finding, fine, wrong
from endpoints import advice
from launcher import ports, processes
from launcher.errors import LaunchError
from launcher.services import listens


def check() -> list[Finding]:
    config = place.config()
    haproxy = place.runs("haproxy")
    if haproxy is None and not advice.by_compose():
        try:
            free = ports.usable(config.bind, config.port)
        except LaunchError as error:
            return [wrong(error.what, error.todo)]
        return [fine(f"Port {config.port} is free on {', '.join(free)}.")]
    deaf = [address for address in config.bind if not listens(address, config.port)]
    if deaf == list(config.bind):
        return [
            wrong(
                f"Nobody listens on port {config.port} of {', '.join(deaf)}, though "
                "HAProxy runs.",
                "Was it started with another ALIGHT_PORT or ALIGHT_BIND? Give the "
                f"same here. Else: {advice.restart()}",
            )
        ]
    if haproxy is None:
        return [fine(f"HAProxy listens on port {config.port}.")]
    return [_judge(ports.holder(config.port), processes.tree(haproxy.pid), config.port)]


def _judge(holder: str, ours: list[int], port: int) -> Finding:
    """holder: "name (pid 12)", "" when it cannot be seen."""
    if holder and not any(holder.endswith(f"(pid {pid})") for pid in ours):
        return wrong(
            f"Port {port} is held by {holder}, not by our HAProxy.",
            f"Stop that program, then: {advice.restart()}",
        )
    return fine(f"HAProxy listens on port {port}.")
