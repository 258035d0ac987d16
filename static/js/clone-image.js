/* Looks for the image while its name is typed, and offers what it says about itself: its port, its volume. Never in the way of a submit. */
(function () {
  "use strict";
  var UI = window.UI, el = UI.el, $ = UI.$;
  document.addEventListener("DOMContentLoaded", function () {
    var image = $("#image"), registry = $("#registry"), port = $("#port"), volume = $("#volume"), mount = $("#mount");
    var help = $("#image-help"), portHelp = $("#port-help"), offer = $("#volume-offer");
    if (!image.dataset.check) return;
    var asked = null, timer = null, free = port.hasAttribute("data-free"), found = null;

    function put(input, value) { input.value = value; input.dispatchEvent(new Event("input", { bubbles: true })); }
    function clear() {
      clearTimeout(timer);
      if (asked) asked.abort();
      found = null; delete help.dataset.state; UI.setText(help, ""); portHelp.replaceChildren(); offer.hidden = true;
    }
    function soon(ms) { clear(); timer = setTimeout(look, ms); }
    function look() {
      var name = image.value.trim();
      if (!name) return;
      var mine = asked = new AbortController(), query = new URLSearchParams({ image: name, registry: registry ? registry.value : "", endpoint: image.dataset.endpoint || "" });
      fetch(image.dataset.check + "?" + query, { signal: mine.signal, headers: { Accept: "application/json" } })
        .then(function (r) { if (!r.ok) throw new Error(r.status); return r.json(); })
        .then(show)
        .catch(function () { /* the start says what is wrong with it */ });
    }
    function show(answer) {
      found = answer;
      help.dataset.state = answer.state; UI.setText(help, answer.text);
      sayPort(); sayVolume();
    }
    function sayPort() {
      portHelp.replaceChildren();
      var ports = found ? found.ports : [];
      if (!ports.length || ports.indexOf(+port.value) >= 0) return;
      if (free && ports.length === 1) { put(port, ports[0]); portHelp.append("Filled in: the image exposes " + ports[0] + "."); return; }
      portHelp.append("The image exposes " + ports.slice(0, 3).join(", ").replace(/, (\d+)$/, " and $1") + ". ");
      ports.slice(0, 3).forEach(function (p) {
        var b = el("button.btn.btn-s", { type: "button", text: "Use " + p });
        b.addEventListener("click", function () { free = false; put(port, p); portHelp.replaceChildren(); port.focus(); });
        portHelp.append(b, " ");
      });
    }
    function sayVolume() {
      var path = found && found.volumes[0];
      offer.hidden = !path || (volume.checked && mount.value === path);
      if (!offer.hidden) UI.setText($("span", offer), "The image keeps files in " + path + ".");
    }
    $("button", offer).addEventListener("click", function () {
      if (!volume.checked) volume.click();
      put(mount, found.volumes[0]);
      offer.hidden = true; $("#volume-name").focus();
    });
    image.addEventListener("input", function () { soon(500); });
    if (registry) registry.addEventListener("change", function () { soon(0); });
    /* Only a person's own typing: what is filled in here comes as an event, too. */
    port.addEventListener("input", function (e) { if (e.isTrusted) { free = false; sayPort(); } });
    [volume, mount].forEach(function (i) { i.addEventListener("input", sayVolume); });
    if (image.value.trim() && image.value !== image.dataset.was) look();
  });
})();
