"""An NVIDIA driver for engines of tests, on machines that have none."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

HOOK = "nvidia-container-runtime-hook"
_INFORMATION = """\
Model: \t\t {model}
IRQ:   \t\t 40
GPU UUID: \t {uuid}
Video BIOS: \t 94.02.75.00.01
Bus Type: \t PCIe
DMA Size: \t 47 bits
DMA Mask: \t 0x7fffffffffff
Bus Location: \t {bus}
Device Minor: \t {minor}
GPU Firmware: \t 535.183.06
GPU Excluded:\t No
"""


class Driver:
    """`bin` goes into the engine's PATH before it starts: `OwnEngine.look_in`."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.bin = home / "bin"
        self.bin.mkdir(parents=True)
        (home / "gpus").mkdir()
        hook = Path(__file__).with_name("nvidia_hook.py")
        run = f'exec "{sys.executable}" -I "{hook}" "{home}" "$@"'
        (self.bin / HOOK).write_text(f"#!/bin/sh\n{run}\n")
        (self.bin / HOOK).chmod(0o755)

    def has(self, **models: str) -> None:
        """From now on it has these GPUs: models by UUID, "_" for "-"."""
        self.mend()
        shutil.rmtree(self.home / "gpus")
        (self.home / "gpus").mkdir()
        for minor, (uuid, model) in enumerate(models.items()):
            bus = f"0000:0{minor + 1}:00.0"
            text = _INFORMATION.format(
                model=model, uuid=uuid.replace("_", "-"), bus=bus, minor=minor
            )
            (self.home / "gpus" / bus).mkdir()
            (self.home / "gpus" / bus / "information").write_text(text)

    def fail(self, said: str) -> None:
        """From now on no container with GPUs starts."""
        (self.home / "broken").write_text(said)

    def hang(self) -> None:
        """From now on they wait for `go_on`."""
        os.mkfifo(self.home / "held")

    def go_on(self) -> None:
        held = self.home / "held"
        # Both ends: this waits for nobody. Its closing ends what a hook reads.
        both = os.open(held, os.O_RDWR)
        held.unlink()
        os.close(both)

    def mend(self) -> None:
        (self.home / "broken").unlink(missing_ok=True)
