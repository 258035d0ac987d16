"""The engine's words, turned into ours. Pure: a status and a message, an error back.

Docker has no error codes beyond the HTTP status, so its sentences are matched. The
table is ordered: the first row that fits wins. What fits no row keeps Docker's words.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from endpoints import advice
from replicas.engine import base, names

_REFUSED = "The Docker engine refused: "
# Letters of the engine's message that are read.
_LONGEST = 2000
_ADD = "add a registry sign-in and choose it on the endpoint’s Edit page."
_CHOOSE = "choose another registry sign-in on the endpoint’s Edit page."

Sentence = Callable[[str, str], base.EngineError]


class Gone(base.EngineRefused):
    """The container is not there, or is on its way out. Often that is success."""


class LeftBehind(base.EngineRefused):
    """The engine was killed while it started this container: it can never be started.

    Its processes may live for all that.
    """


class NoVolume(base.EngineRefused):
    """The volume is not there. Often that is success."""


class SignedOut(base.RegistryRefused):
    """The registry does not accept the sign-in, or wants one."""


class RateLimited(base.RegistryRefused):
    """The registry wants its callers to wait."""

    reason = "RateLimited"


class NoGpuDriver(base.GpuUnavailable):
    """The engine knows no way to give GPUs. Others have one, and it fails."""


def translate(status: int, message: str, *, image: str = "") -> base.EngineError:
    """The error for an answer of the engine; `image` is what it was about, if any.

    `status` 0 stands for an error inside a stream that began well.
    """
    # Bounded: a registry chooses these words, and the patterns go over all of them.
    said = " ".join(message[:_LONGEST].split())
    for pattern, make in _TABLE:
        if pattern.search(said):
            return make(image, said)
    if status == 404 and image:
        return _not_found(image, said)
    reason = _clean(said) or "it gave no reason"
    return base.EngineRefused(f"{_REFUSED}{_ended(reason)}")


def unreachable(detail: str = "") -> base.EngineUnreachable:
    """Nothing answers on the engine's socket."""
    if "permission denied" in detail.lower():
        opened = "Add the user it runs as to the group docker, then start Alight again."
        if advice.by_compose():
            opened = "DOCKER_GID in .env has to be the number of its group."
        return base.EngineUnreachable(
            f"The Docker engine’s socket is closed to Alight. {opened}"
        )
    return base.EngineUnreachable(
        "The Docker engine does not answer. Start it with “sudo systemctl start "
        "docker”; Alight goes on by itself as soon as it answers."
    )


def slow(seconds: float) -> base.EngineSlow:
    """A call that the engine took and did not answer."""
    return base.EngineSlow(
        f"The Docker engine took a call and has not answered it for {seconds:.0f} s. "
        "If that goes on, look at what it does with “docker ps” and the node’s disk."
    )


def build_failed(step: str, detail: str, tail: list[str]) -> base.BuildFailed:
    """A step of the Dockerfile failed; `step` is that line, as far as known."""
    code = re.search(r"returned a non-zero code: (\d+)", detail)
    why = f"with exit code {code[1]}" if code else f"and said: {_clean(detail)}"
    where = f"at “{_short(step)}” " if step else ""
    shown = " Its last lines are below." if tail else ""
    return base.BuildFailed(
        f"The build failed {where}{_ended(why)}{shown} Mend the Dockerfile or what it "
        "needs, then try again.",
        tail=tail,
    )


def sign_in_refused(sign_in: base.SignIn) -> base.RegistryRefused:
    """The registry does not accept the sign-in itself."""
    return base.RegistryRefused(
        f"{_said_registry(sign_in)} refused this username and password. Check both; "
        "some registries want an access token as the password."
    )


def image_refused(
    sign_in: base.SignIn, image: str, error: base.RegistryRefused | None = None
) -> base.RegistryRefused:
    """The registry does not give this sign-in the image; `error`: what it said."""
    registry = _said_registry(sign_in)
    if isinstance(error, RateLimited):
        return RateLimited(
            f"{registry} allows {sign_in.username} no more pulls for now. Wait, or "
            f"{_CHOOSE}"
        )
    if isinstance(error, SignedOut):
        return SignedOut(
            f"{registry} refused the sign-in of {sign_in.username}. Check its "
            f"password, or {_CHOOSE}"
        )
    path = names.split_registry(image)[1]
    return base.RegistryRefused(
        f"{registry} refused {path} to {sign_in.username}: there is no such image, or "
        f"this sign-in may not pull it. Check the name, or {_CHOOSE}"
    )


