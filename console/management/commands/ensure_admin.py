"""The first user: admin, made once."""

import secrets
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from console.env import envfiled
from console.models import User

NAME = "admin"
CHANGE = ".venv/bin/python manage.py changepassword admin"


class Command(BaseCommand):
    help = "Make user admin when there is none, and say how to sign in."

    def handle(self, *args: Any, **options: Any) -> None:
        given = envfiled("ALIGHT_ADMIN_PASSWORD")
        user = User.objects.filter(username=NAME).first()
        if user is None:
            password = given or secrets.token_urlsafe(12)
            User.objects.create_superuser(username=NAME, email="", password=password)
            shown = "as in ALIGHT_ADMIN_PASSWORD" if given else password
            self.stdout.write(f"Sign in: {NAME}    Password: {shown}")
            if not given:
                self.stdout.write("The password is not shown again.")
        else:
            self.stdout.write(f"Sign in: {NAME}, with the password it has.")
            if given and not user.check_password(given):
                self.stdout.write("ALIGHT_ADMIN_PASSWORD was not applied to it.")
        self.stdout.write(f"Change the password: {command()}")


def command() -> str:
    """What to type; names the folder of state when it is not the usual one."""
    if settings.ALIGHT_KEPT_BY == "compose":
        return "docker compose exec web python manage.py changepassword admin"
    home: Path = settings.ALIGHT_HOME
    usual = home == settings.BASE_DIR / ".alight"
    return CHANGE if usual else f"ALIGHT_HOME={home} {CHANGE}"
