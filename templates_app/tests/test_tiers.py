"""Tiers as an administrator keeps them, and what loading the catalogue leaves alone."""

from decimal import Decimal

import pytest
from django.urls import reverse

from templates_app.catalogue.loading import load
from templates_app.models import Tier

pytestmark = pytest.mark.django_db

LIST = reverse("admin:templates_app_tier_changelist")
ADD = reverse("admin:templates_app_tier_add")
LARGE = {
    "slug": "l4x2",
    "name": "Two L4",
    "gpu_model": "L4",
    "gpus": 2,
    "gpu_memory_gb": 24,
    "cores": "16",
    "memory_mb": 65536,
    "shm_mb": 8192,
    "price": "1.15",
    "position": 9,
    "edited": "on",
}


@pytest.fixture
def admin(people, client):
    client.force_login(people("grace", is_staff=True, is_superuser=True))
    return client


def change(slug):
    return reverse("admin:templates_app_tier_change", args=[slug])


def problems(response):
    return response.context["adminform"].form.errors


def test_an_administrator_adds_a_tier(admin):
    assert admin.post(ADD, LARGE).status_code == 302
    tier = Tier.objects.get(pk="l4x2")
    assert tier.hardware == "2 × L4"
    assert tier.price == Decimal("1.15")
    assert tier.price_words == "1.15 an hour"
    assert b"2 \xc3\x97 L4" in admin.get(LIST).content


def test_nothing_is_said_of_a_price_that_is_not_set(admin):
    admin.post(ADD, LARGE | {"price": ""})
    assert Tier.objects.get(pk="l4x2").price_words == ""


@pytest.mark.parametrize(
    ("wrong", "field", "says"),
    [
        ({"gpu_model": ""}, "gpu_model", "Name the GPU's model, such as A10"),
        ({"gpus": 0}, "gpus", "Enter how many L4 each replica gets"),
        ({"gpus": 17}, "gpus", "Enter 16 GPUs at most. This is 17."),
        (
            {"gpus": 0, "gpu_model": ""},
            "gpu_memory_gb",
            "Enter 0: this tier has no GPU.",
        ),
        ({"cores": 0}, "cores", "Enter 0.1 to 1024 cores."),
        ({"memory_mb": 8}, "memory_mb", "Enter at least 16 MiB of memory."),
        ({"shm_mb": 65537}, "shm_mb", "Enter 65536 MiB at most, the tier's memory."),
        ({"price": "-1"}, "price", "Enter a price of 0 or more"),
    ],
)
def test_what_cannot_be_is_refused_and_says_what_to_do(admin, wrong, field, says):
    response = admin.post(ADD, LARGE | wrong)
    assert says in problems(response)[field][0]
    assert not Tier.objects.exists()


def test_the_gpus_of_a_tier_stay_as_they_are(admin):
    load()
    fields = {"name": "Middle", "cores": 4, "memory_mb": 1024, "shm_mb": 64}
    more = {"position": 3, "price": "0.6", "edited": "on", "gpus": 4, "gpu_model": "T4"}
    assert admin.post(change("medium"), fields | more).status_code == 302
    tier = Tier.objects.get(pk="medium")
    assert (tier.name, tier.gpu_model, tier.gpus) == ("Middle", "A10", 1)
    assert tier.price_words == "0.60 an hour"


def test_the_catalogue_leaves_an_administrators_tiers_alone(admin):
    load()
    admin.post(ADD, LARGE)
    page = admin.get(change("cpu"))
    assert page.context["adminform"].form.initial["edited"]
    small = {"name": "Tiny", "cores": 1, "memory_mb": 512, "shm_mb": 0, "position": 1}
    assert admin.post(change("cpu"), small | {"edited": "on"}).status_code == 302
    load()
    assert Tier.objects.get(pk="cpu").memory_mb == 512
    assert Tier.objects.get(pk="l4x2").price == Decimal("1.15")


def test_an_administrator_may_go_back_to_the_catalogue_and_the_price_stays(admin):
    load()
    small = {"name": "Tiny", "cores": 1, "memory_mb": 512, "shm_mb": 0, "position": 1}
    admin.post(change("cpu"), small | {"price": "0.1"})
    load()
    tier = Tier.objects.get(pk="cpu")
    assert (tier.name, tier.memory_mb) == ("CPU", 4096)
    assert tier.price == Decimal("0.1")


def test_only_administrators_find_them_in_the_account_menu(admin, alice, client):
    assert LIST in admin.get(reverse("replicas:list")).content.decode()
    client.force_login(alice)
    assert LIST not in client.get(reverse("replicas:list")).content.decode()
    assert client.get(LIST).status_code == 302
