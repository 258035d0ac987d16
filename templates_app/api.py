"""The API on templates: what can be cloned, and one's own as YAML."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.exceptions import APIException, NotFound, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from templates_app import own
from templates_app.catalogue.fields import CatalogueError
from templates_app.catalogue.writing import as_yaml
from templates_app.models import Template, TemplateQuerySet

FIELDS = frozenset({"yaml", "shared"})


class NotKept(APIException):
    """The template could be read, but is not kept; the text says what to do."""

    status_code = 409
    default_code = "conflict"


class NeedSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    secret = serializers.BooleanField()
    note = serializers.CharField()


class TemplateSerializer(serializers.Serializer[Any]):
    slug = serializers.CharField()
    name = serializers.CharField()
    summary = serializers.CharField()
    kind = serializers.CharField()
    image_url = serializers.CharField()
    instance_type = serializers.CharField()
    needs = NeedSerializer(many=True)
    owner = serializers.CharField(allow_null=True)
    shared = serializers.BooleanField()


class TemplateFileSerializer(TemplateSerializer):
    yaml = serializers.CharField(help_text="What POST takes.")


class ImportSerializer(serializers.Serializer[Any]):
    """A template as YAML, and whether everyone here may clone it."""

    default_error_messages = {"invalid": "Send a JSON object."}

    yaml = serializers.CharField(
        trim_whitespace=False,
        error_messages=dict.fromkeys(
            ("required", "blank", "null", "invalid"),
            "Send the template's YAML as text.",
        ),
    )
    shared = serializers.BooleanField(
        default=False,
        error_messages=dict.fromkeys(
            ("null", "invalid"), "Write true or false, without quotes."
        ),
    )

    def to_internal_value(self, data: Any) -> Any:
        if unknown := sorted(set(data) - FIELDS):
            told = "There is: shared, yaml."
            raise ValidationError(
                {name: [f'There is no "{name[:40]}". {told}'] for name in unknown}
            )
        return super().to_internal_value(data)


class TemplateList(APIView):
    @extend_schema(
        operation_id="templates",
        summary="Templates you can clone: the catalogue's, shared ones, your own",
        responses=TemplateSerializer(many=True),
        tags=["templates"],
    )
    def get(self, request: Request) -> Response:
        return Response([_shown(template) for template in _visible(request)])

    @extend_schema(
        operation_id="import_template",
        summary="Keep a template of your own",
        request=ImportSerializer,
        responses={201: TemplateFileSerializer},
        tags=["templates"],
    )
    def post(self, request: Request) -> Response:
        asked = ImportSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        user: Any = request.user
        shared = asked.validated_data["shared"]
        try:
            draft = own.read(asked.validated_data["yaml"])
            kept = own.add(user, draft, shared=shared)
        except CatalogueError as error:
            raise ValidationError({"yaml": [error.sentence]}) from None
        except own.CannotKeep as error:
            raise NotKept(str(error)) from None
        return Response(_file(kept), status=status.HTTP_201_CREATED)


class TemplateDetail(APIView):
    @extend_schema(
        operation_id="template",
        summary="One template, with its YAML",
        responses={200: TemplateFileSerializer},
        tags=["templates"],
    )
    def get(self, request: Request, slug: str) -> Response:
        return Response(_file(_find(_visible(request), slug)))

    @extend_schema(
        operation_id="delete_template",
        summary="Delete a template of your own; endpoints made from it stay",
        responses={204: None},
        tags=["templates"],
    )
    def delete(self, request: Request, slug: str) -> Response:
        own.delete(_find(Template.objects.filter(owner_id=request.user.pk), slug))
        return Response(status=status.HTTP_204_NO_CONTENT)


def _visible(request: Request) -> TemplateQuerySet:
    return Template.objects.visible_to(request.user).for_list()


def _find(rows: TemplateQuerySet, slug: str) -> Template:
    found = rows.filter(slug=slug).first()
    if found is None:
        raise NotFound(f'You have no template "{slug[:60]}".')
    return found


def _shown(template: Template) -> dict[str, Any]:
    owner = template.owner
    return {
        "slug": template.slug,
        "name": template.name,
        "summary": template.summary,
        "kind": template.kind,
        "image_url": template.container.image,
        "instance_type": template.tier_id,
        "needs": [
            {"name": var.name, "secret": var.secret, "note": var.note}
            for var in template.needs
        ],
        "owner": owner.get_username() if owner else None,
        "shared": template.shared,
    }


def _file(template: Template) -> dict[str, Any]:
    return {**_shown(template), "yaml": as_yaml(template)}
