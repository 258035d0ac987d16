"""In this folder the console is the one of docker-compose.yml."""

import pytest

from tests.compose.stack import running_stack


@pytest.fixture(scope="session")
def console(docker_engine):
    with running_stack(docker_engine) as made:
        yield made
