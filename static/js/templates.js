/* Templates, and the page that imports one.
   Templates: search and filters in place. The server does the same from the URL, which follows along. */
(function () {
  "use strict";
  var UI = window.UI, $ = UI.$, $$ = UI.$$;
  /* The line that the message names is selected. */
  function showLine(field) {
    var n = +field.dataset.line, lines = field.value.split("\n");
    if (!n || n > lines.length) return;
    var from = lines.slice(0, n - 1).join("\n").length + (n > 1 ? 1 : 0);
    field.focus();
    field.setSelectionRange(from, from + lines[n - 1].length);
    field.scrollTop = (n - 4) * parseFloat(getComputedStyle(field).lineHeight);
  }
  document.addEventListener("DOMContentLoaded", function () {
    var yaml = $("#yaml");
    if (yaml) { showLine(yaml); return; }
    var form = $("#filters"), rows = $$("#rows .t-row"), input = $("#q"), hw = $("#hw"), tabs = $$(".tabs button");
    var none = $("#none"), list = $("#rows"), count = $("#count"), head = $(".rows-head");
    function kind() { return $('.tabs [aria-pressed="true"]').value; }
    function address() {
      var p = new URLSearchParams();
      if (input.value.trim()) p.set("q", input.value.trim());
      if (kind()) p.set("kind", kind());
      if (hw.value) p.set("hw", hw.value);
      history.replaceState(null, "", location.pathname + (p.size ? "?" + p : ""));
    }
    function apply() {
      var words = input.value.trim().toLowerCase().split(/\s+/), k = kind(), most = hw.value ? +hw.selectedOptions[0].dataset.position : Infinity, n = 0;
      rows.forEach(function (r) {
        var ok = (!k || (k === "yours" ? r.dataset.yours !== undefined : r.dataset.kind === k)) && +r.dataset.position <= most && words.every(function (w) { return r.dataset.text.indexOf(w) >= 0; });
        r.hidden = !ok; n += ok ? 1 : 0;
      });
      none.hidden = n > 0; list.hidden = n === 0; head.hidden = n === 0;
      UI.setText($("#none-q"), input.value.trim() ? "“" + input.value.trim() + "”" : "these filters");
      var t = n + (n === 1 ? " template" : " templates");
      if (count.textContent !== t) { count.textContent = t; UI.say(t); }
      address();
    }
    function press(tab) { tabs.forEach(function (x) { x.setAttribute("aria-pressed", x === tab); }); apply(); }
    form.addEventListener("submit", function (e) {
      e.preventDefault();
      if (e.submitter && tabs.indexOf(e.submitter) >= 0) press(e.submitter);
    });
    input.addEventListener("input", apply);
    hw.addEventListener("change", apply);
    $("#clear").addEventListener("click", function (e) { e.preventDefault(); input.value = ""; hw.value = ""; press(tabs[0]); input.focus(); });
  });
})();
