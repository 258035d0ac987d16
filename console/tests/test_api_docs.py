"""docs/api.md tells of every path, field and refusal there is."""

import re

import pytest
import yaml
from django.conf import settings
from django.core.management import call_command
from rest_framework import exceptions

from console.api import TooLarge
from endpoints.api import Conflict, NameTakenConflict
from endpoints.serializers import endpoint as fields
from endpoints.states import Phase
from endpoints.tests.factories import TierFactory, caller

PAGE = (settings.BASE_DIR / "docs" / "api.md").read_text()
PROSE = re.sub(r"^```.*?^```", "", PAGE, flags=re.DOTALL | re.MULTILINE)
QUOTED = set(re.findall(r"`([^`]+)`", PROSE))
WORDS = set(re.findall(r"[a-z0-9_]+", " ".join(QUOTED)))


@pytest.fixture
def schema(db, capsys):
    call_command("spectacular")
    return yaml.safe_load(capsys.readouterr().out)


def test_every_call(schema):
    told = {call for call in QUOTED if re.match("[A-Z]+ /v1/", call)}
    there = {
        f"{method.upper()} {path}"
        for path, methods in schema["paths"].items()
        for method in methods
    }
    assert told == there | {"GET /v1/schema"}


def test_every_field_and_parameter(schema):
    components = schema["components"]["schemas"]
    named = {n for shape in components.values() for n in shape.get("properties", ())}
    parameters = {
        parameter["name"]
        for methods in schema["paths"].values()
        for operation in methods.values()
        for parameter in operation.get("parameters", [])
    }
    assert named | parameters <= WORDS | {"error", "code", "message", "fields"}


def test_every_phase():
    assert set(Phase) <= WORDS


@pytest.mark.parametrize(
    "refusal",
    [
        exceptions.ValidationError,
        exceptions.ParseError,
        exceptions.NotAuthenticated,
        exceptions.AuthenticationFailed,
        exceptions.PermissionDenied,
        exceptions.NotFound,
        exceptions.MethodNotAllowed,
        exceptions.NotAcceptable,
        exceptions.UnsupportedMediaType,
        exceptions.APIException,
        TooLarge,
        Conflict,
        NameTakenConflict,
    ],
)
def test_every_refusal(refusal):
    (row,) = [line for line in PAGE.splitlines() if f"`{refusal.default_code}`" in line]
    assert str(refusal.status_code) in row


def test_every_default(alice):
    TierFactory()
    wish = {"name": "whisper", "image_url": "lab/app:1", "port": 80}
    shown = caller(alice).post("/v1/endpoint", wish, format="json").json()
    rows = {}
    for line in PAGE.split("## An endpoint")[1].splitlines():
        if line.startswith("| `"):
            names, *_, default = [cell.strip() for cell in line.strip("|").split("|")]
            rows |= dict.fromkeys(re.findall(r"`(\w+)`", names), default)
    said = {
        "empty": "",
        "null": None,
        "`{}`": {},
        "`[]`": [],
        "the tier without a GPU": "cpu",
    }
    read_only = {
        n for n, f in fields.EndpointSerializer().fields.items() if f.read_only
    }
    assert set(rows) == set(fields.EndpointSerializer().fields) - read_only
    for name, default in rows.items():
        if default == "required":
            assert name in wish
        else:
            value = said.get(default, default.strip("`"))
            assert str(shown[name]) == str(value), name
