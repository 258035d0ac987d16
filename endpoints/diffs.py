"""What differs between two containers, in the interface's words. Pure.

Values of secrets are never in what is returned: a secret that changed says so.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from templates_app.spec import ContainerSpec, EnvVar, VolumeSpec

_HIDDEN = "a secret"
# Letters of one value in a summary; the diff shows all of it.
_SHORT = 40


@dataclass(frozen=True)
class Deployed:
    """A container and the name of its hardware, such as "Medium, A10"."""

    spec: ContainerSpec
    hardware: str


@dataclass(frozen=True)
class Change:
    """One line: `before` and `after` are "" for what was not set.

    note: said instead of the values, when they are a secret's.
    """

    field: str
    before: str
    after: str
    note: str = ""

    @property
    def words(self) -> str:
        """ "Port 3000 → 7860", "HF_TOKEN added", "HF_TOKEN: value changed"."""
        if self.note:
            return f"{self.field}: {self.note}"
        if not self.before:
            return f"{self.field} {_short(self.after)}"
        if not self.after:
            return f"no {_lower(self.field)}"
        return f"{self.field} {_short(self.before)} → {_short(self.after)}"


def between(before: Deployed, after: Deployed) -> list[Change]:
    """What is to be done to `before` to have `after`, in the order of the form."""
    old, new = _plain(before), _plain(after)
    changes = [Change(name, old[name], new[name]) for name in old]
    found = [change for change in changes if change.before != change.after]
    found += _variables(before.spec.env, after.spec.env)
    found += _chosen(before.spec.secrets, after.spec.secrets)
    if before.spec.hints != after.spec.hints:
        found.append(Change("Log hints", "", "", "changed"))
    if (old_try := _to_try(before.spec)) != (new_try := _to_try(after.spec)):
        found.append(Change("Example request", old_try, new_try))
    return found


def summary(changes: Sequence[Change], most: int = 2) -> str:
    """In one line: the first ones, then how many more."""
    if not changes:
        return "No change"
    told = [change.words for change in changes[:most]]
    text = ", ".join(told)
    more = len(changes) - len(told)
    if more:
        text += f" and {more} more change{'' if more == 1 else 's'}"
    return text[:1].upper() + text[1:]


def _plain(deployed: Deployed) -> dict[str, str]:
    spec = deployed.spec
    image = f"{spec.image}, built on the node" if spec.build else spec.image
    return {
        "Container image": image,
        "Registry sign-in": spec.registry,
        "Hardware": deployed.hardware,
        "Port": str(spec.port),
        "Health check path": spec.health_path,
        "Command": shlex.join(spec.command),
        "Arguments": shlex.join(spec.args),
        "Volume": _volume(spec.volume),
        "Shared memory": f"{spec.shm_mb} MB" if spec.shm_mb else "",
    }


def _to_try(spec: ContainerSpec) -> str:
    words = ["OpenAI"] if spec.openai else []
    if spec.example:
        words += [spec.example.method, spec.example.path, spec.example.body]
    return " ".join(words).strip()


def _volume(volume: VolumeSpec | None) -> str:
    return f"{volume.name} at {volume.mount}" if volume else ""


def _variables(old: Sequence[EnvVar], new: Sequence[EnvVar]) -> Iterator[Change]:
    before, after = {e.name: e for e in old}, {e.name: e for e in new}
    for name in {**before, **after}:
        was, now = before.get(name), after.get(name)
        if was is None or now is None:
            yield _one_side(name, was, now)
        elif was.secret and now.secret:
            if was.value != now.value:
                yield Change(name, _HIDDEN, _HIDDEN, "value changed")
        elif was.secret or now.secret:
            yield Change(name, _shown(was), _shown(now))
        elif was.value != now.value:
            yield _values(name, was.value, now.value)


def _one_side(name: str, was: EnvVar | None, now: EnvVar | None) -> Change:
    if now is not None:
        text = _shown(now)
        return Change(name, "", text, "" if text else "added, empty")
    text = _shown(was) if was else ""
    return Change(name, text, "", "removed")


def _values(name: str, was: str, now: str) -> Change:
    if not was or not now:
        return Change(name, was or "(empty)", now or "(empty)")
    return Change(name, was, now)


def _shown(variable: EnvVar) -> str:
    return _HIDDEN if variable.secret else variable.value


def _chosen(old: Sequence[str], new: Sequence[str]) -> Iterator[Change]:
    for key in old:
        if key not in new:
            yield Change(key, "from Secrets", "", "removed")
    for key in new:
        if key not in old:
            yield Change(key, "", "from Secrets", "added from Secrets")


def _lower(field: str) -> str:
    return field[:1].lower() + field[1:]


def _short(text: str) -> str:
    return text if len(text) <= _SHORT else f"{text[: _SHORT - 1]}…"
