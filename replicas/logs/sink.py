"""One container's lines between its stream and its file."""

from __future__ import annotations

import asyncio
from collections import defaultdict

from replicas.engine.base import LogChunk
from replicas.logs.files import LogFile
from replicas.logs.levels import Levels, plain
from replicas.logs.lines import cut, resolve
from replicas.logs.masks import Masker
from replicas.logs.records import LEVEL_LETTERS, SOURCE_LETTERS, Attempt, Draft

# Lines written in one go, so that a flood delays nobody for long.
_BATCH = 2000
# A reader waits while so much of its container is unwritten.
_LINES_HELD = 20_000
_LETTERS_HELD = 8 * 1024 * 1024


class Sink:
    """What one container wrote and nobody has written down yet.

    `room` is set while more may be put; `empty` when everything is on file.
    """

    def __init__(self, attempt: Attempt, file: LogFile, masker: Masker) -> None:
        self.attempt = attempt
        self._file = file
        self._masker = masker
        self._levels: dict[str, Levels] = defaultdict(Levels)
        self._waiting: list[LogChunk] = []
        self._letters = 0
        # Numbered and written next; kept while the disk is full.
        self._drafts: list[Draft] = []
        self.room = asyncio.Event()
        self.empty = asyncio.Event()
        self.room.set()
        self.empty.set()

    def put(self, lines: list[LogChunk]) -> None:
        if not lines:
            return
        self._waiting.extend(lines)
        self._letters += sum([len(line.text) for line in lines])
        self.empty.clear()
        if len(self._waiting) > _LINES_HELD or self._letters > _LETTERS_HELD:
            self.room.clear()

    def prepare(self) -> None:
        """Make the next lines ready to be written: resolved, masked, cut, levelled."""
        if self._drafts or not self._waiting:
            return
        lines, self._waiting = self._waiting[:_BATCH], self._waiting[_BATCH:]
        self._letters = sum([len(line.text) for line in self._waiting])
        shown = [resolve(line.text) for line in lines]
        # No text holds a newline, so all can be masked in one go.
        whole = "\n".join([text for text, _ in shown])
        texts = self._masker.mask(whole).split("\n")
        level = Levels.of_plain if plain(whole) else Levels.of
        levels = self._levels
        self._drafts = [
            Draft(
                line.at,
                SOURCE_LETTERS[line.stream]
                + LEVEL_LETTERS[level(levels[line.stream], text)]
                + ("r" if redrew else "-"),
                cut(text),
            )
            for line, text, (_, redrew) in zip(lines, texts, shown, strict=True)
        ]

    def write(self) -> str:
        """Write what is prepared, in a thread: its records. Raises OSError."""
        if not self._drafts:
            return ""
        _, block = self._file.append(self._drafts)
        self._drafts = []
        return block

    def settle(self) -> bool:
        """After writing: let readers go on. True when more is waiting."""
        if len(self._waiting) <= _LINES_HELD // 2:
            self.room.set()
        if not self._waiting and not self._drafts:
            self.empty.set()
            return False
        return True

    @property
    def many(self) -> bool:
        """Enough lines wait to write them at once."""
        return len(self._waiting) >= _BATCH // 2

    @property
    def stuck(self) -> bool:
        """What was prepared could not be written."""
        return bool(self._drafts)

    def give_up(self) -> None:
        """Forget what is not written; the engine still has it."""
        self._waiting, self._drafts = [], []
        self._letters = 0
        self._file.close()
        self.empty.set()
