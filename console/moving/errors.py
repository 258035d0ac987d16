"""What keeps a database from being moved."""

from __future__ import annotations


class CannotMove(Exception):
    """What is wrong, and what to do next. Nothing was changed."""

    def __init__(self, problem: str, todo: str) -> None:
        super().__init__(f"{problem}\n{todo}")
        self.problem, self.todo = problem, todo
