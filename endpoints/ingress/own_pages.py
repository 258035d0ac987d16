"""What the console answers on an endpoint's own host, in HAProxy's words. Pure.

The section that such requests go to: pages that let a browser in, the start's progress,
and requests that are answered later. The frontend has looked at who asks.
"""

from __future__ import annotations

from endpoints.ingress import identity
from endpoints.ingress.replies import on_error, say
from endpoints.ingress.setup import Setup
from endpoints.reaching import BODY_MAX

# What begins with this on an endpoint's host is for the console, not for a replica.
RESERVED = "/-/alight/"
# The name of the section.
OWN_PAGES = "own_pages"


def render(setup: Setup) -> str:
    """The whole backend section."""
    return f"""\
backend {OWN_PAGES} from base
{identity.rules(setup)}
  acl reserved path_beg {RESERVED}
  acl asks_start path {RESERVED}start
  acl some_ready var(txn.way),word(2,/),nbsrv gt 0
  http-request return status 200 content-type application/json \
hdr X-Alight-Answer ready string '{{"state":"ready"}}' if asks_start some_ready
  # What is answered later is kept on this machine: nobody fills its disk. Nothing else
  # here takes a body, and the console would keep it before it says so.
  acl too_large req.hdr_val(content-length) gt {BODY_MAX}
  acl some_body req.hdr_val(content-length) gt 0
  acl endless req.fhdr(transfer-encoding) -m found
  {say("too_large")} if too_large or endless or reserved some_body
  http-request set-header X-Alight-Path %[pathq] if !reserved
  http-request set-uri {RESERVED}async if !reserved
  http-request set-header X-Alight-Endpoint %[var(txn.name)]
  acl passed var(txn.passed) -m bool
  acl public var(txn.way),word(4,/) -m str public
  http-request set-header X-Alight-Grant %[var(txn.grant)] if passed
  http-request set-header X-Alight-Grant public if !passed public
  http-request set-header Host {setup.console_hosts[0]}
  http-request del-header authorization
  http-request del-header cookie
{to_the_console(setup)}"""


def to_the_console(setup: Setup) -> str:
    """How the web process is reached, in any section."""
    return f"""\
  # A connection each: no form is posted on one that the web process is just closing.
  option http-server-close
  retries 0
  {on_error("console", 502)}
  {on_error("console", 503)}
  server web "unix@{setup.web_socket}"
"""
