"""Asks axe-core what it finds wrong with a page (WCAG 2.2 A and AA, best practice)."""

from pathlib import Path

AXE = Path(__file__).parent / "vendor" / "axe.min.js"
TAGS = [
    *("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"),
]
_RUN = """tags => new Promise((done, fail) => requestAnimationFrame(() => axe
    .run(document, {
        runOnly: {type: "tag", values: tags}, resultTypes: ["violations"],
    })
    .then(found => done(found.violations.map(v =>
        v.id + ": " + v.nodes.map(n => n.target.join(" ")).join(" | "))), fail)))"""


def violations(page):
    """One line for each rule that is broken, with where. Animations end first."""
    page.evaluate(
        """() => Promise.all(document.getAnimations()
            .filter(a => a.effect.getComputedTiming().endTime !== Infinity)
            .map(a => a.finished.catch(() => {})))"""
    )
    # Through the debugger, not as a tag: the page's CSP stays as it is.
    page.evaluate(AXE.read_text())
    return page.evaluate(_RUN, TAGS)
