"""Build contexts and the tags that follow from them."""

import io
import os
import tarfile

import pytest

from replicas.engine import contexts
from replicas.engine.base import BuildFailed


@pytest.fixture
def folder(settings, tmp_path):
    settings.BASE_DIR = tmp_path
    made = tmp_path / "templates_app" / "catalogue" / "builds" / "echo"
    made.mkdir(parents=True)
    (made / "Dockerfile").write_text("FROM scratch\nCOPY app.py /\n")
    (made / "app.py").write_text("print()\n")
    return made


def packed(build):
    with tarfile.open(fileobj=io.BytesIO(contexts.pack(build))) as tar:
        return tar.getnames()


def test_the_tag_carries_the_digest(folder):
    tag = contexts.resolve("alight/echo", "echo")
    assert tag == f"alight/echo:{contexts.build_digest('echo')[:12]}"
    assert contexts.resolve(tag, "echo") == tag


def test_pulled_images_keep_their_name():
    assert contexts.resolve("redis:7", "") == "redis:7"


def test_any_changed_file_changes_the_tag(folder):
    tags = [contexts.resolve("alight/echo", "echo")]
    (folder / "app.py").write_text("print(1)\n")
    tags.append(contexts.resolve("alight/echo", "echo"))
    (folder / "app.py").chmod(0o755)
    tags.append(contexts.resolve("alight/echo", "echo"))
    (folder / "more.txt").write_text("")
    tags.append(contexts.resolve("alight/echo", "echo"))
    assert len(set(tags)) == 4


def test_a_touched_file_changes_nothing(folder):
    before, tar = contexts.build_digest("echo"), contexts.pack("echo")
    os.utime(folder / "app.py", (1, 1))
    assert (contexts.build_digest("echo"), contexts.pack("echo")) == (before, tar)


def test_ignored_files_neither_travel_nor_count(folder):
    (folder / ".dockerignore").write_text("# not needed\ntrain.log\n*.png\n")
    before = contexts.build_digest("echo")
    (folder / "train.log").write_text("long")
    (folder / "shot.png").write_text("big")
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__" / "app.pyc").write_text("")
    assert contexts.build_digest("echo") == before
    assert packed("echo") == [".dockerignore", "Dockerfile", "app.py"]


@pytest.mark.parametrize("name", ["missing", "../builds/echo", "", "/etc", "Echo"])
def test_only_folders_of_the_catalogue_can_be_built(folder, name):
    with pytest.raises(BuildFailed, match="no build context"):
        contexts.build_digest(name)
