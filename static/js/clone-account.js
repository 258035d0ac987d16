/* Secrets and sign-ins are added in another tab, so that nothing typed here is lost. Back here, the new ones are there to choose. */
(function () {
  "use strict";
  var UI = window.UI, $ = UI.$, $$ = UI.$$;
  document.addEventListener("DOMContentLoaded", function () {
    var away = false;
    document.addEventListener("click", function (e) { if (e.target.closest("[data-account]")) away = true; });
    function back() {
      if (!away || document.visibilityState !== "visible") return;
      away = false;
      fetch(location.href, { headers: { Accept: "text/html" } })
        .then(function (r) { if (!r.ok) throw new Error(r.status); return r.text(); })
        .then(function (text) { merge(new DOMParser().parseFromString(text, "text/html")); })
        .catch(function () { away = true; /* looked for again at the next return */ });
    }
    function merge(page) {
      var news = [];
      function add(list, item, key) { list.append(document.adoptNode(item)); news.push(key); }
      var known = $$("[name=secrets]").map(function (i) { return i.value; });
      $$("[name=secrets]", page).forEach(function (i) {
        if (known.indexOf(i.value) < 0) { i.checked = false; add($("#secret-choices"), i.closest(".choice"), i.value); }
      });
      var select = $("#registry"), keys = select ? $$("option", select).map(function (o) { return o.value; }) : [];
      if (select) $$("#registry option", page).forEach(function (o) { if (keys.indexOf(o.value) < 0) { o.selected = false; add(select, o, o.value); } });
      $("#no-secrets").hidden = !!$("[name=secrets]");
      if (news.length) UI.toast("To choose from now: " + news.join(", "));
    }
    addEventListener("focus", back);
    document.addEventListener("visibilitychange", back);
  });
})();
