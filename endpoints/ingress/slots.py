"""What every replica's section begins with, in HAProxy's words. Pure.

Requests that come here have passed the frontend: here they lose what is no replica's
business, and answers what no replica may say.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from endpoints.ingress import counting, identity
from endpoints.ingress.setup import Setup


def render(setup: Setup) -> str:
    """The defaults of all slots."""
    cookies = (*setup.cookies, setup.pass_cookie)
    return f"""\
defaults slots from base
  balance leastconn
  # An unused connection to a replica is closed here within a second, so that no request
  # is sent on one that the app is just closing (uvicorn does after 5 s).
  default-server pool-purge-delay 200ms
  # One that refuses a connection is out at once, before the worker knows: having no
  # open requests it would draw all others to itself. A connection each so often finds
  # it again.
  default-server check inter 30s fastinter 500ms downinter 500ms fall 2 rise 1
  default-server observe layer4 error-limit 1 on-error mark-down

{identity.rules(setup)}

{counting.admission()}

{_credentials(cookies)}

{_responses(cookies)}
"""


def _credentials(cookies: Sequence[str]) -> str:
    return f"""\
  # Neither a token of this console nor its cookies are any replica's business.
  acl our_token req.fhdr(authorization) -m reg -i '^bearer[[:space:]]+alt_'
  http-request del-header authorization if our_token
  # It would lead past the ingress's rules.
  http-request del-header upgrade if {{ req.fhdr(upgrade) -m sub -i h2c }}
{_cookie_rules(cookies)}"""


def _cookie_rules(cookies: Sequence[str]) -> str:
    """Take these cookies out of every Cookie header, however often they come.

    Mostly there is none, or a pass alone. Else one rule takes one cookie out of a
    header; what is left after several rounds was made to be left, and goes with the
    whole header.
    """
    names = "|".join(re.escape(name) for name in cookies)
    rule = "  http-request replace-header cookie"
    one = f"'^(.*?)(?:^|;)\\s*(?:{names})=[^;]*(.*)$' '\\1\\2'"
    return "\n".join(
        (
            "  acl one_cookie_header req.fhdr_cnt(cookie) eq 1",
            f"  acl only_ours req.fhdr(cookie) -m reg '^\\s*({names})=[^;]*$'",
            f"  acl our_cookie req.fhdr(cookie) -m reg '(^|;)\\s*({names})='",
            "  http-request allow unless our_cookie",
            "  http-request del-header cookie if one_cookie_header only_ours",
            "  http-request allow unless our_cookie",
            *[f"{rule} {one}"] * 4,
            "  http-request del-header cookie if our_cookie",
            f"{rule} '^\\s*;\\s*(.*)$' '\\1'",
            "  acl empty_cookie req.fhdr(cookie) -m len 0",
            "  http-request del-header cookie if one_cookie_header empty_cookie",
        )
    )


def _responses(cookies: Sequence[str]) -> str:
    names = "|".join(re.escape(name.removeprefix("__Host-")) for name in cookies)
    domain = "'(?i)^(.*?);\\s*domain\\s*=[^;]*(.*)$' '\\1\\2'"
    return f"""\
  # What a replica may not: speak as the ingress, set cookies of ours, or for others.
  acl sets_cookie res.hdr(set-cookie) -m found
  acl sets_ours res.hdr(set-cookie) -m reg -i '^\\s*(__host-)?({names})\\s*='
  acl sets_others res.hdr(set-cookie) -m reg -i ';\\s*domain\\s*='
  http-response del-header x-alight-answer
  http-response allow unless sets_cookie
  http-response del-header set-cookie if sets_ours
  http-response replace-header set-cookie {domain}
  http-response replace-header set-cookie {domain}
  http-response del-header set-cookie if sets_others"""
