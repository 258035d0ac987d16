"""One container's lines between its stream and its file."""

from __future__ import annotations

import asyncio
from collections import defaultdict

from replicas.engine.base import LogChunk
from replicas.logs import flood
from replicas.logs.files import LogFile
from replicas.logs.levels import Levels, calm
from replicas.logs.lines import MAX_TEXT, cut, resolve
from replicas.logs.masks import Masker
from replicas.logs.records import GAP, LEVEL_LETTERS, SOURCE_LETTERS, Attempt, Draft

# Lines written in one go, so that a flood delays nobody for long.
_BATCH = 2000
# A reader waits while so much of its container is unwritten.
_LINES_HELD = 20_000
_LETTERS_HELD = 8 * 1024 * 1024
_MARKS = {
    (stream, level, redrew): SOURCE_LETTERS[stream] + level + ("r" if redrew else "-")
    for stream in ("stdout", "stderr")
    for level in LEVEL_LETTERS.values()
    for redrew in (False, True)
} | {(flood.GAP, level, False): GAP for level in LEVEL_LETTERS.values()}


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
        texts = [line.text for line in lines]
        self._letters -= sum(map(len, texts))
        # No text holds a newline, so all can be looked at and masked in one go.
        whole = "\n".join(texts)
        if whole.count("\n") >= len(texts):
            # Docker's own drivers never send one inside of a line; others might, and
            # a record that is cut in two makes its whole file unreadable.
            texts = [text.replace("\n", " ") for text in texts]
            whole = "\n".join(texts)
        redrew = [False] * len(lines)
        if "\r" in whole:
            shown = [resolve(self._masker.mask_drawn(text)) for text in texts]
            texts, redrew = [text for text, _ in shown], [drew for _, drew in shown]
            whole = "\n".join(texts)
        masked = self._masker.mask(whole)
        if masked is not whole:
            texts = masked.split("\n")
        streams = [line.stream for line in lines]
        marks = self._marks(streams, texts, redrew, masked)
        if max(map(len, texts)) > MAX_TEXT:
            texts = [cut(text) for text in texts]
        self._drafts = [*map(Draft, [line.at for line in lines], marks, texts)]

    def _marks(
        self, streams: list[str], texts: list[str], redrew: list[bool], whole: str
    ) -> list[str]:
        """The three letters of each line; `whole` is all of them."""
        levels = self._levels
        if calm(whole) and not any(one.inside for one in levels.values()):
            words = ["i"] * len(texts)
        else:
            words = [
                LEVEL_LETTERS[levels[stream].of(text)]
                for stream, text in zip(streams, texts, strict=True)
            ]
        return [
            _MARKS[stream, word, drew]
            for stream, word, drew in zip(streams, words, redrew, strict=True)
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
