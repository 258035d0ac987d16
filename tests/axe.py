"""Asks axe-core what it finds wrong with a page (WCAG 2.2 A and AA, best practice)."""

from pathlib import Path

AXE = Path(__file__).parent / "vendor" / "axe.min.js"
TAGS = [
    *("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"),
]
# A page that draws no frames, since nothing on it changes, ends no animation and calls
# nobody back: then time does.
_RUN = """tags => new Promise(next => {
    requestAnimationFrame(next);
    setTimeout(next, 1000);
}).then(() => axe.run(document, {
    runOnly: {type: "tag", values: tags}, resultTypes: ["violations"],
})).then(found => found.violations.map(v =>
    v.id + ": " + v.nodes.map(n => n.target.join(" ")).join(" | ")))"""
_SETTLE = """() => Promise.race([
    Promise.all(document.getAnimations()
        .filter(a => a.effect.getComputedTiming().endTime !== Infinity)
        .map(a => a.finished.catch(() => {}))),
    new Promise(done => setTimeout(done, 5000)),
])"""


def violations(page):
    """One line for each rule that is broken, with where. Animations end first."""
    page.evaluate(_SETTLE)
    # Through the debugger, not as a tag: the page's CSP stays as it is.
    page.evaluate(AXE.read_text())
    return page.evaluate(_RUN, TAGS)
