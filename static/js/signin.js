/* Sign-in: a field of bubbles that fills and empties slowly. Still when motion is not wanted. */
(function () {
  "use strict";
  document.addEventListener("DOMContentLoaded", function () {
    var UI = window.UI;
    if (UI.calm.matches) return;
    var all = UI.$$(".field-of .bubble"), NEXT = { slot: "waiting", waiting: "assigned", assigned: "pulling", pulling: "starting", starting: "ready", ready: "stopping", stopping: "slot" };
    setInterval(function () {
      if (document.hidden) return;
      var b = all[Math.floor(Math.random() * all.length)], s = b.dataset.state;
      if (s === "pulling" && (b._p = (b._p || .3) + .35) < 1) { UI.setBubble(b, "pulling", b._p); return; }
      if (s === "slot" && Math.random() < .7 || s === "ready" && Math.random() < .8) return;   /* most rest */
      b._p = .1; UI.setBubble(b, NEXT[s] || "slot", .1);
    }, 420);
  });
})();
