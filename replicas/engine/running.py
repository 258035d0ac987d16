"""Runs a helper to its end and takes it away again, whatever happened."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any

from docker import APIClient
from docker.errors import APIError

from replicas.engine import errors, helpers
from replicas.engine.spoken import spoken


def to_end(
    client: APIClient, body: dict[str, Any], *, name: str, seconds: int
) -> tuple[int, str]:
    """Its exit code and all it wrote. `client` should give up after that long, too."""
    ends = time.monotonic() + seconds
    with spoken():
        ensure_image(client, body["Image"])
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
    return int(code), text


def ensure_image(client: APIClient, reference: str = "") -> None:
    """Import a helpers' image unless it is there."""
    reference = reference or helpers.reference()
    try:
        client.inspect_image(reference)  # type: ignore[no-untyped-call]
    except APIError as error:
        if error.status_code != 404:
            raise
        packed = helpers.pack()
        if reference == ":".join(helpers.machine_image()):
            packed = helpers.machine_pack()
        name, _, tag = reference.partition(":")
        client.import_image_from_data(packed, repository=name, tag=tag)


def forget_left(
    client: APIClient, installation: str, role: str, *, seconds: int = 0
) -> None:
    """Remove helpers that an earlier process left behind when it was killed.

    seconds: leave those alone that were made less long ago, another process may wait
    for them.
    """
    wanted = [f"{k}={v}" for k, v in helpers.labels(installation, role).items()]
    with spoken():
        for held in client.containers(all=True, filters={"label": wanted}):
            if time.time() - held["Created"] < seconds:
                continue
            with suppress(APIError):
                client.remove_container(held["Id"], v=True, force=True)
