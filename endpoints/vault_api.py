"""The API on secrets and registry sign-ins. No answer has a value in it."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import status
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from endpoints import rules, vault, worker
from endpoints.api import Conflict, NameTakenConflict
from endpoints.models import RegistryCredential, Secret
from endpoints.serializers.errors import ErrorSerializer
from endpoints.serializers.vault import (
    SecretSerializer,
    SecretValueSerializer,
    SignInChangeSerializer,
    SignInSerializer,
    shown_secret,
    shown_sign_in,
)

IN_USE = OpenApiResponse(ErrorSerializer, "An endpoint uses it; the text says which.")
TAKEN = OpenApiResponse(ErrorSerializer, "You have one of this key.")


def _owner(request: Request) -> int:
    user: Any = request.user
    return int(user.pk)


def _read(serializer: type[Any], request: Request) -> dict[str, Any]:
    asked = serializer(data=request.data)
    asked.is_valid(raise_exception=True)
    values: dict[str, Any] = asked.validated_data
    return values


# --- Secrets -----------------------------------------------------------------
def _secret(request: Request, key: str) -> Secret:
    row = Secret.objects.filter(owner_id=_owner(request), key=key).first()
    if row is None:
        raise NotFound(f"You have no secret {key[:60]}.")
    return row


def _answer_secret(row: Secret) -> dict[str, Any]:
    return shown_secret(row, vault.uses(row.owner_id).secrets.get(row.key, []))


class Secrets(APIView):
    @extend_schema(
        operation_id="secrets",
        summary="Your secrets, without their values",
        responses=SecretSerializer(many=True),
        tags=["secrets"],
    )
    def get(self, request: Request) -> Response:
        used = vault.uses(_owner(request)).secrets
        rows = Secret.objects.filter(owner_id=_owner(request))
        return Response([shown_secret(row, used.get(row.key, [])) for row in rows])


class SecretCreate(APIView):
    @extend_schema(
        operation_id="create_secret",
        summary="Keep a secret; endpoints that choose it get it as a variable",
        request=SecretSerializer,
        responses={201: SecretSerializer, 400: ErrorSerializer, 409: TAKEN},
        tags=["secrets"],
    )
    def post(self, request: Request) -> Response:
        data = _read(SecretSerializer, request)
        try:
            row = vault.add_secret(_owner(request), data["key"], data["value"])
        except vault.KeyTaken as taken:
            raise NameTakenConflict({"key": [str(taken)]}) from None
        return Response(_answer_secret(row), status=status.HTTP_201_CREATED)


class SecretDetail(APIView):
    @extend_schema(
        operation_id="secret",
        summary="One secret, without its value",
        responses={200: SecretSerializer, 404: ErrorSerializer},
        tags=["secrets"],
    )
    def get(self, request: Request, key: str) -> Response:
        return Response(_answer_secret(_secret(request, key)))

    @extend_schema(
        operation_id="change_secret",
        summary="Replace its value; endpoints get it at their next start",
        request=SecretValueSerializer,
        responses={200: SecretSerializer, 400: ErrorSerializer, 404: ErrorSerializer},
        tags=["secrets"],
    )
    def put(self, request: Request, key: str) -> Response:
        row = _secret(request, key)
        vault.change_secret(row, _read(SecretValueSerializer, request)["value"])
        return Response(_answer_secret(row))

    @extend_schema(
        operation_id="delete_secret",
        summary="Delete it; refused while an endpoint uses it",
        responses={204: None, 404: ErrorSerializer, 409: IN_USE},
        tags=["secrets"],
    )
    def delete(self, request: Request, key: str) -> Response:
        try:
            vault.delete_secret(_secret(request, key))
        except vault.InUse as used:
            raise Conflict(str(used)) from None
        return Response(status=status.HTTP_204_NO_CONTENT)


# --- Registry sign-ins -------------------------------------------------------
def _sign_in(request: Request, key: str) -> RegistryCredential:
    rows = RegistryCredential.objects.filter(owner_id=_owner(request), key=key)
    row = rows.first()
    if row is None:
        raise NotFound(f"You have no registry sign-in {key[:60]}.")
    return row


def _answer_sign_in(row: RegistryCredential) -> dict[str, Any]:
    return shown_sign_in(row, vault.uses(row.owner_id).registries.get(row.key, []))


def _checked(data: dict[str, Any]) -> vault.SignInWish:
    """Raises ValidationError when the registry does not take it."""
    registry = rules.registry_of(data.get("registry", ""))
    try:
        wish, _ = vault.checked(registry, data["username"], data["password"])
    except worker.WorkerRefused as refused:
        raise ValidationError({vault.blamed(refused): [str(refused)]}) from None
    return wish


class SignIns(APIView):
    @extend_schema(
        operation_id="registry_credentials",
        summary="Your registry sign-ins, without their passwords",
        responses=SignInSerializer(many=True),
        tags=["registry credentials"],
    )
    def get(self, request: Request) -> Response:
        used = vault.uses(_owner(request)).registries
        rows = RegistryCredential.objects.filter(owner_id=_owner(request))
        return Response([shown_sign_in(row, used.get(row.key, [])) for row in rows])


class SignInCreate(APIView):
    @extend_schema(
        operation_id="create_registry_credential",
        summary="Keep a registry sign-in, once that registry took it",
        request=SignInSerializer,
        responses={201: SignInSerializer, 400: ErrorSerializer, 409: TAKEN},
        tags=["registry credentials"],
    )
    def post(self, request: Request) -> Response:
        data = _read(SignInSerializer, request)
        owner_id, key = _owner(request), data["key"]
        try:
            vault.check_free(owner_id, key)
            row = vault.add_registry(owner_id, key, _checked(data))
        except vault.KeyTaken as taken:
            raise NameTakenConflict({"key": [str(taken)]}) from None
        return Response(_answer_sign_in(row), status=status.HTTP_201_CREATED)


class SignInDetail(APIView):
    @extend_schema(
        operation_id="registry_credential",
        summary="One registry sign-in, without its password",
        responses={200: SignInSerializer, 404: ErrorSerializer},
        tags=["registry credentials"],
    )
    def get(self, request: Request, key: str) -> Response:
        return Response(_answer_sign_in(_sign_in(request, key)))

    @extend_schema(
        operation_id="change_registry_credential",
        summary="Replace it, once the registry took it; used from the next pull on",
        request=SignInChangeSerializer,
        responses={200: SignInSerializer, 400: ErrorSerializer, 404: ErrorSerializer},
        tags=["registry credentials"],
    )
    def put(self, request: Request, key: str) -> Response:
        row = _sign_in(request, key)
        vault.change_registry(row, _checked(_read(SignInChangeSerializer, request)))
        return Response(_answer_sign_in(row))

    @extend_schema(
        operation_id="delete_registry_credential",
        summary="Delete it; refused while an endpoint uses it",
        responses={204: None, 404: ErrorSerializer, 409: IN_USE},
        tags=["registry credentials"],
    )
    def delete(self, request: Request, key: str) -> Response:
        try:
            vault.delete_registry(_sign_in(request, key))
        except vault.InUse as used:
            raise Conflict(str(used)) from None
        return Response(status=status.HTTP_204_NO_CONTENT)
