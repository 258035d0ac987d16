"""Asks the Docker engine for the node's GPUs, by a helper that gets all of them.

So what is found is what containers get: the driver works, the toolkit works, and the
engine may be on another machine than this process.
"""

from __future__ import annotations

from docker import APIClient

from replicas.engine import gpus, helpers, running
from replicas.engine.base import EngineRefused, FoundGpu

# Seconds for all of it. A driver that nobody used for a while takes long to wake.
PATIENCE = 20
# Exit code of the helper when the driver shows no folder of GPUs.
_NO_FOLDER = 2


def find(client: APIClient, installation: str, machine: str) -> list[FoundGpu]:
    """All GPUs the engine gives. Raises EngineError, and NoGpuDriver among them.

    `client` should give up after PATIENCE seconds; `machine` is "x86_64" or the like.
    """
    body = helpers.lists_gpus(installation, machine)
    if body is None:
        raise EngineRefused(f"There is no program to list the GPUs of {machine}.")
    code, text = running.to_end(
        client, body, name=helpers.name(installation, helpers.GPUS), seconds=PATIENCE
    )
    return _read(code, text)


def _read(code: int, text: str) -> list[FoundGpu]:
    if code == _NO_FOLDER:
        raise EngineRefused("The NVIDIA driver shows no GPUs below /proc/driver.")
    if code:
        raise EngineRefused(f"The list of GPUs ended with exit code {code}.")
    try:
        return gpus.parse(text)
    except gpus.GpuUnknown as error:
        raise EngineRefused(
            f"The NVIDIA driver does not name its {error} yet."
        ) from error
