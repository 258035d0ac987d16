"""People. A custom user from the first migration, so that it can grow."""

from django.contrib.auth.models import AbstractUser


class User(AbstractUser):
    """Someone who signs in to the console."""
