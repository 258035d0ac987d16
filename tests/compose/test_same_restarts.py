"""What dies on docker compose is started again by Docker, and nobody is cut off."""

import pytest

from tests.e2e.test_restarting import (
    art,
    socket,
    test_each_process_is_killed_and_open_connections_stay,
)

pytestmark = [pytest.mark.e2e, pytest.mark.docker, pytest.mark.haproxy]

__all__ = ["art", "socket", "test_each_process_is_killed_and_open_connections_stay"]


@pytest.fixture(scope="module")
def restarted(console):
    return console
