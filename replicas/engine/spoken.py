"""Whatever the Docker SDK raises, in the contract's words."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import requests
from docker.errors import APIError, DockerException

from replicas.engine import errors


def _waited(error: requests.exceptions.ReadTimeout) -> float:
    """Seconds, from the words of the library that gave up; 0 when it does not say."""
    found = re.search(r"read timeout=([\d.]+)", str(error))
    return float(found[1]) if found else 0.0


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
    except requests.exceptions.ReadTimeout as error:
        raise errors.slow(_waited(error)) from error
    except (requests.exceptions.RequestException, DockerException, OSError) as error:
        raise errors.unreachable(str(error)) from error