def sign_in_for_another(sign_in: base.SignIn, image: str) -> base.RegistryRefused:
    """The sign-in belongs to another registry than the image's."""
    return base.RegistryRefused(
        f"The sign-in is for {_said_registry(sign_in)}, and the image comes from "
        f"{registry_of(image)}. To mend it, {_CHOOSE}"
    )


def volume_in_use(name: str) -> base.VolumeInUse:
    return base.VolumeInUse(
        f"The volume {name} is in use by a container or a download. It can be removed "
        "once that is over."
    )


def no_image_name(text: str) -> base.ImageNotFound:
    return base.ImageNotFound(
        f"“{_short(text)}” is no image name. Write it like "
        "registry.lab.example/app:1.0."
    )


def volume_of_others(name: str) -> base.EngineRefused:
    return base.EngineRefused(
        f"The volume {name} does not belong to this installation, so it stays as it is."
    )


def registry_silent(registry: str) -> base.RegistryUnreachable:
    return base.RegistryUnreachable(
        f"{registry} did not answer in time. Check the node’s network and the "
        "registry’s address."
    )


def _no_volume(image: str, said: str) -> base.EngineError:
    return NoVolume("The volume is not on this node.")


def _volume_in_use(image: str, said: str) -> base.EngineError:
    named = re.search(r"remove (\S+): volume is in use", said)
    return volume_in_use(named[1] if named else "it asked for")


def _no_registry(image: str, said: str) -> base.EngineError:
    return base.RegistryUnreachable(
        f"What answers at {registry_of(image)} is no registry. Check the address. "
        f"The engine said: {_end(said)}"
    )


def _said_registry(sign_in: base.SignIn) -> str:
    return registry_of(f"{names.registry_host(sign_in.registry)}/")


def bad_exit(code: int | None, program: str) -> str:
    """What exit codes 126 and 127 mean, for `Observed.error`; else empty.

    Containers run below an init process, so a missing program shows only here.
    """
    if code == 127:
        return f"A program was not found. Check the command, which starts “{program}”."
    if code == 126:
        return f"“{program}” could not be run. Check that it may be executed."
    return ""


def registry_of(image: str) -> str:
    host = names.split_registry(image)[0]
    return "Docker Hub" if host == names.DEFAULT_REGISTRY else host


def _gone(image: str, said: str) -> base.EngineError:
    return Gone("The container is gone: someone removed it.")


def _not_found(image: str, said: str) -> base.EngineError:
    path = names.split_registry(image)[1]
    return base.ImageNotFound(
        f"{registry_of(image)} answered “not found” for {path}. Check the image name "
        "and its tag."
    )


def _not_here(image: str, said: str) -> base.EngineError:
    missing = re.search(r"No such image: (\S+)", said, re.IGNORECASE)
    name = image or (missing[1] if missing else "the image")
    return base.ImageNotFound(f"{name} is not on this node. It has to be pulled again.")


def _denied(image: str, said: str) -> base.EngineError:
    path = names.split_registry(image)[1]
    return base.RegistryRefused(
        f"{registry_of(image)} refused {path}: there is no such image, or it needs a "
        f"sign-in. Check the name, or {_ADD}"
    )


def _signed_out(image: str, said: str) -> base.EngineError:
    return SignedOut(f"{registry_of(image)} refused the sign-in. To mend it, {_ADD}")


def _rate_limited(image: str, said: str) -> base.EngineError:
    return RateLimited(
        f"{registry_of(image)} allows no more pulls for now. Wait, or {_ADD}"
    )


def _registry_away(image: str, said: str) -> base.EngineError:
    return base.RegistryUnreachable(
        f"{registry_of(image)} did not answer when asked for "
        f"{names.split_registry(image)[1] or 'the image'}. Check the node’s network "
        f"and the registry’s address. The engine said: {_end(said)}"
    )


def _disk_full(image: str, said: str) -> base.EngineError:
    return base.DiskFull(
        "No space is left on the node’s disk. Free some, for example with "
        "“docker image prune”, then try again."
    )


