"""The door to replicas: which host leads where, and who may pass."""

from functools import cache

from django.conf import settings
from django.utils.module_loading import import_string

from endpoints.ingress.base import Ingress


@cache
def get_ingress() -> Ingress:
    ingress: Ingress = import_string(settings.ALIGHT_INGRESS)()
    return ingress
