"""Nodes and GPUs to look at: what there is, the worker finds by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest

from replicas.models import Gpu, Node

if TYPE_CHECKING:
    _Admin = admin.ModelAdmin[Any]
else:
    _Admin = admin.ModelAdmin


class ReadOnly(_Admin):
    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(
        self, request: HttpRequest, obj: Model | None = None
    ) -> bool:
        return False

    def has_delete_permission(
        self, request: HttpRequest, obj: Model | None = None
    ) -> bool:
        return False


@admin.register(Node)
class NodeAdmin(ReadOnly):
    list_display = ("name", "cores", "memory_mb", "engine_version", "unreachable_since")


@admin.register(Gpu)
class GpuAdmin(ReadOnly):
    list_display = ("uuid", "node", "model", "memory_gb", "present", "held_by")
    list_select_related = ("node", "replica__endpoint")

    @admin.display(description="Held by")
    def held_by(self, gpu: Gpu) -> str:
        if gpu.replica is None:
            return ""
        return f"{gpu.replica.endpoint.name}, replica {gpu.replica.number}"
