"""Several people and workers at the same moment, each in a thread of its own."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from django.db import connection, transaction


def all_at_once(calls):
    """What each call gave back, or the exception it raised, in their order."""
    gate = threading.Barrier(len(calls))

    def run(call):
        gate.wait()
        try:
            return call()
        except Exception as error:  # noqa: BLE001 - whatever it is, it is told
            return error
        finally:
            connection.close()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


def raised(told):
    """Only what was not meant to happen, for an assertion's message."""
    return [one for one in told if isinstance(one, Exception)]


@dataclass
class Met:
    """first, second: what each gave back, or the exception it raised. waited: whether
    the second had to wait for the end of the first one's transaction."""

    first: object
    second: object
    waited: bool


def meet(first, second, then=None):
    """Do `first` in a transaction, and `second` before that transaction ends; `then` in
    the first one, once the second has ended or waits.

    On PostgreSQL only, which tells who waits for whom: no clock decides.
    """
    backend = []

    def run():
        connection.ensure_connection()
        backend.append(connection.connection.info.backend_pid)
        try:
            return second()
        except Exception as error:  # noqa: BLE001 - whatever it is, it is told
            return error
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            one = first()
            other = pool.submit(run)
            waited = _waits(other, backend)
            if then is not None:
                then()
        return Met(one, other.result(), waited)


def _waits(other, backend):
    """Once it has ended (False), or waits for somebody (True)."""
    deadline = time.monotonic() + 60
    while not other.done():
        assert time.monotonic() < deadline, "it neither ended nor waited"
        if backend and _blocked(backend[0]):
            return True
        time.sleep(0.01)
    return False


def _blocked(pid):
    with connection.cursor() as cursor:
        cursor.execute("select cardinality(pg_blocking_pids(%s)) > 0", [pid])
        return cursor.fetchone()[0]
