"""`manage.py gpus`: which GPUs there are, what told it, and who holds them."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from replicas.discovery import look_for_gpus
from replicas.engine import get_engine
from replicas.engine.base import EngineError
from replicas.models import Gpu


class Command(BaseCommand):
    help = "Look which GPUs replicas can have. Changes nothing."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            look = look_for_gpus(get_engine())
        except (EngineError, ValueError) as error:
            raise CommandError(str(error)) from None
        if look.gpus is None:
            raise CommandError(
                "GPUs cannot be told right now. What was known stays; see "
                "docs/hardware.md for what is asked."
            )
        known = Gpu.objects.select_related("replica__endpoint")
        rows = {gpu.uuid: gpu for gpu in known}
        self.stdout.write(f"{_count(len(look.gpus))}, told by {look.way}")
        for found in look.gpus:
            memory = f"{found.memory_gb} GB" if found.memory_gb else "memory unknown"
            holder = _holder(rows.pop(found.uuid, None))
            self.stdout.write(f"  {found.uuid}  {found.model}, {memory}  {holder}")
        for gone in rows.values():
            self.stdout.write(f"  {gone.uuid}  {gone.model}  gone; {_holder(gone)}")


def _count(number: int) -> str:
    return {0: "No GPU", 1: "1 GPU"}.get(number, f"{number} GPUs")


def _holder(gpu: Gpu | None) -> str:
    if gpu is None:
        return "new: the worker takes it in at its next look"
    if gpu.replica is None:
        return "free"
    return f"{gpu.replica.endpoint.name}, replica {gpu.replica.number}"
