"""The rules every request goes through, in HAProxy's words. Pure.

All http-request rules run before any use_backend, in the order they are written here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from endpoints.ingress import counting
from endpoints.ingress.answers import content_security_policy
from endpoints.ingress.replies import say, say_state, status_of
from endpoints.ingress.setup import Setup
from endpoints.reaching import BODY_MAX

# What begins with this on an endpoint's host is for the console, not for a replica.
RESERVED = "/-/alight/"

_IDENTITY = (
    "^(x-(forwarded|alight|ingress|auth|original)-|remote-"
    "|(forwarded|via|x-real-ip|x-client-ip|x-rewrite-url|proxy)$)"
)
_OWN = "http-after-response set-header"
# The digests of what may be shown: the whole Authorization header, or the cookie.
_OF_HEADER = "req.fhdr(authorization),sha2(256),hex"
_UNTIL = "var(txn.grant),concat(/,txn.name),map_str_int(grants.map,0)"


def render(setup: Setup) -> str:
    """The whole frontend section."""
    binds = "\n".join(f"  {_bind(address, setup.port)}" for address in setup.binds)
    parts = (
        f"frontend people from base\n{binds}",
        _identity(setup),
        _own_answers(),
        _hosts(setup),
        _access(setup),
        _reserved(setup),
        _counting(),
        _credentials(setup),
        _readiness(),
        _responses(setup),
        """\
  # Not asked here: keeps who has which place for those who look it up.
  acl upstreams var(txn.slot),map(upstreams.map) -m found

  use_backend console if console
  use_backend console if for_console
  use_backend %[var(txn.slot)]
