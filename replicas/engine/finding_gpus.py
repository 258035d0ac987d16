"""Asks the Docker engine for the node's GPUs, by a helper that gets all of them.

So what is found is what containers get: the driver works, the toolkit works, and the
engine may be on another machine than this process.
"""

from __future__ import annotations

import logging
import time
from contextlib import suppress

from docker import APIClient
from docker.errors import APIError

from replicas.engine import errors, gpus, helpers
from replicas.engine.base import EngineRefused, FoundGpu
from replicas.engine.spoken import spoken

log = logging.getLogger(__name__)

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
    ends = time.monotonic() + PATIENCE
    with spoken():
        ensure_image(client)
        name = helpers.name(installation, helpers.GPUS)
        made = client.create_container_from_config(body, name)  # type: ignore[no-untyped-call]
    try:
        with spoken():
            client.start(made["Id"])
            left = max(1, round(ends - time.monotonic()))
            code = client.wait(made["Id"], timeout=left)["StatusCode"]
            text = client.logs(made["Id"]).decode("utf-8", "replace")
    finally:
        with suppress(errors.Gone), spoken():
            client.remove_container(made["Id"], v=True, force=True)
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


def ensure_image(client: APIClient) -> None:
    """Import the helpers' image unless it is there."""
    try:
        client.inspect_image(helpers.reference())  # type: ignore[no-untyped-call]
    except APIError as error:
        if error.status_code != 404:
            raise
        name, tag = helpers.image()
        client.import_image_from_data(helpers.pack(), repository=name, tag=tag)


def forget_left(client: APIClient, installation: str) -> None:
    """Remove helpers that an earlier process left behind when it was killed."""
    wanted = [f"{k}={v}" for k, v in helpers.labels(installation, helpers.GPUS).items()]
    with spoken():
        for held in client.containers(all=True, filters={"label": wanted}):
            with suppress(APIError):
                client.remove_container(held["Id"], v=True, force=True)
