"""The rules every request goes through, in HAProxy's words. Pure.

All http-request rules run before any use_backend, in the order they are written here.
An `allow` ends these; those of the section it goes to still run.
"""

from __future__ import annotations

from endpoints.ingress import counting, identity
from endpoints.ingress.answers import HTML, content_security_policy
from endpoints.ingress.own_pages import OWN_PAGES, RESERVED
from endpoints.ingress.replies import NAME, say, say_state
from endpoints.ingress.setup import Setup

# The section of the console's own hosts.
CONSOLE = "console"
# And of those who may not call.
SHUT_OUT = "shut_out"

_OWN = "http-after-response set-header"
# Somebody looks at a page: not a script, a picture or a socket of one.
_LOOKS = """\
  acl reads method GET HEAD
  acl says_mode req.fhdr(sec-fetch-mode) -m found
  acl navigates req.fhdr(sec-fetch-mode) -m str navigate"""
# The host that is asked for, as it stands in hosts.map.
_HOST = "req.hdr(host),host_only,lower,rtrim(.)"
# The digests of what may be shown: the whole Authorization header, or the cookie.
_OF_HEADER = "req.fhdr(authorization),sha2(256),hex"
_UNTIL = "var(txn.grant),concat(/,txn.name),map_str_int(grants.map,0)"


def render(setup: Setup) -> str:
    """The whole frontend section.

    What every request pays for stands before the rules that let it go on, so each rule
    there counts: what is for few requests only stands behind them, in the section of
    the console's own pages, or in that of the slots.
    """
    binds = "\n".join(f"  {_bind(address, setup.port)}" for address in setup.binds)
    parts = (
        f"frontend people from base\n{binds}",
        identity.on_arrival(setup),
        _arrival(),
        _shown_before(setup),
        _console(setup),
        _access(setup),
        _aside(),
        _readiness(),
        _own_answers(),
        counting.rules(),
        """\
  # Not asked here: keeps who has which place for those who look it up.
  acl upstreams var(txn.slot),map(upstreams.map) -m found

  use_backend %[var(txn.slot)] if { var(txn.slot) -m found }
  use_backend %[var(txn.way),word(2,/)]
""",
    )
    return "\n\n".join(parts)


def _arrival() -> str:
    return f"""\
  http-request set-var(txn.began) date(0,us)
  http-request set-var(txn.way) {_HOST},map(hosts.map),map(ways.map)
  # What the ingress says itself: a page for browsers, JSON for others.
  acl html var(txn.kind) -m found
  http-request set-var(txn.kind) str({HTML}) if {{ req.fhdr(accept) -m sub text/html }}

  # Most requests are for a public endpoint with a ready replica. A token of ours is
  # looked at there, too: somebody wants to know when it was used.
  acl public var(txn.way),word(4,/) -m str public
  acl shows_token req.fhdr(authorization) -m beg "Bearer alt_"
  acl reserved path_beg {RESERVED}
  acl later req.fhdr(x-octoai-async) -m str 1
  acl ready var(txn.way),word(2,/),nbsrv gt 0
  http-request allow if public !shows_token !reserved !later ready"""


def _shown_before(setup: Setup) -> str:
    """What is shown on a connection again and again is looked up once a second.

    It ends no later for it: grants end with a whole second, and where one is revoked
    its endpoint's way is another at once.
    """
    with_it = "concat(|,txn.now,|),concat(,txn.way)"
    return f"""\
  acl same var(txn.shown),strcmp(sess.passed) eq 0
  acl says_origin req.fhdr(origin) -m found
  acl says_site req.fhdr(sec-fetch-site) -m found
  acl own_site req.fhdr(sec-fetch-site) -m str same-origin
  http-request set-var(txn.now) date
  http-request set-var(txn.shown) req.cook({setup.pass_cookie}),{with_it}
  http-request set-var(txn.shown) req.fhdr(authorization),{with_it} if shows_token
  http-request allow if same !says_origin !says_site !reserved !later ready
  http-request allow if same own_site !reserved !later ready"""


def _console(setup: Setup) -> str:
    return f"""\
  acl console {_HOST} -m str {" ".join(setup.console_hosts)}
  http-request set-var(txn.slot) str({CONSOLE}) if console
  http-request allow if console

  http-request set-var(txn.name) {NAME}
  {say("unknown")} unless {{ var(txn.name) -m found }}"""


def _access(setup: Setup) -> str:
    return f"""\
  # The digest of what is shown, then whether it counts here, and for how long.
  acl one_token req.fhdr_cnt(authorization) eq 1
  acl counts {_UNTIL},sub(txn.now) gt 0
  acl token_passed var(txn.token) -m bool
  acl passed var(txn.passed) -m bool
  http-request set-var(txn.grant) {_OF_HEADER} if one_token
  http-request set-var(txn.token) bool(true) if one_token counts
  http-request set-var(txn.passed) bool(true) if token_passed

  # A browser sends the pass along for pages of other hosts, too, where these are the
  # same site: of another endpoint. Such a page may lead here, and nothing else.
  acl shows_pass var(txn.pass) -m found
  acl own_origin req.fhdr(origin),lower,strcmp(txn.own) eq 0
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
  http-request set-var(txn.passed) bool(true) if shows_pass !foreign counts

  http-request track-sc1 var(txn.grant) table callers if passed
  # Only what is in txn.shown: a pass that let in beside a token is looked up again.
  http-request set-var(sess.passed) var(txn.shown) if token_passed shows_token
  http-request set-var(sess.passed) var(txn.shown) if passed !shows_token"""


def _aside() -> str:
    return f"""\
  # What is for the console on an endpoint's own host, and no use of the endpoint; and
  # who has nothing to show.
  acl entering path {RESERVED}enter
  acl entering path_beg {RESERVED}share/
  http-request set-var(txn.slot) str({OWN_PAGES}) if reserved or later
  http-request set-var(txn.slot) str({SHUT_OUT}) if !passed !public !entering
  http-request allow if {{ var(txn.slot) -m found }}"""


def _readiness() -> str:
    # "ready" in txn.state: it was held, and goes on.
    return f"""\
  http-request allow if ready

{counting.admission()}

  http-request set-var(txn.wait) req.hdr(x-alight-wait)
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


def _own_answers() -> str:
    return f"""\
  # Answers of the ingress itself are kept by none, and their pages load nothing.
  http-after-response allow unless {{ res.hdr(x-alight-answer) -m found }}
{_own_headers()}"""


def _own_headers() -> str:
    policy = content_security_policy()
    return f"""\
  {_OWN} Content-Type "text/html; charset=utf-8" if html
  {_OWN} Content-Security-Policy "{policy}" if html
  {_OWN} X-Content-Type-Options nosniff
  {_OWN} Referrer-Policy no-referrer
  {_OWN} Cache-Control no-store"""


def shut_out(setup: Setup) -> str:
    """The section of those who have nothing to show: people go by the console, and
    come back with a pass."""
    hand_over = f"{setup.console_url}hand-over/%[var(txn.name)]/?to=%[pathq,url_enc]"
    return f"""\
backend {SHUT_OUT} from base
  acl html var(txn.kind) -m found
{_LOOKS}
{_own_headers()}
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
