"""Requests that are answered later, on docker compose: across containers of ours."""

import pytest

from tests.e2e.test_async import (
    api,
    test_a_large_body_wakes_a_sleeping_endpoint_and_arrives_whole,
    test_cancelling_ends_it_at_the_container_too,
    test_it_survives_a_restart_of_everything,
    test_the_page_tries_a_sleeping_private_endpoint,
    test_who_may_not_call_may_not_ask_either,
    url,
)

pytestmark = [pytest.mark.e2e, pytest.mark.docker, pytest.mark.haproxy]

__all__ = [
    "api",
    "test_a_large_body_wakes_a_sleeping_endpoint_and_arrives_whole",
    "test_cancelling_ends_it_at_the_container_too",
    "test_it_survives_a_restart_of_everything",
    "test_the_page_tries_a_sleeping_private_endpoint",
    "test_who_may_not_call_may_not_ask_either",
    "url",
]


@pytest.fixture(scope="module")
def home(console):
    return console
