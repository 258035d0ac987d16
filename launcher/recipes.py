"""What stand-ins of base images are made of: launcher/base_images.py."""

from __future__ import annotations

import hashlib
import io
import tarfile
from dataclasses import dataclass
from pathlib import Path

from launcher.debian import Machine

FOLDER = Path(__file__).parent / "stand_ins"
# The official -slim images leave the same out.
SLIM = (
    "path-exclude=/usr/share/doc/*",
    "path-include=/usr/share/doc/*/copyright",
    "path-exclude=/usr/share/man/*",
    "path-exclude=/usr/share/info/*",
    "path-exclude=/usr/share/locale/*",
    "path-exclude=/usr/share/lintian/*",
)
_PATH = "ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class Root:
    """A minimal Debian, put together by mmdebstrap.

    suite: Debian's name of the release. packages: by commas. setup: a shell script
    that runs in it. settings: the image's, in a Dockerfile's words. options: further
    ones of mmdebstrap.
    """

    name: str
    tag: str
    suite: str
    packages: str
    setup: str
    settings: tuple[str, ...]
    options: tuple[str, ...] = ()
    needs: tuple[Recipe, ...] = ()

    @property
    def image(self) -> str:
        return f"{self.name}:{self.tag}"


@dataclass(frozen=True)
class Built:
    """A Dockerfile in a folder below stand_ins/. needs: what it is built from."""

    name: str
    tag: str
    folder: str
    needs: tuple[Recipe, ...]

    @property
    def image(self) -> str:
        return f"{self.name}:{self.tag}"


Recipe = Root | Built

_TIDY = r"""
apt-get clean
rm -rf /tmp/* /var/lib/apt/lists/* /var/cache/apt/*.bin /var/log/apt /var/log/*.log
"""
_DEBIAN_SETUP = f"set -e\nupdate-ca-certificates{_TIDY}"
# Without it Debian 12 pulls in all of Perl to merge /usr.
_MERGED = ("--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr",)

PYTHON = Root(
    name="python",
    tag="3.11-slim",
    # The Debian release whose Python is 3.11.
    suite="bookworm",
    packages="usr-is-merged,ca-certificates,netbase,tzdata,"
    "python3.11,python3.11-venv,python3-distutils",
    # As in the official image: python, pip and what pip installs are in /usr/local, the
    # headers are there, Debian's own Python packages are not seen.
    setup=r"""
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
apt-get clean
rm -rf /tmp/* /usr/local/share/man /usr/local/bin/activate* /usr/local/bin/Activate.ps1
rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin /var/log/apt /var/log/*.log
find /usr/local /usr/lib/python3.11 -name __pycache__ -prune -exec rm -rf {} +
""",
    settings=(
        "ENV PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin",
        "ENV LANG=C.UTF-8",
        "ENV PYTHON_VERSION=3.11.2",
        'CMD ["python3"]',
    ),
    options=_MERGED,
)
BOOKWORM = Root(
    name="debian",
    tag="bookworm-slim",
    suite="bookworm",
    packages="usr-is-merged,ca-certificates",
    setup=_DEBIAN_SETUP,
    settings=(_PATH, 'CMD ["bash"]'),
    options=_MERGED,
)
TRIXIE = Root(
    name="debian",
    tag="trixie-slim",
    suite="trixie",
    packages="ca-certificates",
    setup=_DEBIAN_SETUP,
    settings=(_PATH, 'CMD ["bash"]'),
)
COMPOSE: tuple[Recipe, ...] = (
    BOOKWORM,
    Built("postgres", "17", "postgres", needs=(TRIXIE,)),
    Built("valkey/valkey", "8", "valkey", needs=(TRIXIE,)),
)


def fingerprint(recipe: Recipe, machine: Machine) -> str:
    """Changes when the recipe does, or what the machine puts into it."""
    made_of = context(recipe) if isinstance(recipe, Built) else SLIM
    parts = repr((machine, recipe, made_of))
    return hashlib.sha256(parts.encode()).hexdigest()[:16]


def context(recipe: Built) -> bytes:
    """A tar of its folder, the same one each time."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for path in sorted((FOLDER / recipe.folder).iterdir()):
            info = tarfile.TarInfo(path.name)
            info.mode, info.size = path.stat().st_mode & 0o755, path.stat().st_size
            with path.open("rb") as file:
                tar.addfile(info, file)
    return packed.getvalue()
