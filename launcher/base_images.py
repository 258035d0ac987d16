"""python:3.11-slim, which templates are built from, also where no registry answers.

Pulled when a registry answers. Otherwise a stand-in is made from Debian's packages:
see docs/air-gapped.md and docs/adr/0007. An image that somebody else put under that
name is never replaced.
"""

import hashlib
import http.client
import json
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from launcher.config import Config
from launcher.debian import Machine, for_suite, read_machine
from launcher.errors import LaunchError
from launcher.install import apt_install, as_root, program
from launcher.show import Step, run_logged, say, step
from launcher.wire import ask, json_lines

NAME, TAG = "python", "3.11-slim"
IMAGE = f"{NAME}:{TAG}"
# The Debian release whose Python is 3.11.
SUITE = "bookworm"
LABEL = "alight.stand-in"
# A registry that has not said a word after this is taken as not there.
FIRST_WORD_SECONDS = 20.0
SILENCE_SECONDS = 120.0

PACKAGES = "ca-certificates,netbase,tzdata,python3.11,python3.11-venv,python3-distutils"
# The official -slim images leave the same out.
SLIM = (
    "path-exclude=/usr/share/doc/*",
    "path-include=/usr/share/doc/*/copyright",
    "path-exclude=/usr/share/man/*",
    "path-exclude=/usr/share/info/*",
    "path-exclude=/usr/share/locale/*",
    "path-exclude=/usr/share/lintian/*",
)
# As in the official image: python, pip and what pip installs are in /usr/local, the
# headers are there, Debian's own Python packages are not seen.
SETUP = r"""
set -e
update-ca-certificates
cd /tmp && apt-get -q download libpython3.11-dev
dpkg-deb -x libpython3.11-dev_*.deb dev && cp -a dev/usr/include/. /usr/include/
python3.11 -m venv --system-site-packages /usr/local
cat > /etc/python3.11/sitecustomize.py <<'EOF'
import sys
if sys.prefix == "/usr/local":
    sys.path[:] = [p for p in sys.path if p != "/usr/lib/python3/dist-packages"]
EOF
rm -rf /tmp/* /usr/local/share/man /usr/local/bin/activate* /usr/local/bin/Activate.ps1
rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin /var/log/apt /var/log/*.log
find /usr/local /usr/lib/python3.11 -name __pycache__ -prune -exec rm -rf {} +
"""
SETTINGS = (
    "ENV PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin",
    "ENV LANG=C.UTF-8",
    "ENV PYTHON_VERSION=3.11.2",
    'CMD ["python3"]',
)
BY_HAND = (
    f"Pull {IMAGE} on a machine that reaches a registry, then: docker save {IMAGE} | "
    "ssh THIS-MACHINE docker load"
)


def ensure(config: Config, *, asked: bool = False) -> int:
    """Have the image. A failure stops nobody unless it was asked for: 1, or 0.

    asked: `make images`, which also makes an outdated stand-in anew.
    """
    if not asked and config.env.get("ALIGHT_BASE_IMAGES") == "0":
        return 0
    labels = image_labels(config.docker_host)
    if labels is not None and (not asked or LABEL not in labels):
        if asked:
            say(f"  {IMAGE} is there, and not made by Alight: left as it is.")
        return 0
    try:
        if labels is None and pull(config):
            return 0
        make_stand_in(config, have=(labels or {}).get(LABEL))
    except LaunchError as error:
        if asked:
            raise
        say(f"  {IMAGE} could not be had, so no template can be built here.")
        say(f"    {error.what}{f' See {error.log}.' if error.log else ''}")
        say("    The rest works. Mend it, then run: make images (docs/air-gapped.md)")
        return 1
    return 0


def image_labels(docker_host: str) -> dict[str, str] | None:
    """The image's labels; None when the engine does not have it."""
    answer = ask(docker_host, "GET", f"/images/{IMAGE}/json", timeout=30)
    found = json.load(answer)
    return (found["Config"].get("Labels") or {}) if answer.status == 200 else None


