"""What every answer of the console says to browsers."""

from __future__ import annotations

WANTED = {
    "X-Content-Type-Options": {"nosniff"},
    "X-Frame-Options": {"DENY"},
    "Referrer-Policy": {"same-origin", "no-referrer"},
    "Cross-Origin-Opener-Policy": {"same-origin"},
    "Cross-Origin-Resource-Policy": {"same-origin"},
}
POLICY = {
    "default-src": {"'self'"},
    "img-src": {"'self'", "data:"},
    "object-src": {"'none'"},
    "base-uri": {"'none'"},
    "form-action": {"'self'"},
    "frame-ancestors": {"'none'"},
}


def policy_of(answer) -> dict[str, set[str]]:
    """The Content-Security-Policy, by directive."""
    parts = answer.get("Content-Security-Policy", "").split(";")
    return {words[0]: {*words[1:]} for part in parts if (words := part.split())}


def lacking(answer) -> dict[str, object]:
    """Headers that are missing or say something else; {} when all is well."""
    found = {
        name: answer.get(name)
        for name, values in WANTED.items()
        if answer.get(name) not in values
    }
    if policy_of(answer) != POLICY:
        found["Content-Security-Policy"] = answer.get("Content-Security-Policy")
    if "camera=()" not in answer.get("Permissions-Policy", ""):
        found["Permissions-Policy"] = answer.get("Permissions-Policy")
    return found
