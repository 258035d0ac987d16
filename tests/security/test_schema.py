"""The API holds to its own description, whatever it is sent.

schemathesis makes calls from /v1/schema, right ones and wrong ones, the same ones each
time. ALIGHT_API_EXAMPLES=300 makes more of them, by hand.
"""

from __future__ import annotations

import os
from urllib.parse import quote

import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections, transaction
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import (
    content_type_conformance,
    not_a_server_error,
    response_schema_conformance,
    status_code_conformance,
)

from tests.security.world import build

pytestmark = pytest.mark.django_db
EXAMPLES = int(os.environ.get("ALIGHT_API_EXAMPLES", "12"))
# They go on for as long as one listens, or are read by an event loop alone;
# endpoints/tests/streams.py and replicas/tests/test_api_kept_logs.py do.
ENDLESS = {"events_stream", "logs_stream", "logs_download"}
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]


@pytest.fixture
def world(settings, tmp_path):
    settings.ALIGHT_LOG_DIR = tmp_path / "logs"
    return build()


@pytest.fixture(autouse=True)
def one_connection():
    """Requests do not close the test's own connection to the database."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


@pytest.fixture
def operations(world):
    schema = schemathesis.openapi.from_wsgi("/v1/schema", get_wsgi_application())
    found = [result.ok() for result in schema.get_all_operations()]
    return {one.definition.raw["operationId"]: one for one in found}


def test_the_api_holds_to_its_description(world, operations):
    assert len(operations) > 40
    assert set(operations) > ENDLESS
    wrong = {}
    for name, operation in operations.items():
        if name in ENDLESS:
            continue
        try:
            tried(world, operation)
        except BaseExceptionGroup as group:
            wrong[name] = [str(error)[:1500] for error in group.exceptions]
    assert wrong == {}


def tried(world, operation):
    """Calls of a superuser, who gets furthest; half of them about what there is."""
    either = operation.as_strategy(generation_mode=GenerationMode.POSITIVE)
    if operation.body or operation.query or operation.path_parameters:
        either |= operation.as_strategy(generation_mode=GenerationMode.NEGATIVE)
    asked = []

    @hypothesis_settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=either, there=st.booleans())
    def every(case, there):
        if there:
            known(world, case)
        with transaction.atomic():
            answer = case.call(headers=world.headers["superuser_manage"])
            transaction.set_rollback(True)
        asked.append(answer.status_code)
        case.validate_response(answer, checks=CHECKS)

    every()
    return asked


def known(world, case):
    """What it is about is there: a made-up name is hardly ever."""
    for name in case.path_parameters or {}:
        case.path_parameters[name] = quote(world.args.get(name, "x"), safe="")
