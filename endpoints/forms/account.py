"""What an account has that its endpoints can use: secrets, sign-ins, volumes."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from endpoints import volumes
from endpoints.models import RegistryCredential, Secret, Volume

# What a volume is called when nothing suggests a better name.
PLAIN_VOLUME = "files"
NEW_VOLUME = "New volume."


@dataclass(frozen=True)
class KnownVolume:
    """A volume that is there. `users` are the names of endpoints that mount it.

    size: bytes, None while nobody measured.
    """

    name: str
    size: int | None = None
    users: tuple[str, ...] = ()

    def words(self, endpoint: str = "") -> str:
        """What choosing it means for `endpoint`, which may not have a name yet."""
        facts = [] if self.size is None else [size_words(self.size)]
        others = [name for name in self.users if name != endpoint]
        if endpoint in self.users:
            facts += [f"also used by {_listed(others)}"] if others else []
            return f"{', '.join(['This endpoint’s files', *facts])}."
        facts.append(f"used by {_listed(others)}" if others else "not in use")
        there = ", ".join(["Already there", *facts])
        return f"{there}. Its files appear in this endpoint."


@dataclass(frozen=True)
class Account:
    """What the owner of an endpoint has; `secrets` and `sign_ins` by key."""

    secrets: tuple[str, ...] = ()
    sign_ins: tuple[RegistryCredential, ...] = ()
    volumes: tuple[KnownVolume, ...] = ()

    def volume(self, name: str) -> KnownVolume | None:
        return next((v for v in self.volumes if v.name == name), None)

    def has_sign_in(self, key: str) -> bool:
        return any(row.key == key for row in self.sign_ins)

    def free_volume_name(self, wanted: str) -> str:
        """`wanted`, or with the first free number when another endpoint uses it."""
        there = self.volume(wanted)
        if there is None or not there.users:
            return wanted
        number = 2
        while self.volume(f"{wanted[:37]}-{number}"):
            number += 1
        return f"{wanted[:37]}-{number}"


def account_of(owner_id: int) -> Account:
    """As many queries, whatever there is."""
    users = volumes.users_by_name(owner_id)
    return Account(
        tuple(Secret.objects.filter(owner_id=owner_id).values_list("key", flat=True)),
        tuple(RegistryCredential.objects.filter(owner_id=owner_id)),
        tuple(
            KnownVolume(v.name, v.size_bytes, tuple(users.get(v.name, ())))
            for v in Volume.objects.filter(owner_id=owner_id).kept()
        ),
    )


def size_words(count: int) -> str:
    """Bytes as people read them: "12 GB", "9.8 GB", "470 MB"."""
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= size * 0.95:
            digits = 1 if unit == "GB" and count < 9.95e9 else 0
            return f"{count / size:.{digits}f} {unit}"
    return f"{count} bytes"


def _listed(names: Collection[str]) -> str:
    """ "art", "art and chat", "art, chat and 2 more"."""
    *first, last = names
    if len(names) > 3:
        return f"{', '.join(list(names)[:2])} and {len(names) - 2} more"
    return f"{', '.join(first)} and {last}" if first else last
