"""What a browser would make of a page: its elements, and what is in its fields."""

from __future__ import annotations

from html.parser import HTMLParser

# Closes whatever it is in, and would be an element, an attribute and a script.
PAYLOAD = (
    """</textarea></script></style>-->"'><zq-x onzq='1'>{{ 7|add:7 }}"""
    """${7}<script>zq()</script>\u202e&lt;zq-y&gt;"""
)


class Page(HTMLParser):
    """`foreign`: what only a payload brings. `values`: what was typed and is shown."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.foreign: list[str] = []
        self.values: list[str] = []
        self._area: list[str] | None = None
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        if tag.startswith("zq") or any(name.startswith("on") for name in given):
            self.foreign.append(f"<{tag} {given}>")
        # Data for a script of ours is no script.
        if tag == "script" and not {"src", "type"} & set(given):
            self.foreign.append("<script> without a file")
        for name in ("href", "src", "action", "formaction"):
            leads = (given.get(name) or "").strip().lower()
            if leads.startswith(("javascript:", "vbscript:")):
                self.foreign.append(f"{name}={leads}")
        if tag == "input":
            self.values.append(given.get("value") or "")
        if tag == "textarea":
            self._area = []

    def handle_data(self, data):
        if self._area is not None:
            self._area.append(data)

    def handle_endtag(self, tag):
        if tag == "textarea" and self._area is not None:
            # A browser leaves out the first newline of one.
            self.values.append("".join(self._area).removeprefix("\n"))
            self._area = None


def shows(page: Page, typed: str) -> bool:
    """Whether what was typed is still there, as a browser would send it again."""
    wanted = lines(typed)
    return any(lines(value) == wanted for value in page.values)


def lines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n").strip()
