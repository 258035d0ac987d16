"""The rules every request goes through, in HAProxy's words. Pure.

All http-request rules run before any use_backend, in the order they are written here.
An `allow` ends these; those of the section it goes to still run.
"""

from __future__ import annotations

from endpoints.ingress import counting
from endpoints.ingress.answers import content_security_policy
from endpoints.ingress.own_pages import OWN_PAGES, RESERVED
from endpoints.ingress.replies import say, say_state, status_of
from endpoints.ingress.setup import Setup

# The section of the console's own hosts.
CONSOLE = "console"
# And of those who may not call.
SHUT_OUT = "shut_out"

_IDENTITY = (
    "^(x-(forwarded|alight|ingress|auth|original)-|remote-"
    "|(forwarded|via|x-real-ip|x-client-ip|x-rewrite-url|proxy)$)"
)
_OWN = "http-after-response set-header"
# Somebody looks at a page: not a script, a picture or a socket of one.
_LOOKS = """\
  acl reads method GET HEAD
  acl says_mode req.fhdr(sec-fetch-mode) -m found
  acl navigates req.fhdr(sec-fetch-mode) -m str navigate"""
# The digests of what may be shown: the whole Authorization header, or the cookie.
_OF_HEADER = "req.fhdr(authorization),sha2(256),hex"
_UNTIL = "var(txn.grant),concat(/,txn.name),map_str_int(grants.map,0)"


