"""What people were told is done is what the database says: no wish is lost."""

from tests.chaos.checks import Check


class Wishes(Check):
    """`expected` is set by whoever knows what people did: {name: Wish}."""

    name = "no wish lost"

    def __init__(self):
        self.expected = {}

    def settled(self, world):
        there = {e.name: e for e in world.endpoints if not e.deleting}
        return [
            *(f"{name} is gone" for name in sorted(self.expected.keys() - there)),
            *(f"{name} is there" for name in sorted(there.keys() - self.expected)),
            *(f"{name}: {what}" for name in sorted(self.expected.keys() & there)
              for what in self._differs(self.expected[name], there[name])),
        ]  # fmt: skip

    def _differs(self, wish, row):
        asked = {
            "paused": wish.paused,
            "low": wish.low,
            "high": wish.high,
            "EDITS": str(wish.edits),
        }
        found = {
            "paused": row.paused,
            "low": row.low,
            "high": row.high,
            "EDITS": row.env.get("EDITS"),
        }
        for name, value in asked.items():
            if found[name] != value:
                yield f"{name} is {found[name]} in place of {value}"
