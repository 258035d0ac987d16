"""From SQLite to PostgreSQL and back by a backup: docs/operating.md"""

import copy
import sqlite3
from contextlib import closing

import psycopg
import pytest

from launcher.supervisor import only_one
from tests import postgres
from tests.console import Console
from tests.upgrade import keep
from tests.upgrade.house import House, kept, rows

pytestmark = pytest.mark.postgres

NEWEST = sorted(path.name for path in keep.KEPT.iterdir())[-1]
# What PostgreSQL holds as it can: docs/adr/0018-two-databases.md
ODD, AS_KEPT = "half \x00 a pair", "half \N{REPLACEMENT CHARACTER} a pair"


def asked(url, query):
    with closing(psycopg.connect(url, autocommit=True)) as link:
        found = link.execute(query)
        return found.fetchall() if found.description else None


def schemas(url):
    """Those that hold tables of ours."""
    found = asked(url, "select distinct schemaname from pg_tables")
    return {name for (name,) in found} - {"pg_catalog", "information_schema"}


def change(house, script):
    with closing(sqlite3.connect(house.file)) as link:
        link.executescript(script)


def changed(before, after):
    """Rows that are not as they were, as "table key"; `before` may be of less."""
    apart = {"django_migrations", "sqlite_sequence"}
    return [
        f"{table} {key}"
        for table in before.keys() - apart
        for key, row in before[table].items()
        if {**after[table].get(key, {}), **row} != after[table].get(key)
    ]


@pytest.fixture(scope="module")
def moved(tmp_path_factory):
    """A house whose rows went to a PostgreSQL, what they were, and what was said."""
    url = postgres.make_database()
    house = kept(NEWEST, tmp_path_factory.mktemp("moved") / "home", url)
    # Several batches, and what only SQLite holds.
    change(
        house,
        "with recursive n(i) as (select 1000 union all select i + 1 from n"
        " where i < 2200) insert into endpoints_event (id, endpoint_id, attempt,"
        " reason, warning, message, data, actor, at) select i, 1 + i % 9, 1,"
        " 'ReplicaRunning', 0, '', '{\"n\": 1e22}', '', '2026-11-20 12:00:00'"
        " from n;"
        "update endpoints_event set message = 'half ' || char(0) || ' a pair',"
        ' data = \'{"said": "half \\u0000 a pair"}\' where id = 1;',
    )
    before = rows(house.file)
    yield house, before, house.manage("move_database")
    postgres.drop_database(url)


def test_every_row_moves_and_next_numbers_follow(moved):
    house, before, said = moved
    assert "Each was read back and compared." in said
    assert "make up" in said
    assert rows(house.file) == before
    assert schemas(house.url) == {"public"}

    expected = copy.deepcopy(before)
    event = expected["endpoints_event"][1]
    assert (event["message"], event["data"]) == (ODD, {"said": ODD})
    event["message"], event["data"] = AS_KEPT, {"said": AS_KEPT}
    after = house.rows()
    assert changed(expected, after) == []
    assert after["sqlite_sequence"]["replicas_replica"]["seq"] == 500


def test_a_backup_comes_back_to_either_database(moved, tmp_path):
    """By pipes, as where it runs in containers: docs/production.md"""
    house, *_ = moved
    before = house.rows()
    code, backup, said = house.runs("manage.py", "backup", "-")
    assert code == 0, said
    assert "open every secret" in said

    # Over what is there, only by the word for it; then that is set aside.
    mark = "update endpoints_endpoint set description = 'after the backup'"
    asked(house.url, mark)
    code, _, said = house.runs("manage.py", "restore", "-", data=backup)
    assert code == 1
    assert "holds an installation already" in said
    said = house.manage("restore", "-", "--replace", data=backup)
    (aside,) = schemas(house.url) - {"public"}
    assert aside in said
    old = asked(house.url, f"select description from {aside}.endpoints_endpoint")
    assert set(old) == {("after the backup",)}
    assert changed(before, house.rows()) == []
    log = house.home / "replica-logs" / "5" / "5-1.log"
    assert "Model loaded" in log.read_text()
    assert (house.home / "secret_key").read_text() == "k" * 64

    file, other = tmp_path / "b.tar", House(tmp_path / "other")
    file.write_bytes(backup)
    other.manage("restore", str(file))
    assert changed(before, other.rows()) == []
    # Beyond all that ran after the backup.
    assert other.rows()["sqlite_sequence"]["replicas_replica"]["seq"] == 1500


def test_what_is_there_is_refused(moved):
    house, *_ = moved
    said = house.refuses("move_database")
    assert "holds an installation already" in said
    assert "--replace" in said


def test_what_cannot_be_moved_changes_nothing(tmp_path, postgres_url):
    house = kept(NEWEST, tmp_path / "home", postgres_url)
    long = "x" * 200
    change(house, f"update endpoints_event set actor = '{long}' where id = 3")
    said = house.refuses("move_database")
    assert "Table endpoints_event" in said
    assert "character varying(150)" in said
    change(
        house, "update endpoints_event set actor = '', endpoint_id = 99 where id = 3"
    )
    said = house.refuses("move_database")
    assert "names another that is not there" in said
    assert "endpoints_event" in said
    later = "'endpoints', '9999_later', '2026-11-20 12:00:00'"
    change(
        house,
        f"insert into django_migrations (app, name, applied) values ({later})",
    )
    assert "newer Alight than this code" in house.refuses("move_database")
    assert schemas(postgres_url) == set()


def test_nothing_moves_while_somebody_works(tmp_path, postgres_url):
    house = kept(NEWEST, tmp_path / "home", postgres_url)
    with psycopg.connect(postgres_url):
        assert "one program uses this database" in house.refuses("move_database")
    config = Console("", 0, "", house.home, house.env).config
    config.run.mkdir(exist_ok=True)
    with only_one(config):
        assert "make down" in house.refuses("move_database")
    assert "ALIGHT_DATABASE_URL" in House(house.home).refuses("move_database")
    house.file.unlink()
    assert "There is no database" in house.refuses("move_database")
    assert schemas(postgres_url) == set()