def render(setup: Setup) -> str:
    """The whole frontend section.

    What every request pays for stands before the rule that lets it go on, so each rule
    here counts: what is for few requests only stands behind it, in the section of the
    console's own pages, or in that of the slots.
    """
    binds = "\n".join(f"  {_bind(address, setup.port)}" for address in setup.binds)
    parts = (
        f"frontend people from base\n{binds}",
        _identity(setup),
        _own_answers(),
        _hosts(setup),
        _access(setup),
        _aside(),
        _counting(),
        _readiness(),
        _responses(),
        """\
  # Not asked here: keeps who has which place for those who look it up.
  acl upstreams var(txn.slot),map(upstreams.map) -m found

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
  http-request add-header X-Forwarded-Proto {setup.scheme}
  http-request add-header X-Forwarded-Host %[req.hdr(host)]
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
  http-request set-var(txn.kind) str(json)
  http-request set-var(txn.kind) str(html) if {{ req.fhdr(accept) -m sub text/html }}
  http-response set-var(txn.served) bool(true)
  http-after-response allow if {{ var(txn.served) -m bool }}
  {_OWN} Content-Type "text/html; charset=utf-8" if html
  {_OWN} Content-Security-Policy "{policy}" if html
  {_OWN} X-Content-Type-Options nosniff
  {_OWN} Referrer-Policy no-referrer
  {_OWN} Cache-Control no-store"""


def _hosts(setup: Setup) -> str:
    return f"""\
  acl console var(txn.host) -m str {" ".join(setup.console_hosts)}
  http-request set-var(txn.slot) str({CONSOLE}) if console
  http-request allow if console

  http-request set-var(txn.name) var(txn.host),map(hosts.map)
  http-request set-var(txn.slot) var(txn.name),map(slots.map)
  {say("unknown")} unless {{ var(txn.slot) -m found }}"""


def _access(setup: Setup) -> str:
    return f"""\
  # The digest of what is shown, then whether it counts here, and for how long.
  acl public var(txn.name),map(public.map) -m found
  acl one_token req.fhdr_cnt(authorization) eq 1
  acl counts {_UNTIL},sub(txn.now) gt 0
  acl token_passed var(txn.token) -m bool
  acl passed var(txn.passed) -m bool
  http-request set-var(txn.now) date
  http-request set-var(txn.grant) {_OF_HEADER} if one_token
  http-request set-var(txn.token) bool(true) if one_token counts
  http-request set-var(txn.passed) bool(true) if token_passed

  # A browser sends the pass along for pages of other hosts, too, where these are the
  # same site: of another endpoint. Such a page may lead here, and nothing else.
  acl shows_pass var(txn.pass) -m found
  acl says_origin req.fhdr(origin) -m found
  acl own_origin req.fhdr(origin),lower,strcmp(txn.own) eq 0
  acl says_site req.fhdr(sec-fetch-site) -m found
  acl own_site req.fhdr(sec-fetch-site) -m str same-origin
  acl by_hand req.fhdr(sec-fetch-site) -m str none
{_LOOKS}
  acl foreign var(txn.foreign) -m bool
  acl framed req.fhdr(sec-fetch-dest) -m str iframe frame embed object fencedframe
  http-request set-var(txn.pass) req.cook({setup.pass_cookie}) if !passed
  http-request set-var(txn.authority) req.hdr(host),lower if shows_pass says_origin
  http-request set-var(txn.own) str({setup.scheme}://),concat(,txn.authority) \
if shows_pass says_origin
  http-request set-var(txn.foreign) bool(true) \
if shows_pass says_origin !own_origin !own_site
  http-request set-var(txn.foreign) bool(true) \
if shows_pass !says_origin says_site !own_site !by_hand !navigates
  http-request set-var(txn.foreign) bool(true) \
if shows_pass framed says_site !own_site !by_hand
  http-request set-var(txn.grant) var(txn.pass),sha2(256),hex if shows_pass !foreign
  http-request set-var(txn.passed) bool(true) if shows_pass !foreign counts"""


def _aside() -> str:
    return f"""\
  # What is for the console on an endpoint's own host, and no use of the endpoint; and
  # who has nothing to show.
  acl reserved path_beg {RESERVED}
  acl later req.fhdr(x-octoai-async) -m str 1
  acl entering path {RESERVED}enter
  acl entering path_beg {RESERVED}share/
  http-request set-var(txn.slot) str({OWN_PAGES}) if reserved or later
  http-request set-var(txn.slot) str({SHUT_OUT}) if !passed !public !entering
  http-request allow if {{ var(txn.slot) -m str {OWN_PAGES} {SHUT_OUT} }}"""


def _counting() -> str:
    return f"""\
  http-request track-sc0 var(txn.name) table traffic
  http-request track-sc1 var(txn.grant) table callers if passed
  http-request set-var(txn.most) var(txn.name),map_str_int(limits.map,2000)
  acl crowded sc_conn_cur(0),sub(txn.most) gt 0
{counting.count_own(status_of("busy"), "crowded")}
  {say("busy")} if crowded"""


def _readiness() -> str:
    # "ready" in txn.state: it was held, and goes on.
    return f"""\
  http-request allow if {{ var(txn.slot),nbsrv gt 0 }}

  acl asleep var(txn.state) -m str starting idle
  acl starting var(txn.state) -m str starting
  acl idle var(txn.state) -m str idle
  acl forgotten var(txn.state) -m str unknown
  acl no_longer var(txn.state) -m str private
  acl stopped var(txn.state) -m str paused failed
  acl page var(txn.page) -m bool
  http-request set-var(txn.page) bool(true) if html reads !says_mode
  http-request set-var(txn.page) bool(true) if html reads navigates
  http-request set-var(txn.state) var(txn.name),map(states.map,starting)
{counting.count_held("asleep")}
  http-request lua.wake if asleep page
  {say("waiting")} if asleep page
  http-request lua.hold if asleep
{counting.count_own(503, "asleep or stopped")}
  {say("starting")} if starting
  {say("idle")} if idle
  {say("unknown")} if forgotten
  {say("private")} if no_longer
  {say_state()} if stopped"""


def _responses() -> str:
    return f"""\
  # Only what counts as use is counted.
  http-response allow unless {{ var(txn.most) -m found }}
{counting.rules()}"""


def shut_out(setup: Setup) -> str:
    """The section of those who have nothing to show: people go by the console, and
    come back with a pass."""
    hand_over = f"{setup.console_url}hand-over/%[var(txn.name)]/?to=%[pathq,url_enc]"
    return f"""\
backend {SHUT_OUT} from base
  acl html var(txn.kind) -m str html
{_LOOKS}
  http-request redirect code 302 location {hand_over} \
if html reads !says_mode or html reads navigates
  {say("private")}
"""


def _bind(address: str, port: int) -> str:
    return (
        # HTTP/2 in clear text would bring bodies of no known length.
        f"bind [{address}]:{port} v6only proto h1"
        if ":" in address
        else f"bind {address}:{port} proto h1"
    )
