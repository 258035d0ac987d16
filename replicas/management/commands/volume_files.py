"""A volume's files as a tar, out of it or into it. For `make backup` and restore."""

import asyncio
import sys
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from replicas.engine import open_streams
from replicas.engine.base import EngineError
from replicas.engine.errors import NoVolume

_BLOCK = 256 * 1024


class Command(BaseCommand):
    help = (
        "Write a volume's files to standard output, or put those of standard input in."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("way", choices=["read", "write"])
        parser.add_argument("volume", help="its name in the engine")

    def handle(self, *args: Any, **options: Any) -> None:
        work = _read if options["way"] == "read" else _write
        try:
            asyncio.run(work(options["volume"]))
        except EngineError as error:
            raise CommandError(str(error)) from None


async def _read(name: str) -> None:
    """Nothing for one that no replica has mounted yet: the engine does not know it."""
    streams = open_streams()
    try:
        async with aclosing(streams.volume_archive(name)) as pieces:
            async for piece in pieces:
                await asyncio.to_thread(sys.stdout.buffer.write, piece)
        sys.stdout.buffer.flush()
    except NoVolume:
        return
    finally:
        await streams.close()


async def _write(name: str) -> None:
    streams = open_streams()
    try:
        await streams.volume_fill(name, _stdin())
    finally:
        await streams.close()


async def _stdin() -> AsyncGenerator[bytes, None]:
    while block := await asyncio.to_thread(sys.stdin.buffer.read, _BLOCK):
        yield block
