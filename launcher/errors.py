"""The one error people see: what happened, and what to do next."""

from pathlib import Path


class LaunchError(Exception):
    """Stops the launcher with a sentence, the log's last lines and a next step."""

    def __init__(self, what: str, todo: str, log: Path | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.todo = todo
        self.log = log

    def __str__(self) -> str:
        parts = [self.what]
        if self.log and (lines := last_lines(self.log)):
            parts.append(f"Last lines of {self.log}:")
            parts.append("\n".join(f"    {line}" for line in lines))
        parts.append(f"What to do: {self.todo}")
        return "\n\n".join(parts)


def last_lines(log: Path, count: int = 12, reach: int = 16384) -> list[str]:
    """The end of a text file, at most `reach` bytes of it; [] when it is not there."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - reach))
            text = file.read().decode(errors="replace")
    except OSError:
        return []
    lines = [line.rsplit("\r", 1)[-1].rstrip() for line in text.split("\n")]
    return [line for line in lines if line][-count:]
