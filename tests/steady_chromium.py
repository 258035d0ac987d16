#!/usr/bin/env python3
"""Chromium that does not hear of network interfaces: a program of its own.

Each container that comes or goes is one, and each console of a test has a bridge. At
their addresses Chromium drops what it is loading ("ERR_NETWORK_CHANGED"), in other
lanes' tests, too. It hears of them by a netlink socket and has no switch against that,
so a filter of system calls refuses it such sockets. Then it takes itself for online.
"""

import ctypes
import errno
import os
import socket
import struct
import sys

PROGRAM = "/usr/bin/chromium"

# linux/prctl.h, linux/seccomp.h
NO_NEW_PRIVILEGES, SET_SECCOMP, FILTER = 38, 22, 2
ALLOW, REFUSE = 0x7FFF0000, 0x00050000
# linux/bpf_common.h: load a word, jump if equal, return.
LOAD, EQUAL, RETURN = 0x20, 0x15, 0x06
# struct seccomp_data: the call, the architecture, the first argument's lower half.
NUMBER_AT, MACHINE_AT, FAMILY_AT = 0, 4, 16
# What a machine calls itself: linux/audit.h's word for it, and its number of socket().
MACHINES = {"x86_64": (0xC000003E, 41), "aarch64": (0xC00000B7, 198)}


class Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("steps", ctypes.c_void_p))


def steps(machine: int, number: int) -> list[tuple[int, int, int, int]]:
    """Code, steps to skip if so and if not, operand."""
    return [
        (LOAD, 0, 0, MACHINE_AT),
        (EQUAL, 0, 5, machine),
        (LOAD, 0, 0, NUMBER_AT),
        (EQUAL, 0, 3, number),
        (LOAD, 0, 0, FAMILY_AT),
        (EQUAL, 0, 1, socket.AF_NETLINK),
        (RETURN, 0, 0, REFUSE | errno.EAFNOSUPPORT),
        (RETURN, 0, 0, ALLOW),
    ]


def refuse_netlink(machine: int, number: int) -> None:
    code = b"".join(struct.pack("HBBI", *step) for step in steps(machine, number))
    memory = ctypes.create_string_buffer(code, len(code))
    program = Program(len(code) // 8, ctypes.addressof(memory))
    libc = ctypes.CDLL(None, use_errno=True)
    for words in (
        (NO_NEW_PRIVILEGES, 1, 0, 0, 0),
        (SET_SECCOMP, FILTER, ctypes.byref(program), 0, 0),
    ):
        if libc.prctl(*words):
            raise OSError(ctypes.get_errno(), f"prctl {words[0]} was refused")


if __name__ == "__main__":
    if known := MACHINES.get(os.uname().machine):
        refuse_netlink(*known)
    os.execv(PROGRAM, [PROGRAM, *sys.argv[1:]])
