"""Where a reader of output is, so that reading again neither repeats nor skips. Pure.

The engine reads "since" inclusively, and the parts of one long line share a time: so
one resumes at the last time and drops as many parts of it as were read already.
"""

from __future__ import annotations

from replicas.engine.base import LogChunk


class Place:
    """The last time read, and how many chunks of that time."""

    def __init__(self, since: int) -> None:
        self.at = since
        self._count = 0
        self._drop = 0
        # Time of the last part of a line that has not ended, by stream.
        self._open: dict[str, int] = {}

    def again(self) -> None:
        """The next batches are read anew from `at`."""
        self._drop = self._count

    def fresh(self, batch: list[LogChunk]) -> list[LogChunk]:
        """What of this batch was not read before."""
        if self._drop:
            batch = self._without_known(batch)
        if batch:
            self._note(batch)
        return batch

    def endings(self) -> list[LogChunk]:
        """What completes the lines that no newline ended, once the output is over."""
        return [LogChunk(at, stream, "") for stream, at in self._open.items()]

    def _without_known(self, batch: list[LogChunk]) -> list[LogChunk]:
        known = 0
        while known < len(batch) and self._drop and batch[known].at == self.at:
            known += 1
            self._drop -= 1
        if known < len(batch):
            self._drop = 0
        return batch[known:]

    def _note(self, batch: list[LogChunk]) -> None:
        newest = batch[-1].at
        same = 0
        for chunk in reversed(batch):
            if chunk.at != newest:
                break
            same += 1
        whole = same == len(batch) and newest == self.at
        self._count = self._count + same if whole else same
        self.at = newest
        if self._open or not all(chunk.complete for chunk in batch):
            self._note_open(batch)

    def _note_open(self, batch: list[LogChunk]) -> None:
        for chunk in batch:
            if chunk.complete:
                self._open.pop(chunk.stream, None)
            else:
                self._open[chunk.stream] = chunk.at
