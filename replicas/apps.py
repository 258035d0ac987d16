from typing import Any

from django.apps import AppConfig


class ReplicasConfig(AppConfig):
    name = "replicas"

    def ready(self) -> None:
        # Models and tasks can be imported only once the apps are loaded.
        from django.db import transaction  # noqa: PLC0415
        from django.db.models.signals import post_delete  # noqa: PLC0415

        from endpoints.models import Endpoint  # noqa: PLC0415
        from endpoints.signals import (  # noqa: PLC0415
            async_changed,
            resealing,
            spec_changed,
        )
        from replicas.logs import store  # noqa: PLC0415
        from replicas.logs.secrets import reseal  # noqa: PLC0415
        from replicas.tasks import deliver, reconcile  # noqa: PLC0415

        def look(endpoint_id: int, **_: Any) -> None:
            # A broker that is away costs one sweep interval; people do not wait.
            reconcile.apply_async((endpoint_id,), retry=False)

        def send(endpoint_id: int, **_: Any) -> None:
            # Without the broker the runner finds it at its next look.
            deliver.apply_async((endpoint_id,), retry=False)

        def forget(instance: Endpoint, **_: Any) -> None:
            # Also one that goes with its owner.
            endpoint_id = instance.pk
            transaction.on_commit(lambda: store.forget(endpoint_id), robust=True)

        post_delete.connect(
            forget, Endpoint, weak=False, dispatch_uid="replicas.logs.forget"
        )
        async_changed.connect(send, weak=False, dispatch_uid="replicas.deliver")
        spec_changed.connect(look, weak=False, dispatch_uid="replicas.reconcile")
        resealing.connect(reseal, weak=False, dispatch_uid="replicas.logs")
