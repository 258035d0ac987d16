"""Nothing of others is touched, however much its labels are like ours."""

from tests.chaos.checks import Check


class Strangers(Check):
    """standing: a function that gives {name: "id state"} as they should be, or None
    while that is not sure."""

    name = "nothing of another installation touched"

    def __init__(self, standing):
        self._standing = standing
        self._known = None

    def always(self, world):
        wanted, before = self._standing(), self._known
        self._known = wanted
        # What was found just now may be newer than this look.
        if wanted is None or wanted is not before or world.strangers is None:
            return []
        return [
            f"{name} was “{was}” and is “{world.strangers.get(name, 'gone')}”"
            for name, was in wanted.items()
            if world.strangers.get(name) != was
        ]
