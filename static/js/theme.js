/* Loaded blocking in <head>: sets the theme before first paint. No inline script, so the CSP needs no hash. */
(function () {
  var t = null;
  try { t = localStorage.getItem("theme"); } catch (e) { /* private mode */ }
  if (t === "light" || t === "dark") document.documentElement.dataset.theme = t;
})();
