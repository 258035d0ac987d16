"""What must hold: some of it at every moment, all of it once people and faults rest.

A check looks at a `World` and answers with sentences about what is wrong. It is one
object for a whole run, so it may remember what it saw.
"""


class Check:
    """always: what no moment may show. settled: what must hold within the patience
    after the last fault; it may be wrong for a moment before."""

    name = ""

    def always(self, world):
        return []

    def settled(self, world):
        return []
