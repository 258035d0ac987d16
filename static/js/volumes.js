/* Volumes: deleting asks first, or says who uses it. The links lead to a page that does the same without this file. */
(function () {
  "use strict";
  var UI = window.UI, $ = UI.$;
  document.addEventListener("click", function (e) {
    var link = e.target.closest && e.target.closest("[data-delete-volume]");
    if (!link || e.ctrlKey || e.metaKey) return;
    e.preventDefault();
    var refusal = link.dataset.refusal;
    UI.setText($("#vd-name"), link.dataset.deleteVolume);
    UI.setText($("#vd-refusal"), refusal);
    $("#vd-ask").hidden = !!refusal;
    $("#vd-refusal").hidden = !refusal;
    $("#vd-go").hidden = !!refusal;
    $("#vd-form").action = link.href;
    UI.openDialog($("#volume-dialog"), link);
  });
})();
