from typing import Any

from django.apps import AppConfig


class ReplicasConfig(AppConfig):
    name = "replicas"

    def ready(self) -> None:
        # Models and tasks can be imported only once the apps are loaded.
        from endpoints.signals import (  # noqa: PLC0415
            async_changed,
            resealing,
            spec_changed,
        )
        from replicas.logs.secrets import reseal  # noqa: PLC0415
        from replicas.tasks import deliver, reconcile  # noqa: PLC0415

        def look(endpoint_id: int, **_: Any) -> None:
            # A broker that is away costs one sweep interval; people do not wait.
            reconcile.apply_async((endpoint_id,), retry=False)

        def send(endpoint_id: int, **_: Any) -> None:
            # Without the broker the runner finds it at its next look.
            deliver.apply_async((endpoint_id,), retry=False)

        async_changed.connect(send, weak=False, dispatch_uid="replicas.deliver")
        spec_changed.connect(look, weak=False, dispatch_uid="replicas.reconcile")
        resealing.connect(reseal, weak=False, dispatch_uid="replicas.logs")
