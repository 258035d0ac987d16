/* The weekly schedule: rows are added and removed here; the picture comes from the server. */
(function () {
  "use strict";
  var UI = window.UI, $ = UI.$, $$ = UI.$$;
  document.addEventListener("DOMContentLoaded", function () {
    var list = $("#windows"), blank = $("#window-row"), add = $("#window-add");
    function changed() { list.dispatchEvent(new Event("change", { bubbles: true })); }
    $$(".no-js-only", list).forEach(function (row) { row.remove(); });
    var next = $$(".window", list).reduce(function (n, row) { return Math.max(n, +row.dataset.row + 1); }, 0);
    add.addEventListener("click", function () {
      var row = blank.content.firstElementChild.cloneNode(true), n = next++;
      row.dataset.row = n;
      $$("[name],[id],[aria-describedby]", row).forEach(function (i) {
        ["name", "id", "aria-describedby"].forEach(function (a) { if (i.hasAttribute(a)) i.setAttribute(a, i.getAttribute(a).replace("window-0-", "window-" + n + "-")); });
      });
      list.append(row);
      $("input", row).focus();
    });
    list.addEventListener("click", function (e) {
      var b = e.target.closest(".window-remove");
      if (!b) return;
      var row = b.closest(".window"), to = row.nextElementSibling || row.previousElementSibling;
      row.remove(); changed();
      (to ? $("input", to) : add).focus();
    });
    document.addEventListener("htmx:afterSwap", function () { window.Live.dress($("#week")); });
    var bad = $("[aria-invalid]", list) || $("[aria-invalid]");
    if (bad) bad.focus();
  });
})();
