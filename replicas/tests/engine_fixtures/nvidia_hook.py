"""Stands in for NVIDIA's hook: an engine that has it in its PATH gives out GPUs.

The engine runs it for each container that is to have GPUs, once the container's file
systems are mounted and before it may see them, with the container's state on standard
input. Like the real one it shows the container what the driver says of these GPUs.
The first argument is a folder that takes the driver's place: GPUS/<bus>/information.
Needs nothing but Python: the engine runs it without any environment.
"""

import json
import re
import subprocess
import sys
from pathlib import Path


def prestart(driver: Path) -> None:
    state = json.load(sys.stdin)
    config = json.loads((Path(state["bundle"]) / "config.json").read_text())
    env = dict(line.split("=", 1) for line in config["process"]["env"])
    if (driver / "held").exists():
        # A pipe: this reads until the test writes.
        (driver / "held").read_text()
    if (driver / "broken").exists():
        sys.exit((driver / "broken").read_text())
    buses = chosen(driver / "gpus", env["NVIDIA_VISIBLE_DEVICES"])
    enter = ["/usr/bin/nsenter", "--target", str(state["pid"]), "--mount", "--"]
    again = [sys.executable, "-I", __file__, str(driver), "inside"]
    subprocess.run([*enter, *again, config["root"]["path"], *buses], check=True)


def chosen(gpus: Path, visible: str) -> list[str]:
    known = {}
    for place in sorted(gpus.iterdir()):
        uuid = re.search(r"GPU UUID:\s*(\S+)", (place / "information").read_text())
        known[uuid[1] if uuid else ""] = place.name
    if visible == "all":
        return list(known.values())
    for wanted in visible.split(","):
        if wanted not in known:
            sys.exit(f"nvidia-container-cli: device error: {wanted}: unknown device")
    return [known[wanted] for wanted in visible.split(",")]


def inside(driver: Path, root: str, buses: list[str]) -> None:
    """In the container's mounts. Nobody can write below /proc: so cover it."""
    cover = Path(root) / "proc" / "driver"
    subprocess.run(["/bin/mount", "-t", "tmpfs", "tmpfs", str(cover)], check=True)
    shown = cover / "nvidia" / "gpus"
    shown.mkdir(parents=True)
    for bus in buses:
        (shown / bus).mkdir()
        text = (driver / "gpus" / bus / "information").read_text()
        (shown / bus / "information").write_text(text)


if __name__ == "__main__":
    place, act, *words = sys.argv[1:]
    if act == "prestart":
        prestart(Path(place))
    elif act == "inside":
        inside(Path(place), words[0], words[1:])
