"""The API on endpoints with what runs of them: make, read, change, delete."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.db.models import Prefetch
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import status
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from endpoints import services, worker
from endpoints.api import Conflict, NameTakenConflict, find, visible
from endpoints.models import Endpoint, EndpointQuerySet
from endpoints.serializers.endpoint import changes_of, wish_of
from endpoints.serializers.errors import ErrorSerializer
from endpoints.serializers.parts import EnvField
from replicas.hardware import hardware_for
from replicas.models import Replica
from replicas.serializers import (
    ContainerMetadataSerializer,
    InstanceTypeSerializer,
    RunningEndpointSerializer,
    shown_tier,
)
from templates_app.spec import ContainerSpec

Shown = RunningEndpointSerializer


def _with_replicas(rows: EndpointQuerySet) -> EndpointQuerySet:
    living = Replica.objects.alive().select_related("node")
    return rows.select_related("tier").prefetch_related(Prefetch("replicas", living))


def _shown(endpoint: Endpoint) -> dict[str, Any]:
    fresh = _with_replicas(Endpoint.objects.all()).get(pk=endpoint.pk)
    shown: dict[str, Any] = Shown(fresh).data
    return shown


class EndpointList(APIView):
    @extend_schema(
        operation_id="endpoints",
        summary="Your endpoints",
        responses=Shown(many=True),
        tags=["endpoints"],
    )
    def get(self, request: Request) -> Response:
        return Response(Shown(_with_replicas(visible(request)), many=True).data)


class EndpointCreate(APIView):
    @extend_schema(
        operation_id="create_endpoint",
        summary="Make an endpoint; its first replica starts at once",
        request=Shown,
        responses={
            201: Shown,
            400: ErrorSerializer,
            409: OpenApiResponse(ErrorSerializer, "The name is taken."),
        },
        tags=["endpoints"],
    )
    def post(self, request: Request) -> Response:
        user: Any = request.user
        asked = Shown(data=request.data, context={"owner_id": user.pk})
        asked.is_valid(raise_exception=True)
        data = asked.validated_data
        with transaction.atomic():
            try:
                endpoint = services.create(user, wish_of(data))
            except services.NameTaken as taken:
                raise NameTakenConflict({"name": [str(taken)]}) from None
            if data.get("endpoint_state") == "disabled":
                services.pause(endpoint, user.get_username())
        return Response(_shown(endpoint), status=status.HTTP_201_CREATED)


class EndpointDetail(APIView):
    @extend_schema(
        operation_id="endpoint",
        summary="One endpoint",
        responses={200: Shown, 404: ErrorSerializer},
        tags=["endpoints"],
    )
    def get(self, request: Request, name: str) -> Response:
        return Response(_shown(find(request, name)))

    @extend_schema(
        operation_id="change_endpoint",
        summary="Change what is sent; the name is set once",
        request=Shown(partial=True),
        responses={200: Shown, 400: ErrorSerializer, 404: ErrorSerializer},
        tags=["endpoints"],
    )
    def patch(self, request: Request, name: str) -> Response:
        user: Any = request.user
        actor = user.get_username()
        with transaction.atomic():
            row = _locked(find(request, name))
            asked = Shown(row, data=request.data, partial=True)
            asked.is_valid(raise_exception=True)
            data = asked.validated_data
            services.change(row, actor, **changes_of(data, row))
            if data.get("endpoint_state") == "disabled":
                services.pause(row, actor)
            elif data.get("endpoint_state") == "active":
                services.resume(row, actor)
        return Response(_shown(row))

    @extend_schema(
        operation_id="delete_endpoint",
        summary="Delete it: replicas stop, the URL stops answering; volumes stay",
        responses={204: None, 404: ErrorSerializer},
        tags=["endpoints"],
    )
    def delete(self, request: Request, name: str) -> Response:
        user: Any = request.user
        services.delete(find(request, name), user.get_username())
        return Response(status=status.HTTP_204_NO_CONTENT)


def _locked(endpoint: Endpoint) -> Endpoint:
    """The row as it is now, held until the transaction ends."""
    rows = Endpoint.objects.select_for_update(no_key=True)
    row = rows.filter(pk=endpoint.pk).first()
    if row is None:
        raise NotFound(f'You have no endpoint "{endpoint.name}".')
    if row.deleting:
        raise Conflict("This endpoint is being deleted and cannot be changed.")
    return row


class ContainerMetadata(APIView):
    @extend_schema(
        operation_id="container_metadata",
        summary="What is known of an endpoint's container",
        responses={200: ContainerMetadataSerializer, 404: ErrorSerializer},
        tags=["endpoints"],
    )
    def get(self, request: Request, name: str) -> Response:
        endpoint = find(request, name)
        spec = endpoint.container
        digest, ports = _known_of_image(endpoint, spec)
        return Response(
            {
                "image_url": spec.image,
                "digest": digest or None,
                "exposed_ports": [{"port_num": p, "proto": "tcp"} for p in ports],
                "labels": {},
                "env": EnvField().to_representation(spec.env),
            }
        )


def _known_of_image(
    endpoint: Endpoint, spec: ContainerSpec
) -> tuple[str, tuple[int, ...]]:
    """Digest and ports as the engine or registry tells them, else as they were asked
    for: neither has to be there for the endpoint to be described."""
    _, _, digest = spec.image.partition("@")
    if spec.build:
        return digest, (spec.port,)
    try:
        facts = worker.image_facts(endpoint.owner_id, spec.image, spec.registry)
    except (worker.WorkerAway, worker.WorkerRefused):
        return digest, (spec.port,)
    return facts.digest or digest, facts.ports or (spec.port,)


class InstanceTypes(APIView):
    @extend_schema(
        operation_id="instance_types",
        summary="Tiers of hardware, and what is free",
        responses=InstanceTypeSerializer(many=True),
        tags=["hardware"],
    )
    def get(self, request: Request) -> Response:
        hardware = hardware_for(request.user.pk)
        return Response([shown_tier(tier) for tier in hardware.tiers])
