"""A whole database from one place to another, SQLite or PostgreSQL on either side.

    tables      what is in a database, as its own migrations left it
    copying     row by row, and each read back and compared
    numbers     the numbers that were given, so that none is given twice
    schema      a place in a PostgreSQL to fill, that becomes the database at once
    ways        out to a file, in from a file: what the commands call

docs/operating.md, docs/adr/0020-one-kind-of-backup.md
"""
