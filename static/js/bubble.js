/* The replica bubble. One SVG for every state; CSS reads data-state. */
(function () {
  "use strict";
  var UI = window.UI, el = UI.el;

  var STATES = (UI.states = {
    slot:      { word: "Standby",     say: "standby, starts when traffic needs it" },
    waiting:   { word: "Waiting",     say: "waiting for hardware" },
    assigned:  { word: "Assigned",    say: "hardware assigned" },
    pulling:   { word: "Pulling",     say: "pulling the image" },
    starting:  { word: "Starting",    say: "starting" },
    ready:     { word: "Ready",       say: "ready" },
    unhealthy: { word: "Not answering", say: "running but not answering" },
    failed:    { word: "Failed",      say: "failed" },
    stopping:  { word: "Stopping",    say: "stopping" },
    stopped:   { word: "Stopped",     say: "stopped" },
  });

  UI.bubbleSvg = function () {
    return el("svg", { viewBox: "0 0 64 64", "aria-hidden": "true", focusable: "false" },
      el("circle.b-halo", { cx: 32, cy: 32, r: 30 }),
      el("circle.b-core", { cx: 32, cy: 32, r: 28 }),
      el("circle.b-ring", { cx: 32, cy: 32, r: 28, pathLength: 100 }),
      el("circle.b-arc", { cx: 32, cy: 32, r: 28, pathLength: 100, "stroke-dasharray": "0 100" }),
      el("path.b-mark", { d: "M23 23 41 41M41 23 23 41" }));
  };
  /* tag: "button" (opens the timeline) or "span" (in a list) */
  UI.bubble = function (state, size, tag) {
    var b = el((tag || "span") + ".bubble.bubble-" + (size || "lg"), tag === "button" ? { type: "button", "aria-haspopup": "dialog" } : {});
    b.append(UI.bubbleSvg());
    UI.setBubble(b, state, 0);
    return b;
  };
  UI.setBubble = function (b, state, p) {
    var was = b.dataset.state;
    if (was !== state) {
      b.dataset.state = state;
      if (state === "ready" && was && was !== "slot") {
        b.dataset.arrived = "";
        setTimeout(function () { delete b.dataset.arrived; }, 1000);
      }
    }
    if (state === "pulling") {
      UI.$(".b-arc", b).setAttribute("stroke-dasharray", Math.max(0.5, p * 100).toFixed(1) + " 100");
      b.style.setProperty("--b-fill", (0.16 + 0.38 * p).toFixed(3));
    }
  };
  /* The server draws the whole SVG. The core's size is a CSS variable, which markup may not set under the CSP, so it is set here. */
  UI.fillBubbles = function (root) {
    UI.$$(".bubble", root).forEach(function (b) {
      if (!b.firstElementChild) b.append(UI.bubbleSvg());
      if (b.dataset.state === "pulling") UI.setBubble(b, "pulling", +b.dataset.p || 0);
    });
  };
  document.addEventListener("DOMContentLoaded", function () { UI.fillBubbles(document); });
})();
