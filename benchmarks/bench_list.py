"""The endpoints page at size: 500 endpoints with 2,000 replicas.

    .venv/bin/python benchmarks/bench_list.py [--endpoints 500] [--each 4] [--times 7]

In one process, with its own database and Valkey, no server before it. Milliseconds of
processor time, medians:

page      the whole answer of GET /endpoints/
queries   the same SQL alone, its rows fetched and thrown away
template  the page's template without any endpoint
fragments what a change costs an open page: its rows drawn once more for its socket

Prints one JSON object. Good: page ≤ 300 ms; ratio is page to queries and template.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.many import cost, fill, house, profile  # isort: skip - sets Django up

from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from endpoints.models import Endpoint
from replicas import fragments


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--endpoints", type=int, default=500)
    parser.add_argument("--each", type=int, default=4)
    parser.add_argument("--times", type=int, default=7)
    parser.add_argument("--profile", action="store_true")
    asked = parser.parse_args()
    with house():
        print(json.dumps(measure(asked), indent=1))


def measure(asked: argparse.Namespace) -> dict[str, object]:
    owner = fill(asked.endpoints, asked.each)
    client = Client(headers={"host": "localhost"})
    client.force_login(owner)

    def page() -> None:
        answer = client.get("/endpoints/")
        assert answer.status_code == 200
        assert answer.content.count(b'<li class="row') == asked.endpoints

    with CaptureQueriesContext(connection) as captured:
        page()
    statements = [query["sql"] for query in captured.captured_queries]

    def queries() -> None:
        with connection.cursor() as cursor:
            for sql in statements:
                cursor.execute(sql)
                cursor.fetchall()

    def drawn() -> None:
        context = fragments.list_context(fragments.listed(owner))
        fragments.draw(fragments.LIST_FRAGMENTS, context)

    if asked.profile:
        profile(page)
    whole, bare, again = (cost(work, asked.times) for work in (page, queries, drawn))
    Endpoint.objects.all().update(owner=other())
    asked.endpoints = 0
    empty = cost(page, asked.times)
    return {
        "page_ms": whole,
        "queries_ms": bare,
        "template_ms": empty,
        "fragments_ms": again,
        "ratio": round(whole / (bare + empty), 2),
        "statements": len(statements),
    }


def other() -> object:
    return type(Endpoint.objects.first().owner).objects.create_user("other")


if __name__ == "__main__":
    main()
