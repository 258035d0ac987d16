/* Kept logs in the drawer: a time, a start of a replica, a text; newest first, older ones on request.

   UI.PastLogs(root, logs): `logs` is what UI.Logs made of the same root. Asks the API at data-api, a second's work at a
   time, and shows what it found in place of the live lines, which go on being taken meanwhile. */
(function () {
  "use strict";
  var UI = window.UI, el = UI.el, $ = UI.$;
  /* So often it goes on by itself while nothing was found; then somebody says whether to. */
  var PATIENCE = 5, LINES = 500;

  UI.PastLogs = function (root, logs) {
    var api = root.dataset.api, form = $(".logs-past", root), box = $(".log-past", root), opener = $("[data-act=past]", root);
    var search = $(".search .input", root), start = $("[name=start]", form), from = $("[name=from]", form), to = $("[name=to]", form);
    var status = $(".past-status", form), older = el("button.btn.btn-s", { type: "button", text: "Older lines" });
    var head = el("p.log-top"), rows = el("div"), notes = [], cursor = "", count = 0, asked = 0, day = "";

    function when(input) { return input.value ? new Date(input.value).toISOString() : ""; }
    function question() {
      var level = $("[data-f=level]", root).value, pick = start.value.split(":"), p = new URLSearchParams();
      if (when(from)) p.set("begin_time", when(from));
      if (when(to)) p.set("end_time", when(to));
      if (start.value) { p.set("replica_id", pick[0]); p.set("attempt", pick[1]); }
      return { span: p, search: function () {
        var all = new URLSearchParams(p);
        if (search.value.trim()) all.set("q", search.value.trim());
        if (level === "system") all.set("by", "system"); else if (level !== "info") all.set("level", level);
        all.set("max_lines", LINES);
        if (cursor) all.set("cursor", cursor);
        return all;
      } };
    }
    function ask(path, params) {
      return fetch(api + path + "?" + params, { headers: { Accept: "application/json" } }).then(function (r) {
        return r.json().then(function (body) { return r.ok ? body : Promise.reject(new Error(body.error ? body.error.message : "")); });
      });
    }

    /* ---- what is there ---- */
    function starts() {
      return ask("/attempts", "").then(function (all) {
        var v = start.value;
        notes = all.filter(function (a) { return a.note; });
        start.replaceChildren(el("option", { value: "", text: "All starts" }));
        all.slice().reverse().forEach(function (a) {
          var name = (a.number ? "Replica " + a.number : "A replica that is gone") + ", start " + a.attempt;
          start.append(el("option", { value: a.replica_id + ":" + a.attempt, text: name + (a.removed_at ? " (removed)" : "") }));
        });
        start.value = v;
      });
    }

    /* ---- looking ---- */
    function begin() {
      cursor = ""; count = 0; day = ""; rows.replaceChildren();
      logs.seek(search.value);
      go(PATIENCE);
    }
    function go(left) {
      var mine = ++asked, bottom = !rows.childElementCount;
      box.setAttribute("aria-busy", "true"); older.disabled = true;
      say("Searching");
      ask("/search", question().search()).then(function (found) {
        if (mine !== asked) return;
        cursor = found.next || "";
        draw(found.lines);
        if (bottom) box.scrollTop = box.scrollHeight;
        if (cursor && !count && left > 1) { say(reached(found)); go(left - 1); return; }
        done(found);
      }).catch(function (error) {
        if (mine !== asked) return;
        box.removeAttribute("aria-busy"); older.disabled = false;
        say(error.message || "The kept logs could not be read. Try again in a moment.");
      });
    }
    function reached(found) { return "Searched back to " + new Date(found.searched_back_to).toLocaleString("en-GB", { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" }); }
    function done(found) {
      box.removeAttribute("aria-busy"); older.disabled = false;
      older.hidden = !cursor;
      UI.setText(older, count ? "Older lines" : "Go on");
      var many = count === 1 ? "1 line" : count.toLocaleString("en") + " lines";
      say(count ? many + (cursor ? ". " + reached(found) + "." : ". That is all.") : cursor ? "No line so far. " + reached(found) + "." : "No line matches.");
      head.replaceChildren();
      if (!cursor) above();
      UI.say(status.textContent, true);
    }
    function say(text) { UI.setText(status, text); }
    /* Where a log was removed it is said, above the oldest line. */
    function above() {
      notes.forEach(function (a) {
        if (start.value && start.value !== a.replica_id + ":" + a.attempt) return;
        head.append(el("span.past-note", { text: (a.number ? "Replica " + a.number + ", start " : "A replica that is gone, start ") + a.attempt + ": " + a.note }));
      });
    }

    /* ---- drawing: what comes is older than what is there ---- */
    function draw(lines) {
      var part = document.createDocumentFragment(), height = box.scrollHeight, first = rows.firstElementChild, seen = "";
      count += lines.length;
      if (first && first.dataset.gap !== undefined && lines.length && date(lines[0]) === day) first.remove();
      lines.slice().reverse().forEach(function (l) {
        if (date(l) !== seen) { seen = date(l); part.append(el("div.ln", { "data-gap": "", text: seen })); }
        part.append(logs.row({ t: Date.parse(l.timestamp), r: l.number, a: l.attempt, src: l.source, level: l.level, text: l.data }));
      });
      if (lines.length) day = date(lines[lines.length - 1]);
      rows.prepend(part);
      box.scrollTop += box.scrollHeight - height;
    }
    function date(l) { return new Date(l.timestamp).toLocaleDateString("en-GB", { weekday: "long", day: "numeric", month: "long", year: "numeric" }); }

    /* ---- in and out ---- */
    function show(on) {
      root.toggleAttribute("data-past", on);
      form.hidden = box.hidden = !on;
      opener.setAttribute("aria-pressed", on);
      asked++;
      if (!on) { search.focus(); return; }
      box.toggleAttribute("data-wrap", $(".log", root).hasAttribute("data-wrap"));
      starts().then(begin, begin);
      from.focus();
    }
    older.addEventListener("click", function () { go(PATIENCE); });
    form.addEventListener("submit", function (e) { e.preventDefault(); begin(); });
    start.addEventListener("change", begin);
    $("[data-f=level]", root).addEventListener("change", function () { if (!form.hidden) begin(); });
    search.addEventListener("keydown", function (e) { if (e.key === "Enter" && !form.hidden) { e.preventDefault(); e.stopImmediatePropagation(); begin(); } }, true);
    root.addEventListener("click", function (e) {
      var b = e.target.closest("[data-act]"); if (!b) return;
      if (b.dataset.act === "past") show(form.hidden);
      if (b.dataset.act === "wrap") box.toggleAttribute("data-wrap", b.getAttribute("aria-pressed") === "true");
    });
    logs.downloads(function () { return form.hidden ? "" : api + "/download?" + question().span; });
    box.append(head, older, rows);
    older.classList.add("past-older");
    return { show: show };
  };
})();
