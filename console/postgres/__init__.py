"""Django's PostgreSQL, with two things added: see `base`."""
