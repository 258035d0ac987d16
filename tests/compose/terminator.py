"""What holds the certificates before the stack: the HAProxy of docs/production.md."""

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter

from launcher.config import ROOT
from launcher.install import program
from launcher.ports import holder
from tests.compose.stack import Stack
from tests.ports import free_port
from tests.waiting import until

DOMAIN = "gpu.example"
SETTINGS = {
    "ALIGHT_DOMAIN": DOMAIN,
    "ALIGHT_SCHEME": "https",
    "ALIGHT_BIND": "127.0.0.1",
}


@dataclass
class Secure:
    """A console as people reach it: by its name, at the usual ports for all they know.

    port, plain: where https and http are listened for on 127.0.0.1.
    """

    console: Stack
    port: int
    plain: int
    certificate: Path
    url: str = f"https://{DOMAIN}"
    cookies: list[dict[str, Any]] = field(default_factory=list)

    @property
    def password(self) -> str:
        return self.console.password

    def token(self) -> str:
        return self.console.token()

    def endpoint_url(self, name: str) -> str:
        return f"https://{name}.{DOMAIN}"

    def session(self, source: str = "127.0.0.1") -> requests.Session:
        """A program at that address, which trusts the certificate."""
        made = requests.Session()
        # No other certificates or proxies that this machine's environment names.
        made.trust_env = False
        made.verify = str(self.certificate)
        made.mount("https://", _Resolved(self.port, source))
        return made

    @property
    def chromium_flags(self) -> list[str]:
        """As if DNS led there."""
        names = (DOMAIN, f"*.{DOMAIN}")
        ports = ((443, self.port), (80, self.plain))
        rules = [f"MAP {n}:{a} 127.0.0.1:{b}" for n in names for a, b in ports]
        return [f"--host-resolver-rules={','.join(rules)}"]


class _Resolved(HTTPAdapter):
    """Every https://NAME leads to one port of this machine, as DNS would have it."""

    def __init__(self, port: int, source: str) -> None:
        self._port = port
        super().__init__()
        self.poolmanager.connection_pool_kw["source_address"] = (source, 0)

    def add_headers(self, request, **rest):
        request.headers["Host"] = urlsplit(request.url).hostname

    def get_connection_with_tls_context(self, request, verify, proxies=None, cert=None):
        name = urlsplit(request.url).hostname
        where, tls = self.build_connection_pool_key_attributes(request, verify, cert)
        where |= {"host": "127.0.0.1", "port": self._port}
        tls |= {"server_hostname": name, "assert_hostname": name}
        return self.poolmanager.connection_from_host(**where, pool_kwargs=tls)


@contextmanager
def terminated(console: Stack, folder: Path) -> Iterator[Secure]:
    """The stack with a certificate before it. folder: an empty one."""
    made = Secure(console, free_port(), free_port(), folder / "crt.pem")
    _make_certificate(made.certificate, folder / "key.pem")
    both = folder / "both.pem"
    both.write_text(made.certificate.read_text() + (folder / "key.pem").read_text())
    config = folder / "haproxy.cfg"
    config.write_text(
        replaced(
            written("HAProxy"),
            {
                "bind :80\n": f"bind 127.0.0.1:{made.plain}\n",
                "bind :443 ": f"bind 127.0.0.1:{made.port} ",
                "/etc/ssl/private/gpu.example.pem": str(both),
                "127.0.0.1:8080": f"127.0.0.1:{console.port}",
            },
        )
    )
    command = [program("haproxy"), "-db", "-q", "-f", str(config)]
    with console.with_settings(**SETTINGS), subprocess.Popen(command) as proxy:
        try:
            until(lambda: holder(made.port) or proxy.poll() is not None)
            assert proxy.poll() is None, config.read_text()
            yield made
        finally:
            proxy.terminate()


def written(heading: str) -> str:
    """The text that docs/production.md shows below this heading."""
    page = (ROOT / "docs" / "production.md").read_text()
    below = page.partition(f"\n### {heading}\n")[2].partition("\n#")[0]
    lines = re.findall(r"^(?: {4}(.*)|)$", below, re.MULTILINE)
    return "\n".join(lines).strip() + "\n"


def replaced(text: str, words: dict[str, str]) -> str:
    """With what differs on a test's machine; each must be there once."""
    for old, new in words.items():
        assert text.count(old) == 1, (old, text)
        text = text.replace(old, new)
    return text


def _make_certificate(path: Path, key: Path) -> None:
    names = f"subjectAltName=DNS:{DOMAIN},DNS:*.{DOMAIN}"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-nodes", "-days", "2"),
            *("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"),
            *("-subj", f"/CN={DOMAIN}", "-addext", names),
            *("-keyout", str(key), "-out", str(path)),
        ],
        check=True,
        capture_output=True,
    )
