"""Which tests run once more on PostgreSQL: those that touch a database.

It is not a list. pytest-django refuses a database to every test that does not ask for
one, so those that ask are known before they run; and a console is started by
`tests.console` alone. docs/running.md
"""

import sys
from functools import cache
from types import ModuleType

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.postgresql.creation import DatabaseCreation

from tests import postgres

_ASKS = {"db", "transactional_db", "django_db_reset_sequences", "live_server"}


class ThrownAway(DatabaseCreation):
    """A lane's database goes when the lane ends, whatever thread is still in it."""

    def _destroy_test_db(self, test_database_name, verbosity):
        self.connection.close_pool()
        postgres.drop_database(postgres.address(test_database_name))


def pytest_configure():
    """Django is set up by now, and this thread's connection is made."""
    if postgres.SERVER:
        made = connections[DEFAULT_DB_ALIAS]
        made.creation = ThrownAway(made)


def pytest_collection_modifyitems(config, items):
    runs = touches_a_database if postgres.SERVER else needs_no_postgres
    without = [item for item in items if not runs(item)]
    config.hook.pytest_deselected(items=without)
    gone = set(without)
    items[:] = [item for item in items if item not in gone]


def needs_no_postgres(item):
    return item.get_closest_marker("postgres") is None


def touches_a_database(item):
    if item.get_closest_marker("sqlite"):
        return False
    return bool(
        item.get_closest_marker("django_db")
        or item.get_closest_marker("postgres")
        or _ASKS & set(item.fixturenames)
        or "console" in item.fixturenames
        or starts_consoles(item.module)
    )


@cache
def starts_consoles(module):
    """Whether `tests.console` is among what a test's module imports of our helpers,
    or of what these import."""
    todo, seen = [module], set()
    while todo:
        names = (_home(value) for value in vars(todo.pop()).values())
        found = {name for name in names if name.startswith("tests.")} - seen
        seen |= found
        todo += [sys.modules[name] for name in found]
    return "tests.console" in seen


def _home(value):
    """The module it is, or comes from."""
    name = value.__name__ if isinstance(value, ModuleType) else None
    return name or getattr(value, "__module__", None) or ""
