"""Hardware tiers are data: an administrator adds the ones that fit the machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest

from templates_app.models import Tier

if TYPE_CHECKING:
    _Form = forms.ModelForm[Tier]
    _Admin = admin.ModelAdmin[Tier]
else:
    _Form = forms.ModelForm
    _Admin = admin.ModelAdmin

# What the engine needs for any container, MiB, and the most of one kind in a machine.
LEAST_MEMORY, MOST_GPUS = 16, 16


class TierForm(_Form):
    class Meta:
        model = Tier
        fields = (
            "slug",
            "name",
            "gpu_model",
            "gpus",
            "gpu_memory_gb",
            "cores",
            "memory_mb",
            "shm_mb",
            "price",
            "position",
            "edited",
        )
        labels = {
            "gpu_model": "GPU model",
            "gpus": "GPUs",
            "gpu_memory_gb": "GPU memory",
            "cores": "Cores",
            "memory_mb": "Memory",
            "shm_mb": "Shared memory",
            "edited": "Keep these values",
        }
        help_texts = {
            "slug": "Its name in the API. It cannot be changed later.",
            "name": 'What people read, such as "Medium".',
            "gpu_model": "A word of the name that “manage.py gpus” shows, such as A10. "
            "Empty: without a GPU.",
            "gpus": "How many each replica gets, all of one machine.",
            "gpu_memory_gb": "GB of one GPU, to tell an A100 of 40 GB from one of 80. "
            "0: whatever it has.",
            "cores": "CPU cores of a replica, such as 0.5 or 8.",
            "memory_mb": "MiB of a replica; 1024 MiB are 1 GB.",
            "shm_mb": "MiB of /dev/shm, part of the memory; 0: the engine's own 64.",
            "price": "What an hour of one replica costs, in your money. Empty: nothing "
            "is said.",
            "position": "Its place among the tiers, smallest first.",
            "edited": "Without it, the next start takes the catalogue's values, where "
            "tiers.yaml has this tier.",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Who changes a tier means it to stay so.
        self.initial["edited"] = True

    def clean(self) -> dict[str, Any]:
        data = {**self.initial, **(super().clean() or {})}
        self._check_gpus(data)
        self._check_size(data)
        cleaned: dict[str, Any] = self.cleaned_data
        return cleaned

    def _check_gpus(self, data: dict[str, Any]) -> None:
        count, model = data.get("gpus") or 0, data.get("gpu_model")
        if count and not model:
            self._refuse(
                "gpu_model", "Name the GPU's model, such as A10, or enter 0 GPUs."
            )
        if model and not count:
            self._refuse(
                "gpus",
                f"Enter how many {model} each replica gets, or no model.",
            )
        if count > MOST_GPUS:
            self._refuse("gpus", f"Enter {MOST_GPUS} GPUs at most. This is {count}.")
        if data.get("gpu_memory_gb") and not count:
            self._refuse("gpu_memory_gb", "Enter 0: this tier has no GPU.")

    def _check_size(self, data: dict[str, Any]) -> None:
        cores, memory = data.get("cores"), data.get("memory_mb")
        if cores is not None and not 0.1 <= cores <= 1024:
            self._refuse("cores", "Enter 0.1 to 1024 cores.")
        if memory is None:
            return
        if memory < LEAST_MEMORY:
            self._refuse("memory_mb", f"Enter at least {LEAST_MEMORY} MiB of memory.")
        elif (data.get("shm_mb") or 0) > memory:
            self._refuse("shm_mb", f"Enter {memory} MiB at most, the tier's memory.")

    def clean_price(self) -> Any:
        price = self.cleaned_data["price"]
        if price is not None and price < 0:
            raise forms.ValidationError("Enter a price of 0 or more, or none.")
        return price

    def _refuse(self, field: str, problem: str) -> None:
        # A field that is shown, but not to be changed, has nowhere to put its error.
        self.add_error(field if field in self.fields else None, problem)


@admin.register(Tier)
class TierAdmin(_Admin):
    """Who uses a tier keeps its GPUs: for others, there is another tier."""

    form = TierForm
    list_display = ("name", "slug", "hardware", "cores", "memory_mb", "price")
    ordering = ("position", "slug")

    def get_readonly_fields(
        self, request: HttpRequest, obj: Tier | None = None
    ) -> tuple[str, ...]:
        return ("slug", "gpu_model", "gpus", "gpu_memory_gb") if obj else ()
