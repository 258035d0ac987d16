/* Endpoints list: search. Its rows come from the server, at first and over the socket. */
(function () {
  "use strict";
  var UI = window.UI, Live = window.Live, $ = UI.$, $$ = UI.$$;
  function filter() {
    var input = $("#q"), rows = $("#rows");
    if (!input || !rows) return;
    var q = input.value.trim().toLowerCase(), shown = 0;
    $$(".e-row", rows).forEach(function (r) { var ok = !q || r.dataset.text.indexOf(q) >= 0; r.hidden = !ok; shown += ok; });
    $("#none").hidden = shown > 0;
    rows.hidden = $("#rows-head").hidden = !shown;
  }
  document.addEventListener("input", function (e) { if (e.target.id === "q") filter(); });
  Live.on("swapped", filter);
})();
