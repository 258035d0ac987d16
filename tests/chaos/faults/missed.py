"""A fault that met nothing."""


class Missed(Exception):
    """There was nothing to strike; the message says why."""
