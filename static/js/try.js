/* A request to the endpoint, from its page: what comes back is shown as it comes. Without this file the form posts to a page of its own. */
(function () {
  "use strict";
  var UI = window.UI, $ = UI.$;
  document.addEventListener("DOMContentLoaded", function () {
    var form = $("#try-form"), send = $("#try-send"), box = $("#try-answer"), text = $("#try-text");
    var file = $("#try-file"), pictures = $("#try-pictures"), got = $("#try-got"), running = null;
    if (!form || !window.ReadableStream) return;

    function problem(id, sentence) {
      var at = $("#try-" + id + "-error"), field = form.elements[id];
      at.hidden = !sentence;
      UI.setText($("span", at), sentence || "");
      if (field) { if (sentence) field.setAttribute("aria-invalid", "true"); else field.removeAttribute("aria-invalid"); }
      return field;
    }
    function problems(found) {
      var first = null;
      ["method", "path", "body", "headers"].forEach(function (id) {
        var field = problem(id, found[id]);
        if (found[id] && !first) first = field;
      });
      if (!first) return;
      var fold = first.closest("details");
      if (fold) fold.open = true;
      first.focus();
    }
    function status(words) { UI.setText($("#try-status"), words); }
    function trouble(sentence) {
      $("#try-trouble").hidden = !sentence;
      UI.setText($("#try-trouble span"), sentence || "");
    }
    function clear() {
      box.hidden = false;
      text.textContent = ""; text.hidden = file.hidden = got.hidden = true;
      pictures.replaceChildren();
      UI.setText($("#try-note"), "");
      trouble("");
    }
    function add(piece) {
      text.hidden = false;
      /* Who reads further up is left there; who is at the end stays at the end. */
      var end = text.scrollTop + text.clientHeight > text.scrollHeight - 8;
      text.append(piece);
      if (end) text.scrollTop = text.scrollHeight;
    }
    function show(line) {
      if (line.words) status(line.words);
      if (line.note) UI.setText($("#try-note"), line.note);
      if (line.begun) {
        got.hidden = false;
        $("#try-got-text").textContent = line.begun.headers.map(function (h) { return h[0] + ": " + h[1]; }).join("\n");
      }
      if (line.text) add(line.text.text);
      if (line.trouble) trouble(line.trouble.sentence);
      if (!line.shown) return;
      if (line.shown.text) { text.hidden = false; text.textContent = line.shown.text; }
      line.shown.pictures.forEach(function (url, i) { pictures.append(UI.el("img", { src: url, alt: "Picture " + (i + 1) + " of the answer" })); });
      if (line.shown.file) {
        var a = $("a", file);
        file.hidden = false;
        a.href = line.shown.file; a.download = line.shown.name;
        a.lastChild.textContent = "Save " + line.shown.name;
      }
    }
    async function lines(answer) {
      var reader = answer.body.pipeThrough(new TextDecoderStream()).getReader(), rest = "", ended = false;
      for (;;) {
        var step = await reader.read();
        if (step.done) break;
        var parts = (rest + step.value).split("\n");
        rest = parts.pop();
        parts.forEach(function (part) {
          if (!part) return;
          var line = JSON.parse(part);
          ended = ended || Boolean(line.ended || line.trouble);
          show(line);
        });
      }
      if (!ended) throw new Error("cut short");
    }
    function busy(on) {
      send.textContent = on ? "Stop" : "Send";
      send.classList.toggle("btn-primary", !on);
      box.setAttribute("aria-busy", on);
    }
    form.addEventListener("submit", async function (e) {
      e.preventDefault();
      if (running) { running.abort(); return; }
      var own = running = new AbortController();
      problems({});
      busy(true);
      try {
        var answer = await fetch(form.action, { method: "POST", body: new FormData(form), headers: { Accept: "application/x-ndjson" }, signal: own.signal });
        if (answer.status === 422) { problems((await answer.json()).problems); return; }
        clear();
        if (!answer.ok) throw new Error(answer.status);
        status("Sent, waiting for the answer");
        await lines(answer);
      } catch (error) {
        box.hidden = false;
        if (own.signal.aborted) status("Stopped");
        else { status(""); trouble("The console did not answer to the end. Reload the page and send it again."); }
      } finally { running = null; busy(false); }
    });
  });
})();
