"""Secret values at rest."""

import pytest

from endpoints.sealing import SealBroken, seal, unseal


@pytest.mark.parametrize(
    "plain", ["", "hf_token", "line\nbreak", "日本 😀", "x" * 40_000]
)
def test_what_is_sealed_can_be_opened(plain):
    assert unseal(seal(plain)) == plain


def test_the_value_cannot_be_seen_nor_compared():
    first, second = seal("hunter2"), seal("hunter2")
    assert "hunter2" not in first
    assert first != second


@pytest.mark.parametrize("spoil", [lambda s: s[:-4] + "AAA=", lambda s: "", str.upper])
def test_what_was_changed_is_refused(spoil):
    with pytest.raises(SealBroken, match="ALIGHT_SECRET_KEY"):
        unseal(spoil(seal("hunter2")))


def test_another_key_does_not_open_it(settings):
    sealed = seal("hunter2")
    settings.SECRET_KEY = "another"
    with pytest.raises(SealBroken) as caught:
        unseal(sealed)
    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None
