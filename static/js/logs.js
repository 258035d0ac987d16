/* Log viewer: live tail in a resizable drawer.

   UI.Logs(root, {name, hints, downloadUrl, cloneUrl}); what is left out is read from data-name, data-hints (JSON),
   data-download and data-clone of `root`. The page's socket feeds it: `take(message)` with what replicas/logs/reader.py
   sends, `cursors()` to be sent when the socket connects again. While the drawer is closed nothing is drawn.

   Lines live in chunks of 100 with content-visibility:auto, so 2,000 of them stay cheap while text selection, the
   browser's own find, wrapping and screen readers keep working (a windowing list breaks all four). */
(function () {
  "use strict";
  var UI = window.UI, el = UI.el, $ = UI.$;
  var CAP = 2000, CHUNK = 100;
  var RANK = { info: 0, warn: 1, error: 2 };

  /* ---- ANSI: only colours and weights survive; every other escape is dropped. Text nodes only, never HTML. ---- */
  var ESC = /\u001b\[([0-9;:]*)([@-~])|\u001b\][^\u0007\u001b]*(?:\u0007|\u001b\\)|\u001b[@-Z\\^_]|[\u0000-\u0008\u000b-\u001f\u007f]/g;
  function paint(codes, cls) {
    for (var i = 0, c; i < codes.length; i++) {
      c = +codes[i];
      if (c === 0) cls = {};
      else if (c >= 1 && c <= 4) cls["a" + c] = 1;
      else if (c === 22) { delete cls.a1; delete cls.a2; }
      else if (c === 23) delete cls.a3;
      else if (c === 24) delete cls.a4;
      else if (c === 38 || c === 48) { i += +codes[i + 1] === 5 ? 2 : 4; if (c === 38) plainColour(cls); }
      else if ((c >= 30 && c <= 37) || (c >= 90 && c <= 97)) { plainColour(cls); cls["a" + c] = 1; }
      else if (c === 39) plainColour(cls);
    }
    return cls;
  }
  function plainColour(cls) { Object.keys(cls).forEach(function (k) { if (+k.slice(1) > 9) delete cls[k]; }); }
  function runs(text) {
    var out = [], cls = {}, at = 0, m;
    function push(s) { if (s) out.push([Object.keys(cls).join(" "), s]); }
    ESC.lastIndex = 0;
    while ((m = ESC.exec(text))) {
      push(text.slice(at, m.index)); at = ESC.lastIndex;
      if (m[2] === "m") cls = paint((m[1] || "0").split(/[;:]/), cls);
    }
    push(text.slice(at));
    return out;
  }
  function plain(text) { return runs(text).map(function (r) { return r[1]; }).join(""); }
  function count(n, word) { return n.toLocaleString("en") + " " + word + (n === 1 ? "" : "s"); }

  /* A template's patterns are checked when it is kept (templates_app/patterns.py). Whatever gets past that: a line is
     looked at as far as this many letters, and a pattern that once took this many milliseconds is not asked again. */
  var LOOKED_AT = 1000, PATIENCE = 100;
  function matches(k, text) {
    var begun = performance.now(), found = k.re.test(text.slice(0, LOOKED_AT));
    if (performance.now() - begun > PATIENCE) k.shown = true;
    return found;
  }
  function compile(hints) {
    return (hints || []).map(function (h) {
      try { return { re: new RegExp(h.pattern), hint: h, shown: false }; } catch (e) { return null; }
    }).filter(Boolean);
  }

  UI.Logs = function (root, options) {
    options = options || {};
    var data = root.dataset, name = options.name || data.name || "endpoint";
    var known = compile(options.hints || (data.hints ? JSON.parse(data.hints) : []));
    var downloadUrl = options.downloadUrl || data.download || "", cloneUrl = options.cloneUrl || data.clone || "";
    var box = $(".log", root), live = $(".logs-live", root), jump = $(".log-jump", root), hits = $(".hits", root), hint = $(".log-hint", root);
    var lost = $(".log-lost", root), search = $(".search .input", root), level = $("[data-f=level]", root), rep = $("[data-f=replica]", root);
    /* buf: what is kept; queue: taken, not drawn yet; held: waiting while paused; partial: lines being written now */
    var buf = [], queue = [], held = [], partial = {}, last = {}, total = 0, fresh = 0, frame = 0;
    var follow = true, paused = false, wasLost = false, only = false, query = "", hitAt = -1, state = "live", anyReplica = true;
    var note = el("p.log-top"), chunks = el("div"), writing = el("div"), empty = el("div.blank");
    box.append(note, chunks, writing, empty);

    /* ---- rows ---- */
    function passes(l) {
      if (rep.value && "r" + l.r !== rep.value) return false;
      if (level.value === "system" ? l.src !== "system" : RANK[l.level || "info"] < (RANK[level.value] || 0)) return false;
      return !(only && query && plain(l.text).toLowerCase().indexOf(query) < 0);
    }
    function words(l) {
      var m = el("span.m");
      runs(l.text).forEach(function (r) {
        var host = r[0] ? el("span", { class: r[0] }) : m;
        if (host !== m) m.append(host);
        /* block-drawing runs (progress bars) are dimmed so they don't shout over the text */
        function put(t) { t.split(/([\u2581-\u2593]+)/).forEach(function (x, k) { if (x) host.append(k % 2 ? el("span.bar-run", { text: x }) : x); }); }
        if (!query) { put(r[1]); return; }
        var low = r[1].toLowerCase(), i = 0, j;
        while ((j = low.indexOf(query, i)) >= 0) { put(r[1].slice(i, j)); host.append(el("mark", { text: r[1].slice(j, j + query.length) })); i = j + query.length; }
        put(r[1].slice(i));
      });
      return m;
    }
    function row(l) {
      if (l.gap) return el("div.ln", { "data-gap": true, text: l.gap });
      var d = new Date(l.t);
      return el("div.ln", { "data-src": l.src, "data-level": l.level },
        el("span.t", {}, d.toTimeString().slice(0, 8), el("span.ms", { text: "." + ("00" + d.getMilliseconds()).slice(-3) })),
        el("span.r", { text: l.r ? "r" + l.r : "", title: l.r ? "Replica " + l.r + (l.a > 1 ? ", start " + l.a : "") : null }), words(l));
    }
    function add(l) {
      var end = chunks.lastElementChild;
      if (!end || end.childElementCount >= CHUNK) { end = el("div.log-chunk"); chunks.append(end); }
      l.node = row(l); end.append(l.node);
    }
    function drawWriting() {
      writing.replaceChildren();
      Object.keys(partial).forEach(function (k) { if (passes(partial[k])) writing.append(row(partial[k])); });
    }
    function trim() {
      /* While reading back, let the buffer grow to twice the cap rather than pull the text away. */
      var over = buf.length - (follow ? CAP : CAP * 2);
      if (over <= 0) return;
      buf.splice(0, over).forEach(function (l) {
        if (!l.node) return;
        var c = l.node.parentNode; l.node.remove(); if (c && !c.childElementCount) c.remove();
      });
    }

    /* ---- taking ---- */
    function push(list, all) {
      list = list.filter(function (l) {
        if (l.n === undefined) return true;
        if (l.n <= (last[l.k] || 0)) return false;
        last[l.k] = l.n;
        return true;
      });
      total = all === undefined ? total + list.length : all;
      if (paused) { held = held.concat(list).slice(-CAP); status(); return; }
      queue = queue.concat(list);
      if (queue.length > CAP) queue = queue.slice(-CAP);
      if (!frame) frame = requestAnimationFrame(draw);
    }
    function draw() {
      frame = 0;
      var list = queue, open = api.isOpen(), n = 0;
      queue = [];
      list.forEach(function (l) {
        known.forEach(function (k) { if (!k.shown && l.src !== "system" && matches(k, l.text)) showHint(k); });
        delete partial[l.k + " " + l.src];
        buf.push(l);
        if (open && passes(l)) { add(l); n++; }
      });
      trim();
      if (!open) return;
      if (!follow) fresh += n;
      drawWriting();
      tidy();
    }
    function gap(text) { push([{ gap: text, src: "system", text: text, t: Date.now() }], total); }
    function take(m) {
      var again = m.kind === "backlog" && Object.keys(last).length > 0, lines = m.lines || [];
      if (m.dropped) {
        var all = count(m.dropped + lines.length, "line") + (m.dropped + lines.length === 1 ? " was" : " were") + " written while ";
        gap(!again ? count(m.dropped, "line") + " came too fast to show here. Download has all of them."
          : all + (wasLost ? "the connection was down; " : "this was closed; ") + lines.length.toLocaleString("en") + " are filled in, " + m.dropped.toLocaleString("en") + " were dropped. Download has all of them.");
      }
      if (m.kind === "backlog") wasLost = false;
      (m.absent || []).forEach(function (a) { gap((a.r ? "Replica " + a.r + ", start " + a.a + ": " : "") + a.text); });
      (m.partials || []).forEach(function (p) {
        var k = p.k + " " + p.src;
        if (p.text) partial[k] = { k: p.k, r: p.r, src: p.src, level: "info", text: p.text, t: Date.now() }; else delete partial[k];
      });
      push(lines, m.total);
      if (m.cursors) Object.keys(m.cursors).forEach(function (k) { last[k] = Math.max(last[k] || 0, m.cursors[k]); });
    }

    /* ---- drawing all ---- */
    function redraw() {
      chunks.replaceChildren();
      buf.forEach(function (l) { l.node = null; if (passes(l)) add(l); });
      drawWriting(); tidy(); mark(0);
    }
    function tidy() {
      var shown = !!chunks.querySelector(".ln") || !!writing.firstChild;
      var kept = buf.filter(function (l) { return !l.gap; }).length;
      note.textContent = total > kept ? "Showing the last " + kept.toLocaleString("en") + " of " + count(total, "line") + ". Download has all of them." : kept ? "Showing all " + count(kept, "line") + "." : "";
      note.hidden = !shown;
      empty.hidden = shown;
      if (!shown) {
        var none = !buf.length;
        empty.replaceChildren(el("h2", { text: none ? (anyReplica ? "Waiting for the first line" : "No replica is running") : "No line matches" }),
          el("p", { text: none ? (anyReplica ? "The container has not written anything yet." : "Logs appear here as soon as a replica starts.") : "Change the search, level or replica to see more." }));
      }
      if (follow) pin();
      jump.hidden = follow;
      UI.setText($(".btn-label", jump), fresh ? count(fresh, "new line") : "Jump to latest");
      status();
    }
    function status(s) {
      if (s) state = s;
      var v = state === "lost" ? "lost" : state === "ended" ? "ended" : paused ? "paused" : "live";
      live.dataset.state = v;
      UI.setText(live, v === "live" ? "Live" : v === "paused" ? "Paused" + (held.length ? ", " + held.length.toLocaleString("en") + " waiting" : "") : v === "lost" ? "Reconnecting" : "Ended");
    }

    /* ---- known trouble: a plain-word hint under the toolbar when a line matches; shipped with the template ---- */
    function showHint(k) {
      if (!hint.hidden) return;
      k.shown = true;
      var h = k.hint, close = el("button.btn.btn-s.btn-quiet", { type: "button", text: "Dismiss" });
      close.addEventListener("click", function () { hint.hidden = true; box.focus(); });
      hint.replaceChildren(UI.icon("lightbulb"), el("div.notice-body", {}, el("strong", { text: h.title + " " }), h.body,
        el("div.acts", {}, larger(h), close)));
      hint.hidden = false;
    }
    function larger(h) {
      if (!h.tier || !cloneUrl) return null;
      var tier = h.tier_name || h.tier.charAt(0).toUpperCase() + h.tier.slice(1).replace(/-/g, " ");
      return el("a.btn.btn-s", { href: cloneUrl + (cloneUrl.indexOf("?") < 0 ? "?" : "&") + "tier=" + encodeURIComponent(h.tier), text: "Clone to " + tier + " hardware" });
    }

    /* ---- following: scrolling up stops it, reaching the end starts it again ---- */
    var lastTop = 0;
    box.addEventListener("scroll", function () {
      var end = box.scrollHeight - box.scrollTop - box.clientHeight < 24, up = box.scrollTop < lastTop - 2;
      lastTop = box.scrollTop;
      if (end && !follow) { follow = true; fresh = 0; jump.hidden = true; trim(); }
      else if (up && !end && follow) stopFollowing();   /* only a move upwards counts: heights settle as chunks are drawn */
    }, { passive: true });
    if (window.ResizeObserver) new ResizeObserver(function () { if (follow) pin(); }).observe(chunks);
    function pin() { box.scrollTop = box.scrollHeight; lastTop = box.scrollTop; }
    function stopFollowing() { follow = false; jump.hidden = false; UI.setText($(".btn-label", jump), "Jump to latest"); }
    jump.addEventListener("click", function () { follow = true; fresh = 0; trim(); pin(); jump.hidden = true; box.focus({ preventScroll: true }); });

    /* ---- search ---- */
    function mark(step) {
      var all = query ? UI.$$(".ln:has(mark)", chunks) : [];
      UI.$$(".ln[data-hit]", chunks).forEach(function (n) { n.removeAttribute("data-hit"); });
      if (!query) { hits.textContent = ""; return; }
      if (!all.length) { hits.textContent = "No match"; return; }
      if (step === 0) hitAt = all.length - 1; else hitAt = (hitAt + step + all.length) % all.length;
      all[hitAt].dataset.hit = "";
      hits.textContent = (hitAt + 1) + " of " + all.length;
      if (step) stopFollowing();
      all[hitAt].scrollIntoView({ block: "center" });
    }
    var deb;
    search.addEventListener("input", function () { clearTimeout(deb); deb = setTimeout(function () { query = search.value.trim().toLowerCase(); redraw(); UI.say(hits.textContent); }, 120); });
    search.addEventListener("keydown", function (e) {
      if (e.key === "Enter") { e.preventDefault(); mark(e.shiftKey ? -1 : 1); UI.say(hits.textContent, true); }
      if (e.key === "Escape" && search.value) { e.stopPropagation(); search.value = ""; query = ""; redraw(); }
    });
    level.addEventListener("change", redraw); rep.addEventListener("change", redraw);

    root.addEventListener("click", function (e) {
      var b = e.target.closest("[data-act]"); if (!b) return;
      var a = b.dataset.act;
      if (a === "pause") {
        paused = !paused; b.setAttribute("aria-pressed", paused);
        $("use", b).setAttribute("href", paused ? "#i-play" : "#i-pause"); UI.setText($(".btn-label", b), paused ? "Resume" : "Pause");
        if (!paused) { queue = queue.concat(held); held = []; if (!frame) frame = requestAnimationFrame(draw); }
        UI.say(paused ? "Logs paused" : "Logs resumed", true); status();
      }
      if (a === "wrap") { var on = box.toggleAttribute("data-wrap"); b.setAttribute("aria-pressed", on); if (follow) pin(); }
      if (a === "only") { only = !only; b.setAttribute("aria-pressed", only); redraw(); }
      if (a === "download" && downloadUrl && b.nodeName !== "A") {
        var link = el("a", { href: chosen() || downloadUrl, download: name + ".log" });
        document.body.append(link); link.click(); link.remove();
      }
      if (a === "close") api.close();
    });

    /* ---- drawer: height by pointer or arrow keys ---- */
    var grip = $(".logs-grip", root), doc = document.documentElement;
    function size(px) {
      var h = Math.round(Math.min(innerHeight - 72, Math.max(180, px)));
      doc.style.setProperty("--logs-h", h + "px"); grip.setAttribute("aria-valuenow", Math.round(h / innerHeight * 100));
      try { sessionStorage.setItem("logs-h", h); } catch (e) { /* private mode */ }
    }
    try { if (sessionStorage.getItem("logs-h")) size(+sessionStorage.getItem("logs-h")); } catch (e) { /* private mode */ }
    grip.addEventListener("pointerdown", function (e) {
      grip.setPointerCapture(e.pointerId);
      function mv(x) { size(innerHeight - x.clientY); }
      grip.addEventListener("pointermove", mv);
      grip.addEventListener("pointerup", function () { grip.removeEventListener("pointermove", mv); }, { once: true });
    });
    grip.addEventListener("keydown", function (e) {
      var h = root.offsetHeight, to = { ArrowUp: h + 24, ArrowDown: h - 24, PageUp: h + 120, PageDown: h - 120, Home: 180, End: innerHeight - 72 }[e.key];
      if (to !== undefined) { e.preventDefault(); size(to); }
    });
    root.addEventListener("keydown", function (e) { if (e.key === "Escape") api.close(); });

    var opener = null, chosen = function () { return ""; };
    var api = {
      take: take,
      row: row,
      /* what rows mark from now on */
      seek: function (text) { query = text.trim().toLowerCase(); },
      /* `ask` gives the address to download from, "" for all lines */
      downloads: function (ask) { chosen = ask; },
      push: push,
      /* {"17:2": 1042, …}: the last line of each attempt that is here; send it when connecting again */
      cursors: function () { return Object.assign({}, last); },
      setReplicas: function (ids) {
        anyReplica = ids.length > 0;
        if (rep.dataset.ids === ids.join()) return;
        rep.dataset.ids = ids.join(); var v = rep.value;
        rep.replaceChildren(el("option", { value: "", text: "All replicas" }));
        ids.forEach(function (i) { rep.append(el("option", { value: "r" + i, text: "Replica " + i })); });
        if (v && ids.indexOf(+v.slice(1)) < 0) rep.append(el("option", { value: v, text: "Replica " + v.slice(1) }));
        rep.value = v;
        if (api.isOpen()) tidy();
      },
      only: function (number) {
        var v = "r" + number;
        if (!$('option[value="' + v + '"]', rep)) rep.append(el("option", { value: v, text: "Replica " + number }));
        rep.value = v;
        if (api.isOpen()) redraw();
      },
      open: function (from) {
        opener = from || opener; root.dataset.open = ""; root.inert = false; doc.classList.add("logs-open");
        if (from) from.setAttribute("aria-expanded", "true");
        redraw(); box.focus({ preventScroll: true });
      },
      close: function () {
        delete root.dataset.open; root.inert = true; doc.classList.remove("logs-open");
        if (opener) { opener.setAttribute("aria-expanded", "false"); opener.focus(); }
      },
      isOpen: function () { return root.hasAttribute("data-open"); },
      lost: function (text) { wasLost = true; lost.hidden = false; UI.setText($(".lost-text", lost), text); status("lost"); },
      found: function (text) { lost.hidden = true; partial = {}; if (text) gap(text); status("live"); if (api.isOpen()) { drawWriting(); tidy(); } },
      ended: function () { partial = {}; drawWriting(); status("ended"); },
    };
    if (innerWidth <= 720) { box.setAttribute("data-wrap", ""); $("[data-act=wrap]", root).setAttribute("aria-pressed", "true"); }
    root.inert = true; status(); tidy();
    return api;
  };
})();
