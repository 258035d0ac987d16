"""Fields of an endpoint that are more than one value: environment, command, volume."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from endpoints import rules
from endpoints.sealing import seal
from endpoints.serializers.fields import EmptyableField, RuledField, StrictSerializer
from templates_app.spec import EnvVar, VolumeSpec

VARIABLES_MAX = 200
WORDS_MAX = 200


@extend_schema_field(
    {
        "type": "object",
        "additionalProperties": {"type": "string", "nullable": True},
        "example": {"MODEL": "sdxl", "HF_TOKEN": None},
    }
)
class EnvField(serializers.Field[Any, Any, Any, Any]):
    """{NAME: value}. A secret reads as null; writing null keeps it."""

    default_error_messages = {"null": "Send an object, {} for no variables."}

    def to_internal_value(self, data: Any) -> dict[str, str | None]:
        if not isinstance(data, dict):
            raise serializers.ValidationError(
                'Send an object of names and values, such as {"MODEL": "sdxl"}.'
            )
        if len(data) > VARIABLES_MAX:
            raise serializers.ValidationError(f"Keep it to {VARIABLES_MAX} variables.")
        problems = [
            f'"{str(name)[:40]}": {problem}'
            for name, value in data.items()
            if (problem := rules.env_problem(name) or _value_problem(value))
        ]
        if problems:
            raise serializers.ValidationError(problems)
        return dict(data)

    def to_representation(self, value: tuple[EnvVar, ...]) -> dict[str, str | None]:
        return {var.name: None if var.secret else var.value for var in value}


def _value_problem(value: Any) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        return 'Write the value as text, in quotes, such as "8".'
    return rules.text_problem(value, rules.VALUE_MAX)


def merged_env(
    wanted: dict[str, str | None], old: tuple[EnvVar, ...]
) -> tuple[EnvVar, ...]:
    """The variables after the change: `wanted` in whole, kept secrets as they were.

    A new value for a secret is a secret, too.
    Raises ValidationError for a null that no kept secret stands behind.
    """
    secrets = {var.name: var for var in old if var.secret}
    missing = [n for n, v in wanted.items() if v is None and n not in secrets]
    if missing:
        raise serializers.ValidationError(
            {
                "env_overrides": [
                    f'"{name}": No secret of this name is kept. Send its value.'
                    for name in missing
                ]
            }
        )

    def variable(name: str, value: str | None) -> EnvVar:
        if value is None:
            return secrets[name]
        if name in secrets:
            return EnvVar(name, seal(value), secret=True)
        return EnvVar(name, value)

    return tuple(variable(name, value) for name, value in wanted.items())


class WordsField(serializers.ListField):
    """A command or its arguments, one string a word; null and [] keep the image's."""

    child = serializers.CharField(allow_blank=True, trim_whitespace=False)

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(required=False, allow_null=True, **kwargs)

    def run_validation(self, data: Any = serializers.empty) -> Any:
        return super().run_validation([] if data is None else data)

    def to_internal_value(self, data: Any) -> list[str]:
        fine = isinstance(data, list) and all(isinstance(word, str) for word in data)
        if not fine:
            raise serializers.ValidationError(
                'Send a list of words, such as ["python", "serve.py"].'
            )
        if len(data) > WORDS_MAX:
            raise serializers.ValidationError(f"Keep it to {WORDS_MAX} words.")
        for word in data:
            if problem := rules.text_problem(word, rules.VALUE_MAX):
                raise serializers.ValidationError(problem)
        return list(data)


def _inside_problem(path: str) -> str:
    if path in {"", "/"}:
        return ""
    return "The whole volume is mounted. Leave the path out."


class MountSerializer(StrictSerializer):
    """A volume that keeps its files when replicas come and go."""

    name = RuledField(rules.volume_problem, help_text="What the volume is called.")
    path = EmptyableField(_inside_problem, help_text="Empty: the whole volume.")
    mount = RuledField(
        rules.mount_problem, help_text="Absolute path inside the container."
    )


def volume_of(data: list[dict[str, Any]]) -> VolumeSpec | None:
    """The one volume; raises ValidationError for more."""
    if len(data) > 1:
        raise serializers.ValidationError(
            {"volumes_experimental": ["Mount one volume. More are not possible here."]}
        )
    return VolumeSpec(data[0]["name"], data[0]["mount"]) if data else None


def shown_volumes(volume: VolumeSpec | None) -> list[dict[str, str]]:
    if volume is None:
        return []
    return [{"name": volume.name, "path": "", "mount": volume.mount}]
