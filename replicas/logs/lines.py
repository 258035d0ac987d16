"""Container output as lines: frames joined, redrawn lines resolved. Pure."""

from __future__ import annotations

from collections.abc import Callable

from replicas.engine.base import LogChunk

# Letters of a line that are kept.
MAX_TEXT = 64 * 1024
# So much of a line without end is held while it grows.
_HELD = 4 * MAX_TEXT
CUT_NOTE = " … the rest of this line was left out"


class Assembler:
    """Joins the chunks of long lines; a line has the time of its first chunk.

    mask: takes secrets out of a line that has to be shortened before it ends.
    """

    def __init__(self, mask: Callable[[str], str] = str) -> None:
        self._mask = mask
        self._open: dict[str, _Growing] = {}

    def feed(self, chunks: list[LogChunk]) -> list[LogChunk]:
        """The lines that these chunks completed, in the order they ended."""
        growing = self._open
        if not growing and all(chunk.complete for chunk in chunks):
            return chunks
        done: list[LogChunk] = []
        for chunk in chunks:
            stream = chunk.stream
            if chunk.complete and stream not in growing:
                done.append(chunk)
                continue
            line = growing.setdefault(stream, _Growing(chunk.at, self._mask))
            line.add(chunk.text)
            if chunk.complete:
                done.append(LogChunk(line.at, stream, line.text()))
                del growing[stream]
        return done

    def flush(self) -> list[LogChunk]:
        """What is left without a newline, once the container has ended."""
        left = [LogChunk(line.at, s, line.text()) for s, line in self._open.items()]
        self._open.clear()
        return sorted(left, key=lambda line: line.at)


class _Growing:
    """A line whose end has not come; bounded, however long it gets."""

    def __init__(self, at: int, mask: Callable[[str], str]) -> None:
        self.at = at
        self._mask = mask
        self._parts: list[str] = []
        self._size = 0

    def add(self, text: str) -> None:
        self._parts.append(text)
        self._size += len(text)
        if self._size > _HELD:
            text = self._mask(self.text())
            # Hours of a progress bar are one long line, of which the end counts.
            kept = overwrite(text) if "\r" in text else text
            self._parts = [kept[: 2 * MAX_TEXT]]
            self._size = len(self._parts[0])

    def text(self) -> str:
        return "".join(self._parts)


def resolve(text: str) -> tuple[str, bool]:
    """What a terminal shows of the line, and whether it redrew itself.

    >>> resolve("loading")
    ('loading', False)
    >>> resolve(" 50%\\r100%\\r")
    ('100%', True)
    """
    if "\r" not in text:
        return text, False
    # "\r\n" ends a line on some systems and redraws nothing.
    text = text.rstrip("\r")
    if "\r" not in text:
        return text, False
    return overwrite(text), True


def overwrite(text: str) -> str:
    """Each part after a carriage return written over what stood there.

    >>> overwrite("Downloading\\rDone")
    'Doneloading'
    """
    shown = ""
    for part in text.split("\r"):
        if "\x1b" in part or "\x1b" in shown:
            # Colours take no room on the screen, so columns cannot be compared.
            shown = part or shown
        else:
            shown = part + shown[len(part) :]
    return shown.rstrip(" ")


def cut(text: str) -> str:
    """At most `MAX_TEXT` letters of it, saying so."""
    return text if len(text) <= MAX_TEXT else text[:MAX_TEXT] + CUT_NOTE
