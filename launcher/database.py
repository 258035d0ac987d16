"""Which database an installation uses: SQLite in its home, or a PostgreSQL."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

URL = "ALIGHT_DATABASE_URL"
PASSWORD = "ALIGHT_DATABASE_PASSWORD"
EXAMPLE = "postgres://alight@db.example:5432/alight"


@dataclass(frozen=True)
class Postgres:
    """What one needs to know to connect.

    host: a name, an address or the folder of a unix socket; "" for libpq's own.
    options: libpq's further words, such as sslmode.
    """

    name: str
    user: str = ""
    password: str = field(default="", repr=False)
    host: str = ""
    port: str = ""
    options: Mapping[str, str] = field(default_factory=dict)

    @property
    def place(self) -> str:
        """For messages: where it is, without what opens it."""
        port = f":{self.port}" if self.port else ""
        return f"{self.name} at {self.host or 'the local socket'}{port}"

    @property
    def words(self) -> dict[str, str]:
        """All of it in libpq's words, as `psycopg.connect` takes them."""
        own = {
            "dbname": self.name,
            "user": self.user,
            "password": self.password,
            "host": self.host,
            "port": self.port,
        }
        return {**self.options, **{k: v for k, v in own.items() if v}}


def chosen(environ: Mapping[str, str]) -> Postgres | None:
    """The PostgreSQL that settings name; None for SQLite.

    Raises ValueError with a sentence that holds nothing of a password.
    """
    url = given(environ, URL)
    return read_url(url, given(environ, PASSWORD)) if url else None


def given(environ: Mapping[str, str], name: str) -> str:
    """The variable, or what the file `NAME_FILE` names holds; "" without both."""
    if environ.get(name):
        return environ[name]
    named = environ.get(f"{name}_FILE")
    if not named:
        return ""
    try:
        return Path(named).read_text().strip()
    except OSError as error:
        raise ValueError(f"{name}_FILE names {named}: {error.strerror}.") from None


def read_url(url: str, password: str = "") -> Postgres:
    """postgres://user:password@host:port/name?option=value, each part but the name
    may be missing, special characters as %40. A `password` beside it wins."""
    try:
        parts = urlsplit(url)
        port = str(parts.port or "")
    except ValueError:
        raise ValueError(_refusal("has a port or host that is none")) from None
    if parts.scheme not in {"postgres", "postgresql"}:
        raise ValueError(_refusal("is no address of a PostgreSQL"))
    options = dict(parse_qsl(parts.query))
    own = {key: options.pop(key, "") for key in ("host", "port", "user", "password")}
    name = unquote(parts.path.lstrip("/")) or options.pop("dbname", "")
    if not name:
        raise ValueError(_refusal("names no database"))
    return Postgres(
        name=name,
        user=unquote(parts.username or "") or own["user"],
        password=password or unquote(parts.password or "") or own["password"],
        host=unquote(_host(parts.netloc)) or own["host"],
        port=port or own["port"],
        options=options,
    )


def _host(netloc: str) -> str:
    """As it is written: the folder of a socket may have capitals."""
    place = netloc.rpartition("@")[2]
    if place.startswith("["):
        return place[1:].partition("]")[0]
    return place.partition(":")[0]


def _refusal(what: str) -> str:
    return f"{URL} {what}. Write it as {EXAMPLE}."
