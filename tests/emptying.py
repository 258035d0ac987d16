"""The tables after a test that commits: emptied row by row, of which there are few.

Django's flush truncates them, which PostgreSQL does slowly, and writes the kinds of
things and their permissions anew, which no test has changed.
"""

from concurrent.futures import ThreadPoolExecutor, wait
from threading import Barrier

from django.db import connections, transaction
from django.test import TransactionTestCase

_KEPT = {"django_content_type", "auth_permission"}
_PATIENCE = 60


def pytest_configure():
    TransactionTestCase._fixture_teardown = _empty


def _empty(case):
    _let_the_runner_end()
    for alias in case._databases_names(include_mirrors=False):
        link = connections[alias]
        tables = link.introspection.django_table_names(only_existing=True)
        names = [link.ops.quote_name(name) for name in sorted(set(tables) - _KEPT)]
        # Who points at whom is looked at when all of them are empty.
        with transaction.atomic(using=alias), link.cursor() as cursor:
            if link.vendor == "postgresql":
                # As when it truncates: whoever writes comes to an end first.
                every = ", ".join(names)
                cursor.execute(f"LOCK TABLE {every} IN SHARE ROW EXCLUSIVE MODE")
            for name in names:
                cursor.execute(f"DELETE FROM {name}")


def _let_the_runner_end():
    """A call in one of its threads goes on when whoever awaited it was cancelled."""
    from replicas.runner.threads import POOLS

    for pool, size in POOLS.items():
        _meet(pool, size)


def _meet(pool: ThreadPoolExecutor, size: int):
    """All threads of the pool come here once they are done with what they had."""
    everybody = Barrier(size)
    wait([pool.submit(everybody.wait, _PATIENCE) for _ in range(size)])
