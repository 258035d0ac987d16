"""The tables after a test that commits: emptied row by row, of which there are few.

Django's flush truncates them, which PostgreSQL does slowly, and writes the kinds of
things and their permissions anew, which no test has changed.
"""

from django.db import connections, transaction
from django.test import TransactionTestCase

_KEPT = {"django_content_type", "auth_permission"}


def pytest_configure():
    TransactionTestCase._fixture_teardown = _empty


def _empty(case):
    for alias in case._databases_names(include_mirrors=False):
        link = connections[alias]
        tables = link.introspection.django_table_names(only_existing=True)
        # Who points at whom is looked at when all of them are empty.
        with transaction.atomic(using=alias), link.cursor() as cursor:
            for name in set(tables) - _KEPT:
                cursor.execute(f"DELETE FROM {link.ops.quote_name(name)}")
