"""Who asks, and for which host, is for the ingress to say. In HAProxy's words; pure.

What clients send of it is taken out, in each section that passes requests on.
"""

from __future__ import annotations

from endpoints.ingress.setup import Setup

_THEIRS = (
    "^(x-(forwarded|alight|ingress|auth|original)-|remote-"
    "|(forwarded|via|x-real-ip|x-client-ip|x-rewrite-url|proxy)$)"
)


def on_arrival(setup: Setup) -> str:
    """The frontend's: from where a request comes."""
    if not setup.proxies:
        # Spelled once for a connection, rather than for each of its requests.
        return "  tcp-request session set-var(sess.from) src,lower"
    # A proxy before us adds at the end whom it saw; the rest anybody may have sent.
    return (
        f"  acl from_proxy src {' '.join(setup.proxies)}\n"
        "  http-request set-src req.hdr_ip(x-forwarded-for,-1) if from_proxy"
    )


def rules(setup: Setup) -> str:
    """The first rules of a section whose server is told who asks."""
    address = "src" if setup.proxies else "var(sess.from)"
    return f"""\
  http-request del-header '{_THEIRS}' -m reg
  http-request add-header X-Forwarded-For %[{address}]
  http-request add-header X-Forwarded-Proto {setup.scheme}
  http-request add-header X-Forwarded-Host %[req.hdr(host)]"""
