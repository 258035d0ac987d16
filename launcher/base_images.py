"""Images that others are built from or run, also where no registry answers.

python:3.11-slim is what templates are built from; those of COMPOSE are what
docker-compose.yml asks for. Pulled when a registry answers. Otherwise a stand-in is
made from Debian's packages: see docs/air-gapped.md and docs/adr/0007. An image that
somebody else put under that name is never replaced.
"""

import http.client
import json
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from launcher.config import Config
from launcher.debian import Machine, for_suite, read_machine
from launcher.errors import LaunchError
from launcher.install import apt_install, as_root, program
from launcher.recipes import (
    COMPOSE,
    PYTHON,
    SLIM,
    Built,
    Recipe,
    Root,
    context,
    fingerprint,
)
from launcher.show import Step, run_logged, say, step
from launcher.wire import ask, json_lines

LABEL = "alight.stand-in"
# A registry that has not said a word after this is taken as not there.
FIRST_WORD_SECONDS = 20.0
SILENCE_SECONDS = 120.0
# Installations whose registry said nothing while this process runs.
_AWAY: set[Path] = set()
_INSTALLING = threading.Lock()


def by_hand(image: str) -> str:
    return (
        f"Pull {image} on a machine that reaches a registry, then: docker save {image} "
        "| ssh THIS-MACHINE docker load"
    )


def ensure(config: Config, *, asked: bool = False) -> int:
    """Have what templates are built from. A failure stops nobody unless it was asked
    for: 1, or 0.

    asked: `make images`, which also makes an outdated stand-in anew.
    """
    if not asked and config.env.get("ALIGHT_BASE_IMAGES") == "0":
        return 0
    try:
        have(config, PYTHON, asked=asked)
    except LaunchError as error:
        if asked:
            raise
        say(f"  {PYTHON.image} could not be had, so no template can be built here.")
        say(f"    {error.what}{f' See {error.log}.' if error.log else ''}")
        say("    The rest works. Mend it, then run: make images (docs/air-gapped.md)")
        return 1
    return 0


def ensure_compose(config: Config, *, asked: bool = False) -> int:
    """Have what docker-compose.yml asks for. Raises LaunchError."""
    missing = [one for one in COMPOSE if not is_had(config, one, asked=asked)]
    bases = [one for recipe in missing for one in (*recipe.needs, recipe)]
    # Side by side: each keeps one core busy for half a minute.
    roots = {one.image: one for one in bases if isinstance(one, Root)}.values()
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda root: have(config, root, asked=asked), roots))
    for recipe in missing:
        have(config, recipe, asked=asked)
    return 0


def have(config: Config, recipe: Recipe, *, asked: bool) -> None:
    """Have this image: as it is, pulled, or made here. Raises LaunchError."""
    if is_had(config, recipe, asked=asked):
        return
    for base in recipe.needs:
        have(config, base, asked=asked)
    labels = image_labels(config.docker_host, recipe.image) or {}
    make_stand_in(config, recipe, have=labels.get(LABEL))


def is_had(config: Config, recipe: Recipe, *, asked: bool) -> bool:
    """Whether it is there as it is to be left, or a registry had it."""
    labels = image_labels(config.docker_host, recipe.image)
    if labels is None:
        return pull(config, recipe)
    if asked and LABEL in labels:
        return False
    if asked:
        say(f"  {recipe.image} is there, and not made by Alight: left as it is.")
    return True


def image_labels(docker_host: str, image: str = PYTHON.image) -> dict[str, str] | None:
    """The image's labels; None when the engine does not have it."""
    answer = ask(docker_host, "GET", f"/images/{image}/json", timeout=30)
    found = json.load(answer)
    return (found["Config"].get("Labels") or {}) if answer.status == 200 else None


# --- From a registry ---------------------------------------------------------


def pull(config: Config, recipe: Recipe) -> bool:
    """Whether a registry had it. Says so when none does; a mute one is asked once."""
    if config.home in _AWAY:
        return False
    path = f"/images/create?fromImage={recipe.name}&tag={recipe.tag}"
    line = Step(f"Pulling {recipe.image}")
    line.news()
    try:
        host, wait = config.docker_host, FIRST_WORD_SECONDS
        answer = ask(host, "POST", path, timeout=wait, silence=SILENCE_SECONDS)
        follow(answer, line)
    except (OSError, http.client.HTTPException, ValueError, RuntimeError) as error:
        line.failed()
        say(f"    {error}")
        if isinstance(error, TimeoutError):
            _AWAY.add(config.home)
        return False
    line.done()
    return True


def follow(answer: http.client.HTTPResponse, line: Step) -> None:
    """Show the engine's progress to its end. Raises RuntimeError with its error."""
    layers: dict[str, int] = {}
    if answer.status != 200:
        raise RuntimeError(json.load(answer).get("message", f"HTTP {answer.status}"))
    for event in json_lines(answer):
        if "error" in event:
            raise RuntimeError(event["error"])
        detail: dict[str, Any] = event.get("progressDetail") or {}
        if event.get("status") == "Downloading":
            layers[event.get("id", "")] = detail.get("current", 0)
        line.news(f"{sum(layers.values()) / 1e6:.0f} MB")


# --- From Debian's packages --------------------------------------------------


