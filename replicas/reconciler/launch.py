"""From an image to a running container, and what is said on the way."""

from __future__ import annotations

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from endpoints import vault, volumes
from endpoints.ingress import get_ingress
from endpoints.sealing import SealBroken, unseal
from endpoints.steps import Reason
from replicas import doorbell, routing, services
from replicas.engine import get_engine, names
from replicas.engine.base import EngineError, Observed, Wanted
from replicas.engine.contexts import resolve
from replicas.isolation.keeping import KEEPER
from replicas.logs import secrets
from replicas.models import Gpu, Replica
from replicas.states import ReplicaState as S
from templates_app.spec import EnvVar


class SecretLost(EngineError):
    """A secret of this endpoint cannot be opened: no container can be made of it."""

    reason = "SecretLost"


def grace_seconds() -> int:
    grace: int = settings.ALIGHT_STOP_GRACE
    return grace


def wanted(replica: Replica) -> Wanted:
    """The container of this attempt. Opens secrets: never log or store the result.

    Raises SecretLost, and BuildFailed when its build context is gone.
    """
    endpoint, tier = replica.endpoint, replica.tier
    spec = replica.container
    place = (settings.ALIGHT_INSTALLATION, endpoint.name)
    try:
        env = vault.opened(endpoint.owner_id, spec.secrets)
    except vault.SecretMissing as error:
        raise SecretLost(str(error)) from None
    env |= {variable.name: _plain(variable) for variable in spec.env}
    mounted: tuple[tuple[str, str], ...] = ()
    if spec.volume:
        volume = volumes.ensure(endpoint.owner_id, spec.volume.name)
        mounted = ((volume.engine_name, spec.volume.mount),)
        env.setdefault("OCTOAI_VOLUME_PATH", spec.volume.mount)
    env["OCTOAI_REPLICA_NAME"] = f"{endpoint.name}-{replica.number}"
    return Wanted(
        name=names.container_name(*place, replica.pk, replica.attempt),
        image=resolve(spec.image, spec.build),
        labels=names.container_labels(*place, replica.pk, replica.attempt),
        port=spec.port,
        node=replica.node_id or "",
        command=spec.command,
        args=spec.args,
        env=env,
        gpus=tuple(Gpu.objects.filter(replica=replica).values_list("uuid", flat=True)),
        cores=tier.cores,
        memory_mb=tier.memory_mb,
        shm_mb=spec.shm_mb or tier.shm_mb,
        volumes=mounted,
    )


def _plain(variable: EnvVar) -> str:
    if not variable.secret:
        return variable.value
    try:
        return unseal(variable.value)
    except SealBroken as error:
        raise SecretLost(f"{variable.name}: {error}") from None


def launch(replica: Replica) -> bool:
    """Create and start the container of this attempt; repeating finds the same one."""
    if S(replica.state) is not S.STARTING:
        was_assigned = replica.state == S.ASSIGNED
        with transaction.atomic():
            if not services.move(replica, S.STARTING):
                return False
            _tell_image(replica, was_assigned=was_assigned)
            text = f"{_image_word(replica)}, port {_port(replica)}"
            services.tell_once(replica, Reason.CREATING, text)
    engine = get_engine()
    secrets.remember(replica)
    made = engine.create(wanted(replica))
    if replica.container_id != made.id and not services.note(
        replica, container_id=made.id
    ):
        engine.remove(made.id)  # the replica moved on while we created this
        return True
    if not made.running:
        # Its network is there by now, so the rules around it can be as well.
        KEEPER.before_start()
    seen = made if made.running else engine.start(made.id)
    return adopt(replica, seen)


def adopt(replica: Replica, seen: Observed | None) -> bool:
    """Write that the container runs, and let the runner follow and probe it."""
    if seen is None:
        return False
    started = seen.started_at or timezone.now()
    spec = replica.container
    probing = Reason.PROBING_HEALTH if spec.health_path else Reason.PROBING_PORT
    # One transaction: a worker that dies leaves the row and its story alike.
    with transaction.atomic():
        # What answered before it was restarted is another process's answer.
        if not services.note(
            replica,
            container_id=seen.id,
            address=seen.address,
            started_at=started,
            answered_at=None,
        ):
            return False
        services.tell_once(
            replica, Reason.STARTED, f"{_image_word(replica)}, port {spec.port}"
        )
        if spec.volume:
            text = f"{spec.volume.name} at {spec.volume.mount}"
            services.tell_once(replica, Reason.VOLUME, text)
        services.tell_once(replica, probing, port=spec.port, path=spec.health_path)
        doorbell.ring()
    return True


def _tell_image(replica: Replica, *, was_assigned: bool) -> None:
    if was_assigned and replica.attempt == 1:
        services.tell_once(
            replica, Reason.PRESENT, "Nothing to pull.", node=replica.node_id or ""
        )


def open_route(replica: Replica) -> None:
    """Lead the endpoint's host here as well. Raises IngressUnreachable."""
    endpoint = replica.endpoint
    get_ingress().apply(lambda: routing.route_now(endpoint, opening=replica))


def tell_answered(replica: Replica, tries: int) -> None:
    spec = replica.container
    reason = Reason.HEALTH_PASSED if spec.health_path else Reason.PORT_ANSWERED
    text = f"{tries} {'try' if tries == 1 else 'tries'}" if tries else ""
    services.tell_once(replica, reason, text, port=spec.port, path=spec.health_path)


def what(replica: Replica) -> str:
    """ "Port 3000" or "/healthz": what is asked whether it answers."""
    spec = replica.container
    return spec.health_path or f"Port {spec.port}"


def _port(replica: Replica) -> int:
    return replica.container.port


def _image_word(replica: Replica) -> str:
    return replica.container.image.rsplit("/", 1)[-1]
