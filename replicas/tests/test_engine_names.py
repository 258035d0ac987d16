"""Names and labels in the engine, and references to images."""

import doctest

import pytest

from replicas.engine import gpus, names, registry, translate


def test_a_name_tells_whose_it_is():
    assert names.container_name("ab12", "whisper", 7, 3) == "alight-ab12-whisper-7-3"
    assert names.network_name("ab12") == "alight-ab12"


def test_letters_that_the_engine_refuses_are_replaced():
    assert names.network_name("my lab/1") == "alight-my-lab-1"


def test_the_interface_name_fits_the_kernel():
    assert len(names.bridge_name("an installation with a long name")) <= 15
    assert names.bridge_name("one") != names.bridge_name("two")


def test_labels_hold_only_text():
    labels = names.container_labels("ab12", "whisper", 7, 3)
    assert labels == {
        "alight.installation": "ab12",
        "alight.endpoint": "whisper",
        "alight.replica": "7",
        "alight.attempt": "3",
    }


@pytest.mark.parametrize(
    ("reference", "name", "tag"),
    [
        ("redis", "redis", "latest"),
        ("redis:7", "redis", "7"),
        ("lab:5000/redis", "lab:5000/redis", "latest"),
        ("lab:5000/redis:7", "lab:5000/redis", "7"),
        ("redis@sha256:ab", "redis", "sha256:ab"),
        ("lab:5000/redis:7@sha256:ab", "lab:5000/redis", "sha256:ab"),
    ],
)
def test_a_reference_has_a_name_and_a_tag(reference, name, tag):
    assert names.split_tag(reference) == (name, tag)


@pytest.mark.parametrize("module", [names, gpus, registry, translate])
def test_examples_in_docstrings_are_true(module):
    assert doctest.testmod(module).failed == 0