# --- From a registry ---------------------------------------------------------


def pull(config: Config) -> bool:
    """Whether a registry had it. Says so when none does."""
    path = f"/images/create?fromImage={NAME}&tag={TAG}"
    line = Step(f"Pulling {IMAGE}")
    line.news()
    try:
        host, wait = config.docker_host, FIRST_WORD_SECONDS
        answer = ask(host, "POST", path, timeout=wait, silence=SILENCE_SECONDS)
        follow(answer, line)
    except (OSError, http.client.HTTPException, ValueError, RuntimeError) as error:
        line.failed()
        say(f"    {error}")
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


def make_stand_in(config: Config, *, have: str | None) -> None:
    """Make the image unless `have` is the mark of just the same one."""
    machine = read_machine(config.python)
    if machine is None or not machine.sources:
        raise LaunchError(
            f"No image registry answers, and a stand-in for {IMAGE} can be made on "
            "Debian only.",
            BY_HAND + ".",
        )
    mark = fingerprint(machine)
    if have == mark:
        say(f"  {IMAGE} is up to date (a stand-in made on this machine).")
        return
    if not program("mmdebstrap"):
        apt_install(config, ["mmdebstrap"])
    with tempfile.TemporaryDirectory(dir=config.home) as work:
        tar = Path(work, "root.tar")
        run_logged(
            f"Making a stand-in for {IMAGE} from Debian packages, about a minute",
            [*as_root("sudo make images"), *command(machine, Path(work), tar)],
            log=config.logs / "base-image.log",
            todo=f"Mend what the lines above name and run make images, or: {BY_HAND}.",
        )
        with step(f"Giving {IMAGE} to Docker"):
            load(config, tar, mark)


def fingerprint(machine: Machine) -> str:
    """Changes when the recipe does, or what the machine puts into it."""
    parts = repr((machine, PACKAGES, SLIM, SETUP, SETTINGS))
    return hashlib.sha256(parts.encode()).hexdigest()[:16]


def command(machine: Machine, work: Path, tar: Path) -> list[str]:
    """mmdebstrap's words; writes the files they name below `work`."""
    sources = for_suite(machine.sources, machine.suite, SUITE)
    tree = {
        "etc/apt/apt.conf.d/99-machine": "".join(f"{s}\n" for s in machine.apt_conf),
        "etc/dpkg/dpkg.cfg.d/slim": "".join(f"{s}\n" for s in SLIM).replace("=", " "),
        "etc/pip.conf": machine.pip_conf,
        "setup": SETUP,
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
        # Without it Debian 12 pulls in all of Perl to merge /usr.
        "--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr",
        f"--include=usr-is-merged,{PACKAGES}",
        *(f"--dpkgopt={line}" for line in SLIM),
        *(f"--aptopt={line.rstrip(';')}" for line in machine.apt_conf),
        '--customize-hook=rm -f "$1"/etc/apt/sources.list '
        '"$1"/etc/apt/sources.list.d/* "$1"/etc/dpkg/dpkg.cfg.d/99mmdebstrap',
        f"--customize-hook=copy-in {work}/tree/etc {work}/tree/usr /",
        f"--customize-hook=upload {work}/tree/setup /tmp/setup",
        '--customize-hook=chroot "$1" sh /tmp/setup',
        SUITE,
        str(tar),
        *map(str, feeds),
    ]


def load(config: Config, tar: Path, mark: str) -> None:
    labels = {
        LABEL: mark,
        "alight.stand-in.note": f"Made here, not the official {IMAGE}. Do not publish.",
    }
    changes = [*SETTINGS, *(f"LABEL {k}={json.dumps(v)}" for k, v in labels.items())]
    query = urlencode(
        [("fromSrc", "-"), ("repo", NAME), ("tag", TAG)]
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