""",
    )
    return "\n\n".join(parts)


def _identity(setup: Setup) -> str:
    return f"""\
{_proxies(setup)}  http-request set-var(txn.began) date(0,us)
  http-request set-var(txn.wait) req.hdr(x-alight-wait)

  # Who asks, and for which host, is for the ingress to say.
  http-request del-header '{_IDENTITY}' -m reg
  http-request set-header X-Forwarded-Proto {setup.scheme}
  http-request set-header X-Forwarded-Host %[req.hdr(host)]
  http-request set-var(txn.host) req.hdr(host),host_only,lower,rtrim(.)"""


def _proxies(setup: Setup) -> str:
    """A proxy before us adds at the end whom it saw; the rest anybody may have sent."""
    if not setup.proxies:
        return ""
    return (
        f"  acl from_proxy src {' '.join(setup.proxies)}\n"
        "  http-request set-src req.hdr_ip(x-forwarded-for,-1) if from_proxy\n"
    )


def _own_answers() -> str:
    policy = content_security_policy()
    return f"""\
  # What the ingress says itself: a page for browsers, JSON for others, kept by none.
  acl html var(txn.kind) -m str html
  acl served var(txn.served) -m bool
  http-request set-var(txn.kind) str(json)
  http-request set-var(txn.kind) str(html) if {{ req.fhdr(accept) -m sub text/html }}
  http-response set-var(txn.served) bool(true)
  {_OWN} Content-Type "text/html; charset=utf-8" if !served html
  {_OWN} Content-Security-Policy "{policy}" if !served html
  {_OWN} X-Content-Type-Options nosniff if !served
  {_OWN} Referrer-Policy no-referrer if !served
  {_OWN} Cache-Control no-store if !served

  # Somebody looks at a page: not a script, a picture or a socket of one.
  acl reads method GET HEAD
  acl says_mode req.fhdr(sec-fetch-mode) -m found
  acl navigates req.fhdr(sec-fetch-mode) -m str navigate
  acl page var(txn.page) -m bool
  http-request set-var(txn.page) bool(true) if html reads !says_mode
  http-request set-var(txn.page) bool(true) if html reads navigates"""


def _hosts(setup: Setup) -> str:
    return f"""\
  acl console var(txn.host) -m str {" ".join(setup.console_hosts)}
  http-request allow if console

  http-request set-var(txn.name) var(txn.host),map(hosts.map)
  http-request set-var(txn.slot) var(txn.name),map(slots.map)
  {say("unknown")} unless {{ var(txn.slot) -m found }}"""


def _access(setup: Setup) -> str:
    hand_over = f"{setup.console_url}hand-over/%[var(txn.name)]/?to=%[pathq,url_enc]"
    return f"""\
  # A browser sends the pass along for pages of other hosts, too, where these are the
  # same site: of another endpoint. Such a page may lead here, and nothing else.
  acl shows_pass req.cook({setup.pass_cookie}) -m found
  acl says_origin req.fhdr(origin) -m found
  acl own_origin var(txn.own),strcmp(txn.origin) eq 0
  acl says_site req.fhdr(sec-fetch-site) -m found
  acl own_site req.fhdr(sec-fetch-site) -m str same-origin
  acl by_hand req.fhdr(sec-fetch-site) -m str none
  acl foreign var(txn.foreign) -m bool
  acl framed req.fhdr(sec-fetch-dest) -m str iframe frame embed object fencedframe
  http-request set-var(txn.authority) req.hdr(host),lower if shows_pass
  http-request set-var(txn.own) str({setup.scheme}://),concat(,txn.authority) \
if shows_pass
  http-request set-var(txn.origin) req.fhdr(origin),lower if shows_pass
  http-request set-var(txn.foreign) bool(true) \
if shows_pass says_origin !own_origin !own_site
  http-request set-var(txn.foreign) bool(true) \
if shows_pass !says_origin says_site !own_site !by_hand !navigates
  http-request set-var(txn.foreign) bool(true) \
if shows_pass framed says_site !own_site !by_hand

  # The digest of what is shown, then until when it counts here.
  acl public var(txn.name),map(public.map) -m found
  acl one_token req.fhdr_cnt(authorization) eq 1
  acl counts date,sub(txn.until) lt 0
  acl token_passed var(txn.token) -m bool
  acl passed var(txn.passed) -m bool
  http-request set-var(txn.grant) {_OF_HEADER} if one_token
  http-request set-var(txn.until) {_UNTIL} if one_token
  http-request set-var(txn.token) bool(true) if one_token counts
  http-request set-var(txn.passed) bool(true) if token_passed
  http-request set-var(txn.grant) req.cook({setup.pass_cookie}),sha2(256),hex \
if !passed shows_pass !foreign
  http-request set-var(txn.until) {_UNTIL} if !passed shows_pass !foreign
  http-request set-var(txn.passed) bool(true) if !passed shows_pass !foreign counts

  # Who has nothing to show: people go by the console and come back with a pass.
  acl entering path {RESERVED}enter
  acl entering path_beg {RESERVED}share/
  http-request redirect code 302 location {hand_over} if page !passed !public !entering
  {say("private")} if !passed !public !entering"""


def _reserved(setup: Setup) -> str:
    return f"""\
  # What is for the console on an endpoint's own host, and no use of the endpoint.
  acl reserved path_beg {RESERVED}
  acl later req.fhdr(x-octoai-async) -m str 1
  acl for_console var(txn.for_console) -m bool
  acl asks_start path {RESERVED}start
  acl some_ready var(txn.slot),nbsrv gt 0
  http-request return status 200 content-type application/json \
string '{{"state":"ready"}}' if asks_start some_ready
  # Kept on this machine until it is answered: nobody fills its disk.
  acl too_large req.hdr_val(content-length) gt {BODY_MAX}
  acl endless req.fhdr(transfer-encoding) -m found
  {say("too_large")} if later !reserved too_large
  {say("too_large")} if later !reserved endless
  # Nothing there takes a body, and the console would keep it before it says so.
  acl some_body req.hdr_val(content-length) gt 0
  {say("too_large")} if reserved some_body
  {say("too_large")} if reserved endless
  http-request set-var(txn.for_console) bool(true) if reserved
  http-request set-header X-Alight-Path %[pathq] if later !reserved
  http-request set-var(txn.for_console) bool(true) if later
  http-request set-uri {RESERVED}async if later !reserved
  http-request set-header X-Alight-Endpoint %[var(txn.name)] if for_console
  http-request set-header X-Alight-Grant %[var(txn.grant)] if for_console passed
  http-request set-header X-Alight-Grant public if for_console !passed public
  http-request set-header Host {setup.console_hosts[0]} if for_console
  http-request del-header authorization if for_console
  http-request del-header cookie if for_console
  http-request allow if for_console"""


def _counting() -> str:
    return f"""\
  http-request track-sc0 var(txn.name) table traffic
  http-request track-sc1 var(txn.name) table answers
  http-request track-sc2 var(txn.grant) table callers if passed
  http-request set-var(txn.most) var(txn.name),map_str_int(limits.map,2000)
  acl crowded sc_conn_cur(0),sub(txn.most) gt 0
{counting.count_own(status_of("busy"), "crowded")}
  {say("busy")} if crowded"""


def _credentials(setup: Setup) -> str:
    return f"""\
  # Neither a token of this console nor its cookies are any replica's business.
  acl our_token req.fhdr(authorization) -m reg -i '^bearer[[:space:]]+alt_'
  http-request del-header authorization if token_passed or our_token
  # It would lead past these rules.
  http-request del-header upgrade if {{ req.fhdr(upgrade) -m sub -i h2c }}
{_cookie_rules((*setup.cookies, setup.pass_cookie))}"""


def _readiness() -> str:
    # "ready" in txn.state: it was held, and goes on.
    return f"""\
  acl nobody_ready var(txn.slot),nbsrv eq 0
  acl asleep var(txn.state) -m str starting idle
  acl starting var(txn.state) -m str starting
  acl idle var(txn.state) -m str idle
  acl forgotten var(txn.state) -m str unknown
  acl shut_out var(txn.state) -m str private
  acl stopped var(txn.state) -m str paused failed
  http-request set-var(txn.state) var(txn.name),map(states.map,starting) if nobody_ready
{counting.count_held("asleep")}
  http-request lua.wake if asleep page
  {say("waiting")} if asleep page
  http-request lua.hold if asleep
{counting.count_own(503, "asleep or stopped")}
  {say("starting")} if starting
  {say("idle")} if idle
  {say("unknown")} if forgotten
  {say("private")} if shut_out
  {say_state()} if stopped"""


def _responses(setup: Setup) -> str:
    names = _names((*setup.cookies, setup.pass_cookie))
    domain = "'(?i)^(.*?);\\s*domain\\s*=[^;]*(.*)$' '\\1\\2'"
    return f"""\
  # What a replica may not: set cookies of ours, or cookies for other hosts.
  acl replied var(txn.slot) -m found
  acl counted var(txn.most) -m found
  acl sets_ours res.hdr(set-cookie) -m reg -i '^\\s*(__host-)?({names})\\s*='
  acl sets_others res.hdr(set-cookie) -m reg -i ';\\s*domain\\s*='
  acl sets_cookie res.hdr(set-cookie) -m found
  http-response del-header x-alight-answer if replied !for_console
  http-response del-header set-cookie if replied !for_console sets_ours
  http-response replace-header set-cookie {domain} if replied !for_console sets_cookie
  http-response replace-header set-cookie {domain} if replied !for_console sets_cookie
  http-response del-header set-cookie if replied !for_console sets_others
{counting.rules()}"""


def _bind(address: str, port: int) -> str:
    return (
        # HTTP/2 in clear text would bring bodies of no known length.
        f"bind [{address}]:{port} v6only proto h1"
        if ":" in address
        else f"bind {address}:{port} proto h1"
    )


def _names(cookies: Sequence[str]) -> str:
    return "|".join(re.escape(name.removeprefix("__Host-")) for name in cookies)


def _cookie_rules(cookies: Sequence[str]) -> str:
    """Take these cookies out of every Cookie header, however often they come.

    One rule takes one cookie out of a header. What is left after several rounds was
    made to be left, and goes with the whole header.
    """
    names = "|".join(re.escape(name) for name in cookies)
    rule = "  http-request replace-header cookie"
    one = f"'^(.*?)(?:^|;)\\s*(?:{names})=[^;]*(.*)$' '\\1\\2'"
    return "\n".join(
        (
            f"  acl our_cookie req.fhdr(cookie) -m reg '(^|;)\\s*({names})='",
            "  acl cookie_cut var(txn.cookie_cut) -m bool",
            "  http-request set-var(txn.cookie_cut) bool(true) if our_cookie",
            *[f"{rule} {one} if our_cookie"] * 4,
            "  http-request del-header cookie if our_cookie",
            f"{rule} '^\\s*;\\s*(.*)$' '\\1' if cookie_cut",
            "  acl one_cookie_header req.fhdr_cnt(cookie) eq 1",
            "  acl empty_cookie req.fhdr(cookie) -m len 0",
            "  http-request del-header cookie"
            " if cookie_cut one_cookie_header empty_cookie",
        )
    )
