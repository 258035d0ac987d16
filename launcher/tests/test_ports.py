"""The port is checked before anything else is done."""

import os
import socket
from pathlib import Path

import pytest

from launcher.errors import LaunchError
from launcher.ports import holder, listeners, usable
from tests.ports import free_port


@pytest.fixture
def taken():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def test_a_free_port_can_be_had_on_both_loopbacks():
    assert "127.0.0.1" in usable(("127.0.0.1", "::1"), free_port())


def test_a_taken_port_names_who_has_it(taken):
    with pytest.raises(LaunchError) as caught:
        usable(("127.0.0.1",), taken)
    assert f"Port {taken} on 127.0.0.1 is taken" in caught.value.what
    assert f"(pid {os.getpid()})" in caught.value.what
    assert "ALIGHT_PORT=" in caught.value.todo


def test_a_file_that_is_shut_meanwhile_hides_nobody(taken, monkeypatch):
    with Path(os.devnull).open() as shut:
        gone = shut.fileno()
    known = Path.iterdir

    def with_it(folder):
        found = list(known(folder))
        return [folder / str(gone), *found] if folder.name == "fd" else found

    monkeypatch.setattr(Path, "iterdir", with_it)
    assert holder(taken).endswith(f"(pid {os.getpid()})")


def test_an_address_this_machine_lacks_is_left_out():
    assert usable(("127.0.0.1", "192.0.2.1"), free_port()) == ("127.0.0.1",)


def test_only_addresses_it_lacks_is_an_error():
    with pytest.raises(LaunchError, match=r"192\.0\.2\.1"):
        usable(("192.0.2.1",), free_port())


def test_listeners_are_read_from_the_kernel_s_table():
    table = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt uid t inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 4711 1
   1: 0100007F:1F90 0100007F:D431 01 00000000:00000000 00:00000000 00000000 0 0 4712 1
   2: 0100007F:1F91 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 4713 1
"""
    assert listeners(table, 8080) == {"4711"}
