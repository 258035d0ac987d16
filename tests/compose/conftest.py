"""In this folder the console is the one of docker-compose.yml."""

import pytest

from launcher import compose
from launcher.base_images import image_labels
from launcher.recipes import COMPOSE
from tests.compose.stack import new_stack, remove_stack


@pytest.fixture(scope="session")
def console(docker_engine, compose_plugin):
    """A stack of this run, up as `docker compose up -d --wait` leaves it."""
    made = new_stack()
    try:
        made.compose("build")
        made.up()
        yield made
    finally:
        remove_stack(made)


@pytest.fixture(scope="session")
def compose_plugin(docker_engine):
    """Fails, never skips, where there is none."""
    if not compose.is_there():
        pytest.fail(
            "There is no `docker compose`. `make test` fetches it; by hand: install "
            "Docker's compose plugin."
        )
    for recipe in COMPOSE:
        if image_labels(docker_engine, recipe.image) is None:
            pytest.fail(f"There is no image {recipe.image}: make images COMPOSE=1")
