"""Where a container listens instead, in a sentence and as numbers."""

import pytest

from replicas.ports import Heard, words

NOTHING = "Nothing listens on 3000."


@pytest.mark.parametrize(
    ("listening", "inside", "declared", "heard"),
    [
        ([3000, 7860], [], [], Heard()),
        (
            [7860],
            [],
            [],
            Heard(f"{NOTHING} The container listens on 7860.", (7860,)),
        ),
        (
            [7860, 9090],
            [],
            [80],
            Heard(f"{NOTHING} The container listens on 7860 and 9090.", (7860, 9090)),
        ),
        ([], [], [80], Heard(f"{NOTHING} The image says it uses 80.", (80,))),
        ([], [], [3000], Heard(NOTHING)),
        ([], [], [], Heard(NOTHING)),
        (
            [],
            [3000],
            [],
            Heard(
                "It listens on 127.0.0.1:3000, where nobody outside the container can "
                "reach it. Make it listen on 0.0.0.0."
            ),
        ),
        (
            [],
            [7860],
            [],
            Heard(
                f"{NOTHING} The container listens on 127.0.0.1:7860, where nobody "
                "outside it can reach it. Make it listen on 0.0.0.0."
            ),
        ),
    ],
)
def test_it_says_where(listening, inside, declared, heard):
    assert words(3000, listening, inside, declared) == heard
