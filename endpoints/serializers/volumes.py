"""Volumes as the API shows them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rest_framework import serializers

from endpoints.models import Volume


class VolumeSerializer(serializers.Serializer[Any]):
    """Files that endpoints keep when their replicas stop."""

    name = serializers.CharField()
    size_bytes = serializers.IntegerField(
        allow_null=True, help_text="What its files take; null while nobody measured."
    )
    measured_at = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()
    used_by = serializers.ListField(
        child=serializers.CharField(),
        help_text="Names of your endpoints that mount it, or may come to.",
    )
    deleting = serializers.BooleanField(help_text="It is on its way out.")
    trouble = serializers.CharField(
        help_text="Why it could not be deleted, in a sentence; else empty."
    )


def shown_volume(volume: Volume, users: Sequence[str]) -> dict[str, Any]:
    shown = VolumeSerializer(
        {
            "name": volume.name,
            "size_bytes": volume.size_bytes,
            "measured_at": volume.measured_at,
            "created_at": volume.created_at,
            "used_by": users,
            "deleting": volume.deleting,
            "trouble": volume.trouble,
        }
    ).data
    return dict(shown)
