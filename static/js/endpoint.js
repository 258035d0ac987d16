/* An endpoint's homepage: the tab, the toast, the dialog, the drawer. What is shown comes from the server as fragments. */
(function () {
  "use strict";
  var UI = window.UI, Live = window.Live, $ = UI.$;

  document.addEventListener("DOMContentLoaded", function () {
    var main = $("#main"), name = main.dataset.endpoint, url = main.dataset.url;
    var dlg = $("#replica-dialog"), logsBtn = $("#logs-btn"), logsRoot = $(".logs");
    var openId = null, word = null, answering = null, percent = "";

    /* ---- the tab tells too ---- */
    function favicon(state, p) {
      var blue = matchMedia("(prefers-color-scheme: dark)").matches ? "#5b93ff" : "#154ff1";
      var c = state === "ready" ? '<circle cx="16" cy="16" r="14" fill="' + blue + '"/>' :
        state === "failed" ? '<path d="M7 7 25 25M25 7 7 25" stroke="#db351f" stroke-width="5" stroke-linecap="round"/>' :
        '<circle cx="16" cy="16" r="12.5" fill="none" stroke="' + (state === "waiting" || state === "unhealthy" ? "#d07c12" : /slot|stop/.test(state) ? "#898e96" : blue) + '" stroke-width="4"' + (state === "waiting" ? ' stroke-dasharray="8 6"' : "") + "/>" +
        (/assigned|pulling|starting/.test(state) ? '<circle cx="16" cy="16" r="' + (3 + 6 * (p || 0)).toFixed(1) + '" fill="' + blue + '"/>' : "");
      $("#favicon").href = "data:image/svg+xml," + encodeURIComponent('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32">' + c + "</svg>");
    }
    function tab() {
      var s = $("#ep-status").dataset, b = $("#ep-bubble"), p = b.dataset.state === "pulling" && b.dataset.p ? +b.dataset.p : null;
      var head = p === null ? s.word : Math.floor(p * 100) + "% pulled";
      document.title = head + " · " + name;
      var key = s.state + (p === null ? "" : Math.round(p * 10));
      if (key !== percent) { percent = key; favicon(s.state, p); }
    }
    function changed() {
      var s = $("#ep-status").dataset, ready = s.answering === "yes";
      tab();
      if (word !== null && s.word !== word) UI.say(name + ": " + s.said + ". " + $("#sub").textContent.replace(/\s+/g, " "));
      word = s.word;
      if (ready && answering === false) arrived();
      answering = ready;
      $("#url-open").classList.toggle("btn-primary", ready);
      hideSpent();
    }
    function arrived() {
      var bar = $("#urlbar");
      bar.dataset.live = "on";
      setTimeout(function () { delete bar.dataset.live; }, 6000);
      UI.toast(name + " is ready", { icon: "check", label: "Copy URL", run: function () { UI.copy(url); } });
      if (wanted) { wanted = false; notify(); }
    }
    /* The step track gives way to the ribbons ten minutes after ready. */
    function hideSpent() {
      var steps = $("#steps[data-hide-at]"), ribbons = $("#ribbons");
      if (!steps || Live.now() < Date.parse(steps.dataset.hideAt)) return;
      steps.hidden = true;
      if (ribbons) ribbons.hidden = false;
    }

    /* ---- "Tell me when it's ready": permission is asked for on the click only ---- */
    var wanted = false;
    function paintNotify() { var b = $("#act-notify"); if (b) b.setAttribute("aria-pressed", wanted); }
    function notify() {
      if (!("Notification" in window) || Notification.permission !== "granted") return;
      var n = new Notification(name + " is ready", { body: url, icon: $("#favicon").href });
      n.onclick = function () { window.focus(); n.close(); };
    }
    document.addEventListener("click", function (e) {
      var b = e.target.closest && e.target.closest("[data-notify]");
      if (!b) return;
      if (wanted) { wanted = false; paintNotify(); UI.toast("Notification cancelled", { icon: "bell" }); return; }
      if (!("Notification" in window)) { UI.toast("This browser has no notifications. The tab's title and picture tell it too.", { icon: "info" }); return; }
      Notification.requestPermission().then(function (answer) {
        wanted = answer === "granted";
        paintNotify();
        UI.toast(wanted ? "This browser will tell you when it's ready" : "The browser does not allow notifications. Allow them in its settings for this site.", { icon: wanted ? "bell" : "info" });
      });
    });

    /* ---- the dialog: filled by the socket, or by a plain request while it is down ---- */
    function open(id, from) {
      openId = id;
      if ($("#replica-detail").dataset.id !== String(id)) {
        var fresh = UI.el("div", { id: "replica-detail", "data-id": id });
        fresh.append(UI.el("div.dialog-head", {}, UI.el("h2", { id: "dlg-title", tabindex: "-1", autofocus: true, text: from.dataset.name || from.getAttribute("aria-label").split(/[,.]/)[0] })));
        $("#replica-detail").replaceWith(fresh);
      }
      UI.openDialog(dlg, from);
      if (!Live.send({ open: id })) ask(id, from.getAttribute("formaction") || from.href);
    }
    function ask(id, address) {
      fetch(address + "?fragment").then(function (r) { return r.ok ? r.text() : Promise.reject(r.status); }).then(function (html) {
        if (openId === id) Live.swap({ "replica-detail": html });
      }).catch(function () { UI.toast("The timeline could not be loaded. Try again in a moment.", { icon: "info" }); });
    }
    dlg.addEventListener("close", function () { openId = null; Live.send({ open: null }); });
    Live.on("up", function () { if (openId !== null) Live.send({ open: openId }); });
    document.addEventListener("click", function (e) {
      /* Not all that is marked so: an open drawer or tooltip is, too. */
      var b = e.target.closest && e.target.closest("[data-open][aria-haspopup=dialog]");
      if (b) { e.preventDefault(); open(+b.dataset.open, b); }
    });

    /* ---- logs: read while the drawer is open, from the last line that is here ---- */
    var logs = UI.Logs(logsRoot);
    UI.PastLogs(logsRoot, logs);
    function readLogs() { Live.send({ logs: logs.isOpen() ? { cursors: logs.cursors() } : null }); }
    function numbers() {
      logs.setReplicas(UI.$$("#bubbles [data-number]").map(function (b) { return +b.dataset.number; }));
    }
    /* Opening the logs keeps the bubbles in sight above the drawer. */
    function openLogs(from) {
      logs.open(from);
      requestAnimationFrame(function () {
        var stage = $(".stage").getBoundingClientRect(), free = innerHeight - logsRoot.offsetHeight, hidden = stage.bottom - free + 12;
        if (innerWidth > 720 && hidden > 0) scrollBy({ top: Math.min(hidden, stage.top - 68), behavior: UI.calm.matches ? "auto" : "smooth" });
      });
    }
    new MutationObserver(readLogs).observe(logsRoot, { attributeFilter: ["data-open"] });
    Live.on("backlog", logs.take);
    Live.on("lines", logs.take);
    Live.on("up", function () { if (logs.isOpen()) readLogs(); });
    Live.on("waiting", function (next) { logs.lost("Connection lost. " + next + " Lines written meanwhile will be filled in."); });
    Live.on("found", function () { logs.found(); });
    logsBtn.addEventListener("click", function (e) { e.preventDefault(); if (logs.isOpen()) logs.close(); else openLogs(logsBtn); });
    logsBtn.addEventListener("keydown", function (e) { if (e.key === " ") { e.preventDefault(); logsBtn.click(); } });
    document.addEventListener("click", function (e) {
      var opener = e.target.closest && e.target.closest("[data-logs-open],[data-logs-of]");
      if (!opener) return;
      e.preventDefault();
      if (opener.dataset.logsOf) { dlg._opener = null; dlg.close(); logs.only(+opener.dataset.logsOf); }
      openLogs(logsBtn);
    });
    numbers();
    if (location.hash === "#logs") openLogs(logsBtn);

    /* ---- connection, and the end ---- */
    Live.on("lost", function (at) {
      var sub = $("#sub");
      if (sub && !$("#last-known")) sub.prepend(UI.el("span", { id: "last-known", text: "Last known at " + at + ". " }));
    });
    Live.on("found", function () { var n = $("#last-known"); if (n) n.remove(); });
    Live.on("gone", function () {
      if (dlg.open) dlg.close();
      var list = $(".crumb a").href;
      document.title = "Deleted · " + name;
      main.replaceChildren(UI.el("div.panel", {}, UI.el("div.blank", { role: "alert" },
        UI.el("h1", { text: name + " was deleted" }), UI.el("p", { text: "Its replicas are stopped and its URL no longer answers." }),
        UI.el("div.acts", {}, UI.el("a.btn.btn-primary", { href: list, text: "Back to endpoints" })))));
    });
    Live.on("swapped", function () { paintNotify(); numbers(); if ($("#ep-status")) changed(); });
    Live.on("progress", function () { if ($("#ep-status")) tab(); });
    Live.on("tick", function () { if ($("#ep-status")) hideSpent(); });
    changed();
  });
})();
