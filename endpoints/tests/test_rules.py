"""What may be typed, and the sentence for what may not."""

import pytest

from endpoints import rules

NAME_WORDS = 'Use only lowercase letters, digits and hyphens, such as "whisper-large".'
IMAGE_WORDS = "That is not an image name. Write it like registry.lab.example/app:1.0."
ENV_WORDS = (
    'Use letters, digits and underscores, and start with a letter, such as "HF_TOKEN".'
)
MOUNT_WORDS = 'Enter an absolute path inside the container, such as "/data".'
SPACE_WORDS = "Leave spaces and line breaks out of the path."
VOLUME_WORDS = (
    "Use up to 40 lowercase letters, digits, hyphens, dots and underscores, "
    'such as "checkpoints".'
)
DIGEST = "sha256:" + "0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("a", ""),
        ("whisper-large-v3", ""),
        ("a--b", ""),
        ("x" * 40, ""),
        ("", "Give the endpoint a name. It becomes part of its URL."),
        ("Whisper", 'Use lowercase letters: "whisper".'),
        ("9Lives", NAME_WORDS),
        ("Ünï", NAME_WORDS),
        ("a b", NAME_WORDS),
        ("a_b", NAME_WORDS),
        ("a.b", NAME_WORDS),
        ("whisper\n", NAME_WORDS),
        ("é", NAME_WORDS),
        ("٣", NAME_WORDS),
        ("9lives", "Start with a letter."),
        ("-a", "Start with a letter."),
        ("xn--a", "Use one hyphen only after the first two letters."),
        ("a-", "End with a letter or digit."),
        ("x" * 52, "Keep it to 40 characters. This is 52."),
        ("admin", 'The console keeps "admin" for itself. Choose another name.'),
    ],
)
def test_name(name, sentence):
    assert rules.name_problem(name) == sentence


@pytest.mark.parametrize(
    ("name", "others", "free"),
    [
        ("chat", {"chat"}, "chat-2"),
        ("chat", {"chat", "chat-2", "chat-3"}, "chat-4"),
        ("chat-2", {"chat-2"}, "chat-2-2"),
        ("x" * 40, {"x" * 40}, "x" * 37 + "-2"),
        ("x" * 36 + "-abc", set(), "x" * 36 + "-2"),
    ],
)
def test_a_free_name_is_suggested(name, others, free):
    assert rules.taken(name, frozenset(others)) == f'"{name}" is taken. Try "{free}".'
    assert rules.name_problem(free) == ""


@pytest.mark.parametrize(
    ("least", "most", "sentence"),
    [
        (0, 1, ""),
        (1, 1, ""),
        (8, 8, ""),
        (-1, 1, "Keep at least 0 replicas."),
        (0, 0, "Allow at least 1 replica."),
        (1, 0, "Allow at least 1 replica."),
        (0, 9, "Keep the maximum to 8 replicas."),
        (
            3,
            1,
            "Minimum is above maximum. "
            "Raise the maximum to 3 or lower the minimum to 1.",
        ),
    ],
)
def test_scale(least, most, sentence):
    assert rules.scale_problem(least, most) == sentence


@pytest.mark.parametrize(
    ("port", "fine"),
    [(1, True), (65535, True), (0, False), (-1, False), (65536, False), (None, False)],
)
def test_port(port, fine):
    assert rules.port_problem(port) == ("" if fine else "Enter a port from 1 to 65535.")


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("", ""),
        ("/", ""),
        ("/healthz?full=1", ""),
        ("healthz", 'Start the path with a slash: "/healthz".'),
        ("http://x/up", 'Start the path with a slash: "/http://x/up".'),
        ("/a b", SPACE_WORDS),
        ("/a\r\nHost: evil", SPACE_WORDS),
        ("/a\x7f", SPACE_WORDS),
        ("/\ud800", SPACE_WORDS),
        ("/" + "x" * 500, "Keep it to 500 characters. This is 501."),
    ],
)
def test_path(path, sentence):
    assert rules.path_problem(path) == sentence


@pytest.mark.parametrize(
    ("image", "sentence"),
    [
        ("app", ""),
        ("lab/app:1.0", ""),
        ("registry.lab.example/app:1.0", ""),
        ("localhost:5000/a/b/c:latest", ""),
        (f"app@{DIGEST}", ""),
        (f"app:1@{DIGEST}", ""),
        ("a__b/c--d", ""),
        ("", "Enter the image to run, such as registry.lab.example/app:1.0."),
        ("App", IMAGE_WORDS),
        ("app:", IMAGE_WORDS),
        ("app:1\n", IMAGE_WORDS),
        ("app@sha256:abc", IMAGE_WORDS),
        ("https://lab/app", IMAGE_WORDS),
        ("app;rm -rf /", IMAGE_WORDS),
        ("-app", IMAGE_WORDS),
        ("a" * 256, IMAGE_WORDS),
        ("a-" * 200_000, IMAGE_WORDS),
    ],
)
def test_image(image, sentence):
    assert rules.image_problem(image) == sentence


@pytest.mark.parametrize("name", ["A", "_", "HF_TOKEN", "a1"])
def test_a_variable(name):
    assert rules.env_problem(name) == ""


@pytest.mark.parametrize("name", ["", "1A", "A-B", "A B", "A=B", "A\n", "Ä", "A\x00"])
def test_no_variable(name):
    assert rules.env_problem(name) == ENV_WORDS


@pytest.mark.parametrize(
    ("mount", "sentence"),
    [
        ("/data", ""),
        ("/a/b..c", ""),
        ("", MOUNT_WORDS),
        ("/", MOUNT_WORDS),
        ("data", MOUNT_WORDS),
        ("/a/../etc", MOUNT_WORDS),
        ("/a:ro", MOUNT_WORDS),
        ("/a b", MOUNT_WORDS),
        ("/a\n", MOUNT_WORDS),
        ("/" + "x" * 500, "Keep it to 500 characters. This is 501."),
    ],
)
def test_mount(mount, sentence):
    assert rules.mount_problem(mount) == sentence


@pytest.mark.parametrize(
    ("volume", "sentence"),
    [
        ("checkpoints", ""),
        ("a.b_c-1", ""),
        ("x" * 40, ""),
        ("", VOLUME_WORDS),
        ("-a", VOLUME_WORDS),
        ("A", VOLUME_WORDS),
        ("a/b", VOLUME_WORDS),
        ("a\n", VOLUME_WORDS),
        ("x" * 41, VOLUME_WORDS),
    ],
)
def test_volume(volume, sentence):
    assert rules.volume_problem(volume) == sentence


@pytest.mark.parametrize(
    ("rule", "below", "least", "most", "sentence"),
    [
        (rules.idle_problem, -1, 0, 86_400, "Enter 0 to 86,400 seconds."),
        (rules.start_problem, 9, 10, 86_400, "Enter 10 to 86,400 seconds."),
        (rules.concurrency_problem, 0, 1, 500, "Enter 1 to 500 requests."),
    ],
)
def test_ranges(rule, below, least, most, sentence):
    assert rule(below) == rule(most + 1) == sentence
    assert rule(least) == rule(most) == ""


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", ""),
        ("Speech\nto text, 日本 😀", ""),
        ("x" * 11, "Keep it to 10 characters. This is 11."),
        ("a\x00b", "Leave out the characters that are not text."),
        ("\udfff", "Leave out the characters that are not text."),
    ],
)
def test_text(text, sentence):
    assert rules.text_problem(text, 10 if "xx" in text else 2000) == sentence
