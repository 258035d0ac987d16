"""People, as administrators see them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.contrib.auth.admin import UserAdmin as PlainUserAdmin
from django.db.models import QuerySet
from django.http import HttpRequest

from console.models import User
from endpoints.models import Volume

if TYPE_CHECKING:
    _Admin = PlainUserAdmin[User]
else:
    _Admin = PlainUserAdmin


@admin.register(User)
class UserAdmin(_Admin):
    """Deleting one deletes their endpoints, with logs; files of volumes it only names.

    Files are not deleted by a row that goes: a volume's own page does that.
    """

    def delete_model(self, request: HttpRequest, obj: User) -> None:
        left = _volumes(User.objects.filter(pk=obj.pk))
        super().delete_model(request, obj)
        _say(request, left)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        left = _volumes(queryset)
        super().delete_queryset(request, queryset)
        _say(request, left)


def _volumes(people: QuerySet[Any]) -> list[str]:
    """Names in the engine of the volumes they have."""
    rows = Volume.objects.filter(owner__in=people).order_by("engine_name")
    return list(rows.values_list("engine_name", flat=True))


def _say(request: HttpRequest, left: list[str]) -> None:
    if left:
        messages.warning(
            request,
            "The files of their volumes stay in the engine. To delete them too: docker"
            f" volume rm {' '.join(left)}",
        )
