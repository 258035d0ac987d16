"""Every failure has a name and, where there is one, a button that helps."""

import pytest

from replicas.page.remedies import LABELS, Case, label, larger_than, remedy
from replicas.tests.page_facts import MEDIUM, endpoint
from templates_app.models import Tier

LARGE = Tier(
    slug="large", name="Large", gpu_model="A100", gpus=1, gpu_memory_gb=80,
    cores=16, memory_mb=122880, position=3,
)  # fmt: skip
TWO = Tier(
    slug="two", name="Two", gpu_model="A10", gpus=2, gpu_memory_gb=24,
    cores=16, memory_mb=61440, position=4,
)  # fmt: skip
CPU = Tier(slug="cpu", name="CPU", cores=2, memory_mb=4096)


def act(trouble, **facts):
    return remedy(Case(trouble, **facts), endpoint())


@pytest.mark.parametrize("trouble", sorted(LABELS))
def test_a_name_fits_under_a_bubble(trouble):
    assert 1 <= len(label(trouble)) <= 20


def test_an_exit_code_is_its_own_name():
    assert label("Exited", 3) == "Exit code 3"
    assert label("Unheard", 3) == ""


@pytest.mark.parametrize(
    ("trouble", "words", "where"),
    [
        ("ImageNotFound", "Change the image", "/endpoints/drawing/edit/#image"),
        ("RegistryRefused", "Change the sign-in", "/endpoints/drawing/edit/#image"),
        ("NoSuchCommand", "Change the command", "/endpoints/drawing/edit/#command"),
        ("Ended", "Change the command", "/endpoints/drawing/edit/#command"),
        ("StartTimedOut", "Allow more time", "/endpoints/drawing/edit/#startup"),
        (
            "HealthCheckFailed",
            "Change the health check",
            "/endpoints/drawing/edit/#health",
        ),
        ("GpuUnavailable", "Choose other hardware", "/endpoints/drawing/edit/#g-hw"),
        ("SecretLost", "Open Secrets", "/secrets/"),
    ],
)
def test_a_link_leads_to_what_mends_it(trouble, words, where):
    found = act(trouble)
    assert (found.how, found.label, found.to) == ("link", words, where)


def test_too_little_memory_moves_to_a_larger_tier():
    found = act("OutOfMemory", larger=LARGE)
    assert (found.how, found.label) == ("post", "Move to Large (120 GB)")
    assert (found.to, found.name, found.value) == (
        "/endpoints/drawing/tier/",
        "tier",
        "large",
    )
    assert act("OutOfMemory") is None


def test_another_port_is_one_click_whatever_it_is_called():
    found = act("StartTimedOut", ports=(7860, 7861))
    assert (found.label, found.to, found.value) == (
        "Use port 7860",
        "/endpoints/drawing/port/",
        "7860",
    )


@pytest.mark.parametrize("trouble", ["RegistryUnreachable", "DiskFull", "Exited", ""])
def test_some_only_need_another_try(trouble):
    assert act(trouble) is None


@pytest.mark.parametrize(
    ("others", "expected"),
    [
        ([CPU, MEDIUM, LARGE, TWO], LARGE),
        ([CPU, MEDIUM, TWO], TWO),
        ([CPU, MEDIUM], None),
    ],
)
def test_the_next_tier_has_more_memory_and_as_good_a_gpu(others, expected):
    assert larger_than(MEDIUM, others) == expected
