"""Reads the catalogue's files and checks them. No database here."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from templates_app.catalogue.fields import CatalogueError, Fields
from templates_app.names import KINDS
from templates_app.spec import (
    IMAGE_PATTERN,
    ContainerSpec,
    EnvVar,
    LogHint,
    VolumeSpec,
)

FOLDER = Path(__file__).resolve().parent
TIERS_FILE = "tiers.yaml"


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
    """One file, checked. Raises CatalogueError."""
    data, digest = _load(file)
    if not isinstance(data, dict):
        raise CatalogueError(file.name, "", "write fields, such as name: and image:")
    row = Fields(file.name, data)
    row.only(TEMPLATE_FIELDS)
    least = row.whole("min_replicas", 1, 0, 8)
    kind = row.text("kind")
    if kind not in KINDS:
        raise row.fail("kind", f"choose one of {', '.join(KINDS)}")
    fields = {
        "name": row.text("name", most=80),
        "summary": row.text("summary", most=160),
        "description": row.text("description", ""),
        "kind": kind,
        "motif": row.text("motif", "box", most=30),
        "position": row.whole("position", 1000, 0, 10000),
        "tier_note": row.text("tier_note", "", most=160),
        "image_bytes": row.whole("image_mb", 0, 0, 1_000_000) * 1_000_000,
        "build_minutes": row.whole("build_minutes", 0, 0, 600),
        "min_replicas": least,
        "max_replicas": row.whole("max_replicas", max(least, 1), max(least, 1), 8),
        "public": row.flag("public"),
        "idle_timeout": row.whole("idle_minutes", 10, 1, 1440) * 60,
        "start_timeout": row.whole("start_minutes", 10, 1, 120) * 60,
        "concurrency": row.whole("requests", 1, 1, 256),
        "spec": _container(row, file.parent).to_json(),
    }
    return CatalogueTemplate(file.stem, row.text("tier"), fields, digest)


def _container(row: Fields, folder: Path) -> ContainerSpec:
    image = row.text("image", most=255)
    if not IMAGE_PATTERN.match(image):
        raise row.fail("image", f'"{image}" is not an image name')
    build = row.text("build", "")
    if build and not (folder / "builds" / build / "Dockerfile").is_file():
        raise row.fail("build", f"there is no builds/{build}/Dockerfile")
    health = row.text("health_path", "")
    if health and not health.startswith("/"):
        raise row.fail("health_path", "start the path with a slash")
    return ContainerSpec(
        image=image,
        build=build,
        port=row.whole("port", None, 1, 65535),
        health_path=health,
        command=row.words("command"),
        args=row.words("args"),
        env=tuple(_env(part) for part in row.parts("env")),
        volume=_volume(row.part("volume")),
        shm_mb=row.whole("shm_mb", 0, 0, 1_000_000),
        hints=tuple(_hint(part) for part in row.parts("hints")),
    )


def _env(part: Fields) -> EnvVar:
    part.only(frozenset({"name", "value", "secret"}))
    secret = part.flag("secret")
    if secret and part.values.get("value"):
        raise part.fail("value", "leave a secret's value out; the person fills it in")
    return EnvVar(part.text("name"), part.text("value", ""), secret)


def _volume(part: Fields | None) -> VolumeSpec | None:
    if part is None:
        return None
    part.only(frozenset({"name", "mount"}))
    mount = part.text("mount")
    if not mount.startswith("/"):
        raise part.fail("mount", "write an absolute path")
    return VolumeSpec(part.text("name"), mount)


def _hint(part: Fields) -> LogHint:
    part.only(frozenset({"pattern", "title", "body", "tier"}))
    pattern = part.text("pattern")
    try:
        re.compile(pattern)
    except re.error as error:
        raise part.fail("pattern", f"not a regular expression: {error}") from None
    return LogHint(
        pattern, part.text("title"), part.text("body"), part.text("tier", "")
    )


def _load(file: Path) -> tuple[Any, str]:
    """The file's content and the hash of its text."""
    try:
        text = file.read_text()
    except OSError as error:
        raise CatalogueError(
            file.name, "", f"cannot be read: {error.strerror}"
        ) from None
    try:
        return yaml.safe_load(text), hashlib.sha256(text.encode()).hexdigest()
    except yaml.YAMLError as error:
        where = getattr(error, "problem_mark", None)
        line = f"line {where.line + 1}: " if where else ""
        problem = getattr(error, "problem", None) or "not YAML"
        raise CatalogueError(file.name, "", f"{line}{problem}") from None
