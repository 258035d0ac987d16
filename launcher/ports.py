"""Is the port free, and who has it if not."""

import errno
import socket
from pathlib import Path

from launcher.errors import LaunchError


def usable(addresses: tuple[str, ...], port: int) -> tuple[str, ...]:
    """The addresses on which the port can be had.

    Leaves out an address this machine does not have (::1 without IPv6). Raises
    LaunchError when the port is taken or may not be used.
    """
    found = tuple(address for address in addresses if _try(address, port))
    if not found:
        raise LaunchError(
            f"This machine has none of these addresses: {', '.join(addresses)}.",
            "Set ALIGHT_BIND to addresses it has, separated by commas.",
        )
    return found


def _try(address: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            probe.bind((address, port))
            # Another listener may share the address until this is tried.
            probe.listen(1)
    except OSError as error:
        if error.errno in {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}:
            return False
        raise _refused(address, port, error) from error
    return True


def _refused(address: str, port: int, error: OSError) -> LaunchError:
    if error.errno == errno.EADDRINUSE:
        who = holder(port)
        by = f" by {who}" if who else ""
        return LaunchError(
            f"Port {port} on {address} is taken{by}.",
            "Stop that program, or choose another port, such as: "
            f"make up ALIGHT_PORT={port + 10 if port < 65000 else 8090}",
        )
    if error.errno == errno.EACCES:
        return LaunchError(
            f"Port {port} may not be used by this user.",
            "Ports below 1024 need root. Use a higher one, such as: "
            "make up ALIGHT_PORT=8080",
        )
    return LaunchError(
        f"{address} port {port} cannot be listened on: {error.strerror}.",
        "Set ALIGHT_BIND to addresses of this machine, separated by commas.",
    )


def holder(port: int) -> str:
    """ "name (pid 12)" of who listens on the port; "" when it cannot be seen."""
    inodes = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            text = Path(table).read_text()
        except OSError:
            continue
        inodes |= listeners(text, port)
    for pid in (entry.name for entry in Path("/proc").iterdir()):
        if pid.isdigit() and _holds(int(pid), inodes):
            name = Path(f"/proc/{pid}/comm").read_text().strip()
            return f"{name} (pid {pid})"
    return ""


def listeners(table: str, port: int) -> set[str]:
    """Socket inodes of those who listen on `port` in a /proc/net/tcp table."""
    found = set()
    for line in table.splitlines()[1:]:
        fields = line.split()
        local, state, inode = fields[1], fields[3], fields[9]
        if state == "0A" and int(local.rpartition(":")[2], 16) == port:
            found.add(inode)
    return found


def _holds(pid: int, inodes: set[str]) -> bool:
    wanted = {f"socket:[{inode}]" for inode in inodes}
    try:
        handles = list(Path(f"/proc/{pid}/fd").iterdir())
    except OSError:
        return False
    return any(_target(handle) in wanted for handle in handles)


def _target(handle: Path) -> str:
    """ "" for one that was shut meanwhile."""
    try:
        return str(handle.readlink())
    except OSError:
        return ""
