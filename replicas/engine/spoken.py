"""Whatever the Docker SDK raises, in the contract's words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import requests
from docker.errors import APIError, DockerException

from replicas.engine import errors


@contextmanager
def spoken(image: str = "") -> Iterator[None]:
    """Turn errors of the SDK into EngineErrors; `image` is what they are about."""
    try:
        yield
    except APIError as error:
        said: Any = error.explanation
        raise errors.translate(
            error.status_code or 0, str(said or error), image=image
        ) from error
    except (requests.exceptions.RequestException, DockerException, OSError) as error:
        raise errors.unreachable(str(error)) from error
