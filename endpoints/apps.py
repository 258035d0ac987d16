from django.apps import AppConfig


class EndpointsConfig(AppConfig):
    name = "endpoints"

    def ready(self) -> None:
        # Models can be imported only once the apps are loaded.
        from django.contrib.auth import get_user_model  # noqa: PLC0415
        from django.db.models.signals import post_save  # noqa: PLC0415

        from endpoints import passes  # noqa: PLC0415

        post_save.connect(
            passes.person_changed,
            sender=get_user_model(),
            dispatch_uid="endpoints.passes",
        )
