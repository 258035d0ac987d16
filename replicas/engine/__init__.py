"""Container engines behind one protocol, chosen by dotted path in settings."""

from functools import cache

from django.conf import settings
from django.utils.module_loading import import_string

from replicas.engine.base import Engine, EngineStreams


@cache
def get_engine() -> Engine:
    """The engine for short acts, one per process."""
    engine: Engine = import_string(settings.ALIGHT_ENGINE)()
    return engine


def open_streams() -> EngineStreams:
    """A new set of streams; the caller's event loop owns and closes it."""
    streams: EngineStreams = import_string(settings.ALIGHT_ENGINE_STREAMS)()
    return streams