def _no_command(image: str, said: str) -> base.EngineError:
    program = re.search(r'exec: \\?"([^"\\]+)\\?"', said)
    what = f"“{program[1]}”" if program else "the command"
    return base.NoSuchCommand(
        f"The image has no program {what}. Check the command, or leave it empty to "
        "use the image’s own."
    )


def _no_gpu_driver(image: str, said: str) -> base.EngineError:
    return NoGpuDriver(
        "This node’s engine cannot give GPUs to containers. Install the NVIDIA "
        "Container Toolkit, run “sudo nvidia-ctk runtime configure”, then restart "
        "Docker."
    )


def _gpu_driver_silent(image: str, said: str) -> base.EngineError:
    return base.GpuUnavailable(
        "The node’s NVIDIA driver does not answer. Check it with “nvidia-smi”; after "
        f"an update of the driver, restart the node. The engine said: {_end(said)}"
    )


def _gpu_unknown(image: str, said: str) -> base.EngineError:
    return base.GpuLost(
        "The GPU of this replica is gone from the node. Check it with “nvidia-smi”. "
        f"The engine said: {_end(said)}"
    )


def _left_behind(image: str, said: str) -> base.EngineError:
    return LeftBehind(
        "The Docker engine was killed while it started this container, and cannot "
        "start it any more. What is left of it is ended."
    )


def _little_memory(image: str, said: str) -> base.EngineError:
    return base.EngineRefused(
        "The memory limit is too low for a container. Choose a larger tier."
    )


def _row(pattern: str, make: Sentence) -> tuple[re.Pattern[str], Sentence]:
    return re.compile(pattern, re.IGNORECASE), make


_TABLE = [
    _row(r"no such container|removal of container .* in progress", _gone),
    _row(r"container which is dead or marked for removal", _gone),
    _row(
        r"task \S+ already exists|\bid already in use|container with (given )?id \S*"
        r" ?(already )?exists",
        _left_behind,
    ),
    _row(r"no such volume", _no_volume),
    _row(r"volume is in use", _volume_in_use),
    _row(r"no space left on device", _disk_full),
    _row(r"could not select device driver", _no_gpu_driver),
    _row(
        r"nvidia-container-cli: initialization error|nvml error: driver"
        r"|driver/library version mismatch|failed to initialize NVML",
        _gpu_driver_silent,
    ),
    _row(r"unknown device|unresolvable CDI|nvidia-container-cli: device", _gpu_unknown),
    _row(r"minimum memory limit", _little_memory),
    _row(r"toomanyrequests|too many requests|rate limit", _rate_limited),
    _row(r"incorrect username or password|authentication required", _signed_out),
    _row(r"login attempt to \S+ failed with status: 40[13]", _signed_out),
    _row(r"login attempt to \S+ failed with status", _no_registry),
    _row(r"pull access denied|requested access .* denied", _denied),
    _row(r"unauthorized|no basic auth|denied: |403 Forbidden", _denied),
    _row(
        r"executable file not found|OCI runtime .*exec.*no such file or directory"
        r"|exec: .*permission denied",
        _no_command,
    ),
    _row(r"no such image", _not_here),
    _row(r"manifest .*(unknown|not found)|repository .*not found", _not_found),
    _row(r"no matching manifest", _not_found),
    _row(r"name unknown|failed to resolve reference.*not found", _not_found),
    _row(
        r"dial (tcp|udp)|lookup .*(no such host|server misbehaving|timeout)"
        r"|connection refused|no route to host|network is unreachable"
        r"|TLS handshake|x509:|i/o timeout|Client\.Timeout|request canceled"
        r"|received unexpected HTTP status: 5\d\d|unexpected EOF|connection reset"
        r"|server gave HTTP response to HTTPS",
        _registry_away,
    ),
]


def _clean(said: str) -> str:
    for prefix in ("Error response from daemon: ", _REFUSED):
        said = said.removeprefix(prefix)
    return _short(said, 300)


def _end(said: str) -> str:
    return _ended(_clean(said))


def _short(text: str, limit: int = 120) -> str:
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def _ended(text: str) -> str:
    return text if text.endswith((".", "…")) else f"{text}."