def make_stand_in(config: Config, recipe: Recipe, *, have: str | None) -> None:
    """Make the image unless `have` is the mark of just the same one."""
    machine = read_machine(config.python)
    image = recipe.image
    if machine is None or not machine.sources:
        raise LaunchError(
            f"No image registry answers, and a stand-in for {image} can be made on "
            "Debian only.",
            by_hand(image) + ".",
        )
    mark = fingerprint(recipe, machine)
    if have == mark:
        say(f"  {image} is up to date (a stand-in made on this machine).")
        return
    if isinstance(recipe, Root):
        make_root(config, recipe, machine, mark)
    else:
        build(config, recipe, mark)


def labels_of(recipe: Recipe, mark: str) -> dict[str, str]:
    note = f"Made here, not the official {recipe.image}. Do not publish."
    return {LABEL: mark, "alight.stand-in.note": note}


def make_root(config: Config, recipe: Root, machine: Machine, mark: str) -> None:
    with _INSTALLING:
        if not program("mmdebstrap"):
            apt_install(config, ["mmdebstrap"])
    image = recipe.image
    with tempfile.TemporaryDirectory(dir=config.home) as work:
        tar = Path(work, "root.tar")
        run_logged(
            f"Making a stand-in for {image} from Debian packages, about a minute",
            [
                *as_root("sudo make images"),
                *command(recipe, machine, Path(work), tar),
            ],
            log=config.logs / f"base-image-{recipe.name}-{recipe.tag}.log",
            todo=f"Mend what the lines above name and run make images, or: "
            f"{by_hand(image)}.",
        )
        with step(f"Giving {image} to Docker"):
            load(config, recipe, tar, mark)


def build(config: Config, recipe: Built, mark: str) -> None:
    """Let the engine build it from its folder."""
    query = urlencode(
        {
            "t": recipe.image,
            "labels": json.dumps(labels_of(recipe, mark)),
            "forcerm": "1",
        }
    )
    with step(f"Making a stand-in for {recipe.image} from Debian packages"):
        answer = ask(
            config.docker_host,
            "POST",
            f"/build?{query}",
            body=context(recipe),
            headers={"Content-Type": "application/x-tar"},
            timeout=300,
        )
        said = [event for event in json_lines(answer) if answer.status == 200]
    failed = [event["error"] for event in said if "error" in event]
    if answer.status != 200 or failed:
        lines = "".join(event.get("stream", "") for event in said)
        log = config.logs / "base-image.log"
        log.write_text(lines)
        raise LaunchError(
            f"{recipe.image} could not be built: {' '.join(failed) or answer.reason}",
            f"Mend what its log names and run it again, or: {by_hand(recipe.image)}.",
            log,
        )


def command(recipe: Root, machine: Machine, work: Path, tar: Path) -> list[str]:
    """mmdebstrap's words; writes the files they name below `work`."""
    sources = for_suite(machine.sources, machine.suite, recipe.suite)
    tree = {
        "etc/apt/apt.conf.d/99-machine": "".join(f"{s}\n" for s in machine.apt_conf),
        "etc/dpkg/dpkg.cfg.d/slim": "".join(f"{s}\n" for s in SLIM).replace("=", " "),
        "etc/pip.conf": machine.pip_conf,
        "setup": recipe.setup,
        **{f"etc/apt/sources.list.d/{n}": text for n, text in sources.items()},
        **{
            f"usr/local/share/ca-certificates/{n}": text
            for n, text in machine.certificates.items()
        },
    }
    for name, text in tree.items():
        path = work / "tree" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    feeds = [work / "tree/etc/apt/sources.list.d" / name for name in sources]
    return [
        *("mmdebstrap", "--variant=minbase", "--mode=root", "--format=tar"),
        *recipe.options,
        f"--include={recipe.packages}",
        *(f"--dpkgopt={line}" for line in SLIM),
        *(f"--aptopt={line.rstrip(';')}" for line in machine.apt_conf),
        '--customize-hook=rm -f "$1"/etc/apt/sources.list '
        '"$1"/etc/apt/sources.list.d/* "$1"/etc/dpkg/dpkg.cfg.d/99mmdebstrap',
        f"--customize-hook=copy-in {work}/tree/etc {work}/tree/usr /",
        f"--customize-hook=upload {work}/tree/setup /tmp/setup",
        '--customize-hook=chroot "$1" sh /tmp/setup',
        recipe.suite,
        str(tar),
        *map(str, feeds),
    ]


def load(config: Config, recipe: Root, tar: Path, mark: str) -> None:
    labels = labels_of(recipe, mark).items()
    changes = [*recipe.settings, *(f"LABEL {k}={json.dumps(v)}" for k, v in labels)]
    query = urlencode(
        [("fromSrc", "-"), ("repo", recipe.name), ("tag", recipe.tag)]
        + [("changes", change) for change in changes],
        quote_via=quote,
    )
    size = {"Content-Length": str(tar.stat().st_size)}
    with tar.open("rb") as body:
        answer = ask(
            config.docker_host,
            "POST",
            f"/images/create?{query}",
            body=body,
            headers={**size, "Content-Type": "application/x-tar"},
            timeout=300,
        )
        try:
            follow(answer, Step(""))
        except RuntimeError as error:
            raise LaunchError(
                f"Docker did not take the image: {error}.",
                "Mend that (a full disk is the usual reason), then run make images.",
            ) from error
