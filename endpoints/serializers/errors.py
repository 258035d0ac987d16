"""The shape of every refusal, for the schema."""

from typing import Any

from rest_framework import serializers


class ErrorBodySerializer(serializers.Serializer[Any]):
    code = serializers.CharField(help_text="A word for machines.")
    message = serializers.CharField(help_text="What is wrong and what to do next.")
    fields = serializers.DictField(  # type: ignore[assignment]
        child=serializers.ListField(child=serializers.CharField()),
        help_text="Sentences by field; empty when no field is at fault.",
    )


class ErrorSerializer(serializers.Serializer[Any]):
    error = ErrorBodySerializer()
