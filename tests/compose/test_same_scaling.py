"""Replicas follow traffic on docker compose, and nobody is cut off."""

import pytest

from tests.e2e.test_scaling import api, change, grown, serving, streaming, wait

pytestmark = [pytest.mark.e2e, pytest.mark.docker, pytest.mark.haproxy]

__all__ = ["api", "serving"]


def test_streams_go_on_while_it_grows_and_shrinks(api, serving):
    """In short; the long test of it is that of tests.e2e."""
    url = serving("growing")
    with streaming(url):
        last = grown(api, "growing", to=3)
        change(api, "growing", max_replicas=1)
        for _ in range(2):
            last = wait(api, "growing", "ReplicaStopped", after=last)["id"]
