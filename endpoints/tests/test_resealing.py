"""A new key: what is sealed follows, nothing that runs is disturbed."""

import io
import os
import stat
import threading

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from endpoints import resealing, sealing, services, vault
from endpoints.models import Endpoint, RegistryCredential, Revision, Secret
from endpoints.sealing import seal, unseal
from endpoints.tests.factories import (
    EndpointFactory,
    TemplateFactory,
    UserFactory,
    secret_var,
    spec,
)
from templates_app.models import Template
from templates_app.spec import EnvVar

pytestmark = pytest.mark.django_db
CANARY = "canary-of-the-account"


@pytest.fixture
def files(settings, tmp_path):
    """The keys are in files, as `make up` has them."""
    settings.ALIGHT_KEY_FILE = tmp_path / "secret_key"
    settings.ALIGHT_OLD_KEYS_FILE = tmp_path / "old_secret_keys"
    settings.ALIGHT_KEY_FILE.write_text("first key\n")
    return settings


@pytest.fixture
def sealed(files):
    """One of everything that is sealed: functions that read it."""
    alice = UserFactory(username="alice")
    endpoint = EndpointFactory(
        owner=alice,
        spec=spec(
            env=(EnvVar("A", "1"), secret_var("B", CANARY)), secrets=("HF",)
        ).to_json(),
    )
    Secret.objects.create(owner=alice, key="HF", sealed=seal(CANARY))
    RegistryCredential.objects.create(
        owner=alice, key="hub", registry="r", username="u", sealed=seal(CANARY)
    )
    # One variable is asked for and has no value yet.
    env = (secret_var("B", CANARY), EnvVar("C", "", secret=True, needed=True))
    template = TemplateFactory(owner=alice, spec=spec(env=env).to_json())
    return [
        lambda: Secret.objects.get().sealed,
        lambda: RegistryCredential.objects.get().sealed,
        lambda: Endpoint.objects.get(pk=endpoint.pk).container.env[1].value,
        lambda: Revision.objects.get(endpoint=endpoint).container.env[1].value,
        lambda: Template.objects.get(pk=template.pk).container.env[0].value,
    ]


def rotate(*options):
    out, err = io.StringIO(), io.StringIO()
    call_command("rotate_secrets", *options, stdout=out, stderr=err)
    return out.getvalue() + err.getvalue()


def test_a_new_key_seals_everything_and_the_old_one_goes(files, sealed):
    before = [read() for read in sealed]
    assert "Sealed anew: 5." in rotate("--new-key")
    assert not set(before) & {read() for read in sealed}
    # Also by a console that runs on: it looks the files up.
    assert [unseal(read()) for read in sealed] == [CANARY] * 5
    assert [unseal(text) for text in before] == [CANARY] * 5

    assert "With the newest key already: 5." in rotate("--drop-old")
    assert not files.ALIGHT_OLD_KEYS_FILE.exists()
    assert [unseal(read()) for read in sealed] == [CANARY] * 5
    with pytest.raises(sealing.SealBroken):
        unseal(before[0])


def test_keys_are_for_their_owner_alone(files, sealed):
    rotate("--new-key")
    for path in (files.ALIGHT_KEY_FILE, files.ALIGHT_OLD_KEYS_FILE):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert files.ALIGHT_OLD_KEYS_FILE.read_text() == "first key\n"
    assert len(files.ALIGHT_KEY_FILE.read_text().strip()) == 64


def test_nothing_counts_as_changed(files, sealed):
    endpoint = Endpoint.objects.get()
    as_read = endpoint.container.to_json()
    when = Secret.objects.get().updated_at
    rotate("--new-key")
    assert Secret.objects.get().updated_at == when
    # A form that was open meanwhile brings the value as it was sealed before.
    row = services.change(endpoint, "alice", spec=as_read)
    assert (row.revision, Revision.objects.count()) == (1, 1)
    changed = spec(env=(EnvVar("A", "1"), secret_var("B", "another")), secrets=("HF",))
    assert services.change(row, "alice", spec=changed.to_json()).revision == 2


def test_it_may_be_broken_off_anywhere(files, sealed, monkeypatch):
    """After each number of values, with everything readable at every point."""
    real, left = sealing.resealed, 0

    def some(text):
        nonlocal left
        left -= 1
        if left < 0:
            raise KeyboardInterrupt
        return real(text)

    monkeypatch.setattr(sealing, "resealed", some)
    for count in range(5):
        left = count
        resealing.new_key()
        with pytest.raises(KeyboardInterrupt):
            resealing.reseal_all()
        assert [unseal(read()) for read in sealed] == [CANARY] * 5
    monkeypatch.setattr(sealing, "resealed", real)
    rotate("--drop-old")
    assert len(sealing.keys()) == 1
    assert [unseal(read()) for read in sealed] == [CANARY] * 5


def test_it_may_be_broken_off_between_the_two_files(files, sealed, monkeypatch):
    write = resealing._write

    def only_the_first(path, keys):
        if path == files.ALIGHT_KEY_FILE:
            raise KeyboardInterrupt
        write(path, keys)

    monkeypatch.setattr(resealing, "_write", only_the_first)
    with pytest.raises(KeyboardInterrupt):
        resealing.new_key()
    assert [unseal(read()) for read in sealed] == [CANARY] * 5
    monkeypatch.setattr(resealing, "_write", write)
    rotate("--new-key")
    rotate("--drop-old")
    assert [unseal(read()) for read in sealed] == [CANARY] * 5


def test_a_value_no_key_opens_is_named_and_left(files, sealed):
    Secret.objects.update(sealed="spoiled")
    said = rotate("--new-key")
    assert "No key opens HF of alice. Type it again." in said
    assert "Sealed anew: 4." in said
    assert Secret.objects.get().sealed == "spoiled"


@pytest.mark.django_db(transaction=True)
def test_a_change_meanwhile_is_kept(files, sealed, monkeypatch):
    """Somebody types a new value between its being read and written."""
    real, typing = resealing.Tally.reseal, []

    def typed():
        vault.change_secret(Secret.objects.get(), "typed meanwhile")
        connection.close()

    def slow(self, text, what):
        if not typing:
            typing.append(threading.Thread(target=typed))
            typing[0].start()
        return real(self, text, what)

    resealing.new_key()
    monkeypatch.setattr(resealing.Tally, "reseal", slow)
    resealing.reseal_all()
    typing[0].join()
    assert unseal(Secret.objects.get().sealed) == "typed meanwhile"


def test_keys_in_variables_are_changed_by_their_owner(settings, sealed):
    settings.ALIGHT_KEY_FILE = settings.ALIGHT_OLD_KEYS_FILE = None
    with pytest.raises(CommandError, match="ALIGHT_OLD_SECRET_KEYS"):
        rotate("--new-key")
    # As after a start with both: what the file's key sealed is the old one's.
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "new", ["first key"]
    assert "Sealed anew: 5." in rotate()
    assert "Sealed anew: 0." in rotate()
    settings.SECRET_KEY_FALLBACKS = []
    assert [unseal(read()) for read in sealed] == [CANARY] * 5


def test_a_folder_that_cannot_be_written_changes_nothing(files, sealed, monkeypatch):
    def full(*_):
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(resealing.os, "fsync", full)
    with pytest.raises(CommandError, match="cannot be written"):
        rotate("--new-key")
    assert files.ALIGHT_KEY_FILE.read_text() == "first key\n"
    assert [unseal(read()) for read in sealed] == [CANARY] * 5
