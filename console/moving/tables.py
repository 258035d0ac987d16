"""What a database holds, as its own migrations left it.

The models are those of its last migration and not of this code: a backup can be made
also after new code was taken and before it has migrated.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.db import connections
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.loader import MigrationLoader
from django.db.models import Model

from console.moving.errors import CannotMove

Node = tuple[str, str]


@dataclass(frozen=True)
class Version:
    """The migrations that a database has had, and the models it has since."""

    applied: frozenset[Node]
    models: tuple[type[Model], ...]


def version_of(alias: str) -> Version:
    """Raises CannotMove where this code does not know all of it."""
    loader = MigrationLoader(connections[alias])
    applied = frozenset(loader.applied_migrations)
    if not applied:
        raise CannotMove(
            "There is no installation in that database.",
            "Name the one that has been used: after a first start it has tables.",
        )
    _, unknown = differences(loader)
    if unknown:
        raise CannotMove(
            "The database is of a newer Alight than this code: "
            f"{'.'.join(unknown[-1])}.",
            "Take the newer code (git pull), then run it again.",
        )
    known = applied & set(loader.disk_migrations)
    state = loader.project_state(sorted(known))
    models = [
        model
        for model in state.apps.get_models(include_auto_created=True)
        if model._meta.managed and not model._meta.proxy
    ]
    return Version(frozenset(known), tuple(models))


def differences(loader: MigrationLoader) -> tuple[list[Node], list[Node]]:
    """Migrations of this code that the database has not had, and those of our apps
    that it has had and this code does not know."""
    applied, known = set(loader.applied_migrations), set(loader.disk_migrations)
    apps = {app for app, _ in known}
    unknown = (node for node in applied - known if node[0] in apps)
    return sorted(known - applied), sorted(unknown)


def build(alias: str, version: Version) -> None:
    """Make the tables of that version in an empty database, by its migrations.

    They work on the default database, whatever connection they are given: `alias` has
    to be that.
    """
    executor = MigrationExecutor(connections[alias])
    graph = executor.loader.graph
    last = [
        node
        for node in sorted(version.applied)
        if not any(
            child.key[0] == node[0] and child.key in version.applied
            for child in graph.node_map[node].children
        )
    ]
    executor.migrate(last)
    for model in version.models:
        # What migrations wrote by themselves comes from the source instead.
        model._base_manager.using(alias).all().delete()
