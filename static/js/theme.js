/* Loaded blocking in <head>: sets the theme before first paint, and says that scripts run. No inline script, so the CSP needs no hash. */
(function () {
  document.documentElement.classList.add("js");
  var t = null;
  try { t = localStorage.getItem("theme"); } catch (e) { /* private mode */ }
  if (t === "light" || t === "dark") document.documentElement.dataset.theme = t;
})();
