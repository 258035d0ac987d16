"""From a seed to what people do and what breaks, in rounds. Pure: no clock, no I/O.

A round is a few seconds in which people act and faults strike, and then calm, in which
all has to agree again. Rounds follow from the seed and their number alone, so a replay
meets the same ones, however many there were time for.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from random import Random

from tests.chaos.kinds import ACTS, ALL_FAULTS, FAULTS, TIER_WEIGHTS, TIERS

# Most endpoints at a time. With three replicas each they want more GPUs than there are.
MOST = 5
# Seconds within which a round's steps begin.
SPAN = 6.0


@dataclass(frozen=True)
class Step:
    """Something that begins so many seconds into its round."""

    at: float
    kind: str
    args: dict[str, object]

    @property
    def fault(self) -> bool:
        return self.kind in ALL_FAULTS

    def __str__(self) -> str:
        words = " ".join(f"{name}={value}" for name, value in self.args.items())
        mark = "!" if self.fault else "-"
        return f"{self.at:4.1f} {mark} {self.kind} {words}".rstrip()


@dataclass
class Wish:
    """An endpoint as people left it. edits: changes of its container so far."""

    name: str
    tier: str
    app: str
    low: int
    high: int
    edits: int = 0
    paused: bool = False


@dataclass(frozen=True)
class Round:
    """wishes: by name, as they stand once its steps are done."""

    number: int
    steps: tuple[Step, ...]
    wishes: dict[str, Wish] = field(default_factory=dict)

    @property
    def faults(self) -> list[Step]:
        return [step for step in self.steps if step.fault]

    def __str__(self) -> str:
        return "\n".join([f"round {self.number}", *map(str, self.steps)])


def rounds(
    seed: int, only: frozenset[str] = frozenset(), *, server: bool = False
) -> Iterator[Round]:
    """Without end. only: strike no other faults than these. server: the database is
    one, and what can befall it does."""
    wishes: dict[str, Wish] = {}
    names = (f"c{number:03}" for number in count(1))
    faults = ALL_FAULTS if server else FAULTS
    deck = _Deck(seed, [kind for kind in faults if not only or kind in only])
    for number in count(1):
        dice = Random(f"{seed}:{number}")
        before = set(wishes)
        steps = _acts(dice, wishes, names)
        # The first round makes what the others break.
        if number > 1:
            there = [wish for name, wish in wishes.items() if name in before]
            steps += _provoked(dice, deck.deal(dice), there)
        steps.sort(key=lambda step: step.at)
        standing = {name: Wish(**vars(wish)) for name, wish in wishes.items()}
        yield Round(number, tuple(steps), standing)


# --- what people do ---------------------------------------------------------------


def _acts(dice: Random, wishes: dict[str, Wish], names: Iterator[str]) -> list[Step]:
    steps, touched = [], set()
    for _ in range(3 if not wishes else dice.randint(1, 3)):
        fitting = [kind for kind, act in ACTS.items() if _fits(kind, wishes)]
        weights = [ACTS[kind] for kind in fitting]
        kind = "create" if len(wishes) < 2 else dice.choices(fitting, weights)[0]
        if kind == "create":
            name = next(names)
            step = _create(dice, wishes, name)
        else:
            # Two changes of one endpoint in one round could meet in any order.
            free = [name for name in sorted(wishes) if name not in touched]
            free = [name for name in free if _fits(kind, {name: wishes[name]})]
            if not free:
                continue
            name = dice.choice(free)
            step = _change(dice, wishes, kind, name)
        touched.add(name)
        steps.append(step)
    return steps


def _fits(kind: str, wishes: dict[str, Wish]) -> bool:
    if kind == "create":
        return len(wishes) < MOST
    paused = any(wish.paused for wish in wishes.values())
    running = any(not wish.paused for wish in wishes.values())
    return paused if kind == "resume" else running or kind == "delete"


def _create(dice: Random, wishes: dict[str, Wish], name: str) -> Step:
    app = dice.choice(["plain", "late", "counting", "counting", "broken"])
    low, high = dice.choice([(1, 1), (1, 2), (2, 2), (3, 3), (0, 1)])
    tier = dice.choices(list(TIERS), TIER_WEIGHTS)[0]
    wish = Wish(name, tier, app, low, high)
    wishes[name] = wish
    args = {"name": name, "tier": tier, "app": app, "low": low, "high": high}
    return Step(_when(dice), "create", args)


def _change(dice: Random, wishes: dict[str, Wish], kind: str, name: str) -> Step:
    wish, args = wishes[name], {"name": name}
    match kind:
        case "scale":
            wish.low, wish.high = dice.choice([(1, 1), (1, 3), (2, 2), (3, 3)])
            args |= {"low": wish.low, "high": wish.high}
        case "edit":
            wish.edits += 1
            args |= {"edits": wish.edits}
        case "pause" | "resume":
            wish.paused = kind == "pause"
        case "delete":
            del wishes[name]
        case "requests":
            args |= {"count": dice.randint(5, 30)}
        case "viewer":
            args |= {
                "seconds": dice.randint(2, 6),
                "of": dice.choice(["logs", "events"]),
            }
    return Step(_when(dice), kind, args)


# --- what breaks ------------------------------------------------------------------


class _Deck:
    """Faults as from a shuffled deck: all have struck before one does again."""

    def __init__(self, seed: int, kinds: list[str]) -> None:
        self._dice = Random(f"{seed}:deck")
        self._kinds = kinds
        self._cards: list[str] = []
        self._calls: dict[str, list[object]] = {}

    def deal(self, dice: Random) -> list[Step]:
        """One to three, each of another part of the whole."""
        steps, parts = [], set()
        for _ in range(dice.choice([1, 1, 2, 2, 3])):
            kind = self._card(parts)
            if kind is None:
                break
            fault = ALL_FAULTS[kind]
            parts.add(fault.part)
            args = {name: dice.choice(values) for name, values in fault.args.items()}
            if "call" in args:
                args["call"] = self._call(kind)
            steps.append(Step(_when(dice), kind, args))
        return steps

    def _card(self, parts: set[str]) -> str | None:
        if not self._cards:
            self._cards = list(self._kinds)
            self._dice.shuffle(self._cards)
        for place, kind in enumerate(self._cards):
            if ALL_FAULTS[kind].part not in parts:
                return self._cards.pop(place)
        return None

    def _call(self, kind: str) -> object:
        """Each call to the engine in its turn as well."""
        if not self._calls.get(kind):
            self._calls[kind] = list(ALL_FAULTS[kind].args["call"])
            self._dice.shuffle(self._calls[kind])
        return self._calls[kind].pop()


def _provoked(dice: Random, faults: list[Step], there: list[Wish]) -> list[Step]:
    """Calls to the engine go wrong only where some are made: somebody restarts an
    endpoint at that moment, which makes nearly all there are."""
    running = [w.name for w in there if not w.paused and w.app != "broken"]
    acts = [
        Step(round(fault.at + 0.3, 1), "restart", {"name": dice.choice(running)})
        for fault in faults
        if "call" in fault.args and running
    ]
    return [*faults, *acts]


def _when(dice: Random) -> float:
    return round(dice.uniform(0, SPAN), 1)
