"""Reads the catalogue's files and checks them. No database here."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from templates_app import rules
from templates_app.catalogue.fields import CatalogueError, Fields
from templates_app.catalogue.parsing import parse
from templates_app.names import KINDS
from templates_app.patterns import slow_problem
from templates_app.spec import ContainerSpec, EnvVar, Example, LogHint, VolumeSpec

FOLDER = Path(__file__).resolve().parent
TIERS_FILE = "tiers.yaml"
# Two hyphens are in the slugs of people's own templates only (templates_app.own), so
# that no file, also none that comes later, has the address of one of those.
SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*\Z")
# Where on the page a template stands that does not say.
LAST = 1000
# How much text fits.
DESCRIPTION_MAX = 4000
NAME_MAX = 100
NOTE_MAX = 160
PATTERN_MAX = 300
EXAMPLE_MAX = 4000


@dataclass(frozen=True)
class CatalogueTemplate:
    """One checked file. `fields` are Template's columns, `tier` a tier's slug."""

    slug: str
    tier: str
    fields: dict[str, Any]
    digest: str


@dataclass(frozen=True)
class CatalogueTier:
    slug: str
    fields: dict[str, Any]


TEMPLATE_FIELDS = frozenset(
    {
        "name",
        "summary",
        "description",
        "kind",
        "motif",
        "position",
        "tier",
        "tier_note",
        "image",
        "build",
        "image_mb",
        "build_minutes",
        "port",
        "health_path",
        "command",
        "args",
        "env",
        "volume",
        "shm_mb",
        "hints",
        "openai",
        "example",
        "min_replicas",
        "max_replicas",
        "public",
        "idle_minutes",
        "start_minutes",
        "requests",
    }
)
TIER_FIELDS = frozenset(
    {
        "slug",
        "name",
        "gpu_model",
        "gpus",
        "gpu_memory_gb",
        "cores",
        "memory_gb",
        "shm_gb",
    }
)


def read_tiers(folder: Path = FOLDER) -> list[CatalogueTier]:
    """The tiers, smallest first. Raises CatalogueError."""
    data, _ = _load(folder / TIERS_FILE)
    if not isinstance(data, list) or not all(isinstance(row, dict) for row in data):
        raise CatalogueError(TIERS_FILE, "", "write a list of tiers")
    tiers = [
        _tier(Fields(f"{TIERS_FILE}, tier {number}", row), number)
        for number, row in enumerate(data, 1)
    ]
    slugs = [tier.slug for tier in tiers]
    for slug in slugs:
        if slugs.count(slug) > 1:
            raise CatalogueError(TIERS_FILE, "slug", f'"{slug}" is there twice')
    return tiers


def _tier(row: Fields, position: int) -> CatalogueTier:
    row.only(TIER_FIELDS)
    model = row.text("gpu_model", "")
    fields = {
        "name": row.text("name", most=40),
        "gpu_model": model,
        "gpus": row.whole("gpus", 1 if model else 0, 0, 16),
        "gpu_memory_gb": row.whole("gpu_memory_gb", 0, 0, 4096),
        "cores": row.number("cores", 0.1, 1024),
        "memory_mb": round(row.number("memory_gb", 0.1, 65536) * 1024),
        "shm_mb": row.whole("shm_gb", 0, 0, 4096) * 1024,
        "position": position,
    }
    return CatalogueTier(row.text("slug"), fields)


def read_templates(folder: Path = FOLDER) -> list[CatalogueTemplate]:
    """Every template file of the folder, by file name. Raises CatalogueError."""
    files = sorted(f for f in folder.glob("*.yaml") if f.name != TIERS_FILE)
    return [read_template(file) for file in files]


def read_template(file: Path) -> CatalogueTemplate:
    """One file of the catalogue, checked. Raises CatalogueError."""
    if not SLUG.match(file.stem):
        problem = "name the file with lowercase letters, digits and single hyphens"
        raise CatalogueError(file.name, "", problem)
    data, digest = _load(file)
    tier, fields = template_of(data, file.name, builds_of(file.parent))
    return CatalogueTemplate(file.stem, tier, fields, digest)


def builds_of(folder: Path = FOLDER) -> frozenset[str]:
    """Names of what can be built here."""
    return frozenset(path.parent.name for path in folder.glob("builds/*/Dockerfile"))


def template_of(
    data: Any, file: str = "", builds: frozenset[str] = frozenset()
) -> tuple[str, dict[str, Any]]:
    """A tier's slug and Template's columns from what a file says, checked.

    builds: names a template may be built from. Raises CatalogueError.
    """
    if not isinstance(data, dict):
        raise CatalogueError(file, "", "write fields, such as name: and image:")
    row = Fields(file, data)
    row.only(TEMPLATE_FIELDS)
    least = row.whole("min_replicas", 1, 0, rules.REPLICAS_MAX)
    kind = row.line("kind")
    if kind not in KINDS:
        raise row.fail("kind", f"choose one of {', '.join(KINDS)}")
    motif = row.line("motif", "box", most=30)
    if not SLUG.match(motif):
        raise row.fail("motif", "write its name in lowercase letters")
    most = row.whole("max_replicas", max(least, 1), max(least, 1), rules.REPLICAS_MAX)
    return row.line("tier", most=40), {
        "name": row.line("name", most=80),
        "summary": row.line("summary", most=160),
        "description": row.text("description", "", most=DESCRIPTION_MAX),
        "kind": kind,
        "motif": motif,
        "position": row.whole("position", LAST, 0, 10000),
        "tier_note": row.line("tier_note", "", most=160),
        "image_bytes": row.whole("image_mb", 0, 0, 1_000_000) * 1_000_000,
        "build_minutes": row.whole("build_minutes", 0, 0, 600),
        "min_replicas": least,
        "max_replicas": most,
        "public": row.flag("public"),
        "idle_timeout": row.whole("idle_minutes", 10, 0, 1440) * 60,
        "start_timeout": row.whole("start_minutes", 10, 1, 1440) * 60,
        "concurrency": row.whole(
            "requests", rules.CONCURRENCY_USUAL, 1, rules.CONCURRENCY_MAX
        ),
        "spec": _container(row, builds).to_json(),
    }


def _container(row: Fields, builds: frozenset[str]) -> ContainerSpec:
    build = row.line("build", "")
    if build and build not in builds:
        there = ", ".join(sorted(builds)) or "none"
        problem = f"there is no “{build[:40]}” to build here; there is: {there}"
        raise row.fail("build", problem)
    return ContainerSpec(
        image=row.text("image", most=255, check=rules.image_problem),
        build=build,
        port=row.whole("port", None, 1, 65535),
        health_path=row.text("health_path", "", check=rules.path_problem),
        command=row.words("command"),
        args=row.words("args"),
        env=_variables(row),
        volume=_volume(row.part("volume")),
        shm_mb=row.whole("shm_mb", 0, 0, 1_000_000),
        hints=tuple(_hint(part) for part in row.parts("hints")),
        openai=row.flag("openai"),
        example=_example(row.part("example")),
    )


def _variables(row: Fields) -> tuple[EnvVar, ...]:
    found: dict[str, EnvVar] = {}
    for part in row.parts("env"):
        variable = _variable(part)
        if variable.name in found:
            raise part.fail("name", f"“{variable.name}” is there twice")
        found[variable.name] = variable
    return tuple(found.values())


def _variable(part: Fields) -> EnvVar:
    part.only(frozenset({"name", "value", "secret", "needed", "note"}))
    secret, needed = part.flag("secret"), part.flag("needed")
    value = part.text("value", "", as_it_is=True)
    if secret and value:
        raise part.fail("value", "leave a secret's value out; the person fills it in")
    if needed and value:
        raise part.fail("needed", "a variable that has a value here asks for none")
    name = part.text("name", most=NAME_MAX, check=rules.env_problem)
    return EnvVar(name, value, secret, needed, part.line("note", "", most=NOTE_MAX))


def _volume(part: Fields | None) -> VolumeSpec | None:
    if part is None:
        return None
    part.only(frozenset({"name", "mount"}))
    return VolumeSpec(
        part.text("name", check=rules.volume_problem),
        part.text("mount", check=rules.mount_problem),
    )


def _example(part: Fields | None) -> Example | None:
    if part is None:
        return None
    part.only(frozenset({"method", "path", "body"}))
    body = part.text("body", "", most=EXAMPLE_MAX, as_it_is=True)
    method = part.line("method", "POST" if body else "GET")
    if method not in rules.METHODS:
        raise part.fail("method", f"choose one of {', '.join(rules.METHODS)}")
    if body and method in ("GET", "HEAD"):
        raise part.fail("body", f"leave it out; {method} takes none")
    return Example(method, part.text("path", check=rules.path_problem), body)


def _hint(part: Fields) -> LogHint:
    part.only(frozenset({"pattern", "title", "body", "tier"}))
    pattern = part.text("pattern", most=PATTERN_MAX, as_it_is=True)
    if re.search(r"\(\?[a-zA-Z-]", pattern):
        # The browser that matches it knows none, and some take long to compile.
        raise part.fail("pattern", "leave out flags such as (?i)")
    try:
        re.compile(pattern)
    # A warning is raised where Python is told to, as in tests.
    except (re.error, OverflowError, RecursionError, Warning) as error:
        raise part.fail("pattern", f"not a regular expression: {error}") from None
    if problem := slow_problem(pattern):
        raise part.fail("pattern", problem)
    return LogHint(
        pattern,
        part.line("title", most=120),
        part.line("body", most=600),
        part.line("tier", "", most=40),
    )


def _load(file: Path) -> tuple[Any, str]:
    """The file's content and the hash of its text."""
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise CatalogueError(
            file.name, "", f"cannot be read: {error.strerror}"
        ) from None
    except UnicodeDecodeError:
        raise CatalogueError(file.name, "", "write it as UTF-8") from None
    return parse(text, file.name), hashlib.sha256(text.encode()).hexdigest()
