"""The lines that are being written right now: progress bars, prompts. Pure."""

from __future__ import annotations

from replicas.logs.lines import overwrite
from replicas.logs.masks import Masker

# Of a line without end, the newest bytes.
_KEPT = 16 * 1024
# Seconds after which a line that does not redraw itself is worth showing.
_PATIENCE = 0.3


class Partials:
    """What stands after the last newline of each stream."""

    def __init__(self, masker: Masker) -> None:
        self._masker = masker
        self._lines: dict[str, bytes] = {}
        self._since: dict[str, float] = {}

    def feed(self, stream: str, data: bytes, now: float) -> None:
        """A piece as it was written; `now` in seconds."""
        newline = data.rfind(b"\n")
        if newline >= 0 or stream not in self._lines:
            self._since[stream] = now
        line = data[newline + 1 :]
        if newline < 0:
            line = self._lines.get(stream, b"") + line
        self._lines[stream] = line[-_KEPT:]

    def shown(self, now: float) -> dict[str, str]:
        """By stream: the text of its unfinished line, "" when there is none to show."""
        return {
            stream: self._text(line) if self._worth(stream, line, now) else ""
            for stream, line in self._lines.items()
        }

    def _worth(self, stream: str, line: bytes, now: float) -> bool:
        # Pieces of ordinary lines come and go too fast to be read.
        return b"\r" in line or (bool(line) and now - self._since[stream] >= _PATIENCE)

    def _text(self, line: bytes) -> str:
        # The last letter may be half written.
        text = line.decode("utf-8", "ignore").rstrip("\r")
        if len(line) == _KEPT:
            # It was cut off, maybe in the middle of a secret.
            text = text[self._masker.longest :]
        return self._masker.mask_unfinished(overwrite(self._masker.mask_drawn(text)))
