"""No request is lost from the metrics when a worker dies, on docker compose."""

import pytest

from tests.e2e.test_metrics import api, test_a_worker_that_dies_loses_no_request, url

pytestmark = [pytest.mark.e2e, pytest.mark.docker]

__all__ = ["api", "test_a_worker_that_dies_loses_no_request", "url"]
