/* Says what choosing a volume means: a new one, or one that is there with its files. */
(function () {
  "use strict";
  var UI = window.UI, $ = UI.$;
  document.addEventListener("DOMContentLoaded", function () {
    var name = $("#volume-name"), help = $("#volume-help"), words = JSON.parse($("#volume-words").textContent);
    function say() {
      var key = name.value.trim();
      UI.setText(help, key ? (Object.hasOwn(words, key) ? words[key] : "New volume.") : "");
    }
    name.addEventListener("input", say);
    say();
  });
})();
