"""Which database is meant, read from an address and a password beside it."""

import pytest

from launcher.database import Postgres, chosen, read_url


def test_without_an_address_it_is_sqlite():
    assert chosen({}) is None
    assert chosen({"ALIGHT_DATABASE_URL": "", "ALIGHT_DATABASE_PASSWORD": "x"}) is None


@pytest.mark.parametrize(
    ("url", "words"),
    [
        (
            "postgres://alight:p%40ss@db:5433/lab?sslmode=require",
            {
                "dbname": "lab",
                "user": "alight",
                "password": "p@ss",
                "host": "db",
                "port": "5433",
                "sslmode": "require",
            },
        ),
        ("postgresql:///lab?host=/run/x", {"dbname": "lab", "host": "/run/x"}),
        ("postgres://%2Frun%2FX/lab", {"dbname": "lab", "host": "/run/X"}),
        ("postgres://a@Db.Lab/lab", {"dbname": "lab", "user": "a", "host": "Db.Lab"}),
        ("postgres://[::1]:1/lab", {"dbname": "lab", "host": "::1", "port": "1"}),
    ],
)
def test_every_part_of_an_address(url, words):
    assert read_url(url).words == words


def test_a_password_comes_from_a_file_and_wins(tmp_path):
    (tmp_path / "password").write_text("of the file\n")
    found = chosen(
        {
            "ALIGHT_DATABASE_URL": "postgres://a:b@db/lab",
            "ALIGHT_DATABASE_PASSWORD_FILE": str(tmp_path / "password"),
        }
    )
    assert found
    assert found.password == "of the file"
    assert "of the file" not in repr(found)


@pytest.mark.parametrize(
    "url",
    [
        "mysql://a:secret@db/lab",
        "postgres://a:secret@db",
        "postgres://a:secret@db:port/lab",
        "a:secret@db/lab",
    ],
)
def test_what_cannot_be_used_is_refused_without_its_password(url):
    with pytest.raises(ValueError, match="Write it as postgres://") as refused:
        read_url(url)
    assert "secret" not in str(refused.value)


def test_a_file_that_is_not_there_is_named(tmp_path):
    given = {"ALIGHT_DATABASE_URL_FILE": str(tmp_path / "gone")}
    with pytest.raises(ValueError, match=r"ALIGHT_DATABASE_URL_FILE names .*gone"):
        chosen(given)


def test_where_it_is_holds_no_password():
    place = Postgres("lab", "alight", "secret", "db", "5432").place
    assert place == "lab at db:5432"
