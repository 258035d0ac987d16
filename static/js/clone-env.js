/* Environment rows of the clone form: added, removed, locked. */
(function () {
  "use strict";
  var UI = window.UI, $ = UI.$, $$ = UI.$$;
  document.addEventListener("DOMContentLoaded", function () {
    var env = $("#env"), blank = $("#env-row");
    function changed() { env.dispatchEvent(new Event("change", { bubbles: true })); }
    $$(".no-js-only", env).forEach(function (r) { r.remove(); });
    var next = $$(".env-row", env).reduce(function (n, r) { return Math.max(n, +r.dataset.row + 1); }, 0);
    $("#env-add").addEventListener("click", function () {
      var row = blank.content.firstElementChild.cloneNode(true), n = next++;
      row.dataset.row = n;
      $$("[name],[id],[aria-describedby]", row).forEach(function (i) {
        ["name", "id", "aria-describedby"].forEach(function (a) { if (i.hasAttribute(a)) i.setAttribute(a, i.getAttribute(a).replace("env-0-", "env-" + n + "-")); });
      });
      env.append(row);
      $("input", row).focus();
      changed();
    });
    env.addEventListener("click", function (e) {
      var b = e.target.closest(".env-remove");
      if (!b) return;
      var row = b.closest(".env-row"), to = row.nextElementSibling || row.previousElementSibling;
      row.remove(); changed();
      (to ? $("input", to) : $("#env-add")).focus();
    });
    env.addEventListener("change", function (e) {
      if (!e.target.matches(".env-lock input")) return;
      var row = e.target.closest(".env-row"), value = $(".env-val", row), kept = $("[type=hidden]", row), on = e.target.checked;
      if (value.nodeName !== "INPUT") return;
      value.type = on ? "password" : "text";
      value.placeholder = on ? (kept ? "Kept as it is" : "Secret value") : "value";
      value.autocomplete = on ? "new-password" : "off";
    });
  });
})();
