"""What holds with `make up` holds on docker compose: the same tests."""

import pytest

from tests.e2e.test_any_container import (
    test_a_private_endpoint_refuses_strangers_and_lets_its_owner_in,
    test_any_http_server_on_any_port,
)
from tests.e2e.test_private import (
    nosy,
    test_no_secret_of_ours_reaches_a_container,
    test_public_access_counts_at_the_next_request,
    test_what_was_let_in_survives_the_next_sync,
    test_who_is_out_is_out_at_the_next_request,
)
from tests.e2e.test_rolling import (
    api,
    serving,
    test_2000_requests_over_three_rollouts,
)
from tests.e2e.test_tutorial import test_the_tutorial
from tests.e2e.test_waiting_page import (
    naps,
    test_a_program_is_held_with_its_body_while_it_starts,
    test_the_waiting_page_follows_the_start_and_becomes_the_ui,
)
from tests.e2e.test_zero import (
    sleeper,
    test_a_hundred_at_once_wake_one,
    test_a_websocket_wakes_it,
    test_it_sleeps_and_one_request_wakes_one,
    test_ten_megabytes_arrive_as_they_were_sent,
)

pytestmark = [pytest.mark.e2e, pytest.mark.docker, pytest.mark.haproxy]

# Pytest finds them here by their names, and gives them this folder's console.
__all__ = [
    "api",
    "naps",
    "nosy",
    "serving",
    "sleeper",
    "test_2000_requests_over_three_rollouts",
    "test_a_hundred_at_once_wake_one",
    "test_a_private_endpoint_refuses_strangers_and_lets_its_owner_in",
    "test_a_program_is_held_with_its_body_while_it_starts",
    "test_a_websocket_wakes_it",
    "test_any_http_server_on_any_port",
    "test_it_sleeps_and_one_request_wakes_one",
    "test_no_secret_of_ours_reaches_a_container",
    "test_public_access_counts_at_the_next_request",
    "test_ten_megabytes_arrive_as_they_were_sent",
    "test_the_tutorial",
    "test_the_waiting_page_follows_the_start_and_becomes_the_ui",
    "test_what_was_let_in_survives_the_next_sync",
    "test_who_is_out_is_out_at_the_next_request",
]
