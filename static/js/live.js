/* One websocket for the page: fragments and progress in, a banner when it is lost.
   Messages are in docs/live.md. Other scripts listen with Live.on(kind, fn). */
(function () {
  "use strict";
  var UI = window.UI, $ = UI.$, $$ = UI.$$;
  var Live = (window.Live = { up: false, seen: {} });
  var BACKOFF = [1, 2, 4, 8, 12], SILENCE = 40000, PATIENCE = 3000;
  var path, socket = null, tries = 0, offset = 0, heard = 0, retry = null, over = false;
  var lostAt = 0, nextAt = 0, countdown = null;

  /* ---- listeners: kind of message, or "lost", "found", "swapped", "tick" ---- */
  var ears = {};
  Live.on = function (kind, fn) { (ears[kind] = ears[kind] || []).push(fn); };
  function tell(kind, what) { (ears[kind] || []).forEach(function (fn) { fn(what); }); }
  Live.send = function (message) {
    if (Live.up) socket.send(JSON.stringify(message));
    return Live.up;
  };
  Live.now = function () { return Date.now() + offset; };

  /* ---- the line ---- */
  function connect() {
    clearTimeout(retry);
    if (over || socket) return;
    var s = (socket = new WebSocket((location.protocol === "https:" ? "wss://" : "ws://") + location.host + path));
    heard = Date.now();
    s.onopen = function () { s.send(JSON.stringify({ have: Live.seen })); };
    s.onmessage = function (e) { if (s === socket) hear(JSON.parse(e.data)); };
    s.onclose = function (e) { if (s === socket) closed(e.code); };
  }
  function closed(code) {
    socket = null;
    Live.up = false;
    delete document.documentElement.dataset.liveUp;
    if (over) return;
    if (code === 4401) { over = true; location.reload(); return; }
    if (code === 4403 || code === 4404) { over = true; clearLost(); tell("gone"); return; }
    var wait = BACKOFF[Math.min(tries++, BACKOFF.length - 1)] * (0.5 + Math.random()) * 1000; /* apart from a thousand others */
    nextAt = Date.now() + wait;
    retry = setTimeout(connect, wait);
    if (!lostAt) { lostAt = Date.now(); countdown = setInterval(showLost, 500); }
    showLost();
  }
  function drop() {
    var s = socket;
    if (!s) return;
    s.onclose = null;
    s.close();
    closed(0);
  }
  function again() { if (!socket) { tries = 0; connect(); } }

  /* ---- what the person is told about it ---- */
  Live.wait = function () { return Math.max(0, Math.ceil((nextAt - Date.now()) / 1000)); };
  function showLost() {
    if (Date.now() - lostAt < PATIENCE) return;
    var bar = $("#link-lost"), at = UI.clock(lostAt).slice(0, 5), first = bar.hidden;
    if (first) { bar.hidden = false; document.body.classList.add("stale"); tell("lost", at); }
    var next = socket ? "Trying again now." : "Trying again in " + Live.wait() + " s.";
    UI.setText($("#lost-text"), "Connection lost at " + at + ". What you see may be out of date. " + next);
    tell("waiting", next);
  }
  function clearLost() {
    var told = !$("#link-lost").hidden;
    clearInterval(countdown);
    lostAt = 0;
    $("#link-lost").hidden = true;
    document.body.classList.remove("stale");
    return told;
  }

  /* ---- messages ---- */
  function hear(m) {
    heard = Date.now();
    if (!Live.up) {
      Live.up = true;
      document.documentElement.dataset.liveUp = "";
      tries = 0;
      tell("up");
      if (lostAt && clearLost()) { UI.toast("Reconnected", { icon: "check" }); tell("found"); }
    }
    for (var t in m.seen || {}) Live.seen[t] = m.seen[t];
    if (m.topic && m.seq !== undefined) Live.seen[m.topic] = m.seq;
    if (m.kind === "ping") offset = m.now - Date.now();
    if (m.kind === "state") swap(m.html);
    if (m.kind === "progress") progress(m.data);
    if (m.kind === "gone") { over = true; clearLost(); }
    tell(m.kind, m);
  }

  /* Attributes that scripts set on what the server draws: a swap leaves them alone. */
  var OURS = /^(style|open|data-arrived|data-new|data-shown|data-side|aria-expanded|aria-pressed|data-copied)$/;
  var morph = {
    beforeAttributeUpdated: function (name) { return !OURS.test(name); },
    beforeNodeMorphed: function (was, now) {
      if (was.nodeType !== 1) return true;
      if (was.hasAttribute("data-keep")) return false;
      if (was.classList.contains("bubble") && was.dataset.state !== now.dataset.state) arrive(was, now);
      if (was.dataset.phase === "next" && now.dataset && now.dataset.phase !== "next") was.dataset.new = "";
      return true;
    },
  };
  function arrive(was, now) {
    if (now.dataset.state !== "ready" || was.dataset.state === "slot") return;
    was.dataset.arrived = "";
    setTimeout(function () { delete was.dataset.arrived; }, 1000);
  }
  function swap(html) {
    for (var id in html) {
      var was = document.getElementById(id);
      if (was) Idiomorph.morph(was, html[id], { morphStyle: "outerHTML", callbacks: morph });
      /* buttons that came with it belong to htmx forms */
      var fresh = document.getElementById(id);
      if (fresh && window.htmx) htmx.process(fresh);
    }
    dress();
    tell("swapped", html);
  }
  Live.swap = swap;

  /* ---- progress: small numbers, put where the fragments have room for them ---- */
  function progress(p) {
    var id = '="' + p.replica + '"]';
    $$("[data-progress" + id).forEach(function (n) {
      var text = p[n.dataset.field === "rest" ? "text" : n.dataset.field];
      if (n.dataset.field === "rest" && text) text = text.replace(/^\d+%, /, "").replace(/\.$/, "");
      if (text !== undefined) UI.setText(n, text);
    });
    if (p.part === undefined || p.state !== "pulling") return;
    $$(".bubble[data-state=pulling][data-replica" + id).forEach(function (b) {
      b.dataset.p = p.part;
      UI.setBubble(b, "pulling", p.part);
      var label = b.getAttribute("aria-label");
      if (label) b.setAttribute("aria-label", label.replace(/the image(, \d+ percent)?/, "the image, " + Math.floor(p.part * 10) * 10 + " percent"));
    });
    $$("[data-meter" + id).forEach(function (r) { r.setAttribute("width", (p.part * 100).toFixed(1)); });
    $$("[data-part-of" + id).forEach(function (s) { s.style.setProperty("--p", p.part); });
  }

  /* ---- things that count by themselves ---- */
  function seconds(iso) { return (Live.now() - Date.parse(iso)) / 1000; }
  function ago(s) {
    return s < 60 ? "just now" : s < 3600 ? Math.floor(s / 60) + " min ago" : s < 86400 ? Math.floor(s / 3600) + " h ago" :
      s < 172800 ? "1 day ago" : Math.floor(s / 86400) + " days ago";
  }
  function count() {
    if (document.hidden || document.body.classList.contains("stale")) return;
    $$("[data-for]").forEach(function (n) {
      var s = Math.max(0, Math.floor(seconds(n.dataset.for)));
      if (s >= Math.max(60, +n.dataset.fine)) s -= s % 60;
      UI.setText(n, UI.dur(s));
    });
    $$("[data-until]").forEach(function (n) { UI.setText(n, UI.dur(Math.max(0, -seconds(n.dataset.until)))); });
    $$("[data-ago]").forEach(function (n) { UI.setText(n, ago(seconds(n.dataset.ago))); });
    tell("tick");
  }
  function dress(root) {
    $$("[data-clock]", root).forEach(function (n) {
      var at = new Date(n.getAttribute("datetime"));
      UI.setText(n, UI.clock(at));
      n.title = at.toLocaleString();
    });
    $$("[data-moment]", root).forEach(function (n) {
      var at = new Date(n.getAttribute("datetime"));
      UI.setText(n, UI.moment(at, new Date(Live.now())));
      n.title = at.toLocaleString();
    });
    $$("[data-part]", root).forEach(function (n) { n.style.setProperty("--p", n.dataset.part); });
    UI.fillBubbles(root || document);
    count();
  }
  Live.dress = dress;

  document.addEventListener("DOMContentLoaded", function () {
    var main = $("[data-now]");
    if (!main) return;
    offset = Date.parse(main.dataset.now) - Date.now();
    dress();
    setInterval(count, 1000);
    path = main.dataset.liveSocket;
    if (!path) return;
    try { Live.seen = JSON.parse(main.dataset.seqs); } catch (e) { Live.seen = {}; }
    $("#lost-retry").addEventListener("click", again);
    addEventListener("online", again);
    addEventListener("focus", again);
    document.addEventListener("visibilitychange", function () { if (!document.hidden) { again(); count(); } });
    addEventListener("pagehide", function () { over = true; if (socket) socket.close(); });
    addEventListener("pageshow", function (e) { if (e.persisted) { over = false; socket = null; connect(); } });
    setInterval(function () { if (socket && Date.now() - heard > SILENCE) drop(); }, 5000);
    connect();
  });
})();
