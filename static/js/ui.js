/* Small behaviours, attached by data attributes and delegation, so markup swapped in later (htmx, websocket) just works. */
(function () {
  "use strict";
  var UI = (window.UI = window.UI || {});
  var $ = (UI.$ = function (sel, root) { return (root || document).querySelector(sel); });
  var $$ = (UI.$$ = function (sel, root) { return Array.prototype.slice.call((root || document).querySelectorAll(sel)); });
  UI.params = new URLSearchParams(location.search);
  UI.calm = matchMedia("(prefers-reduced-motion: reduce)");

  /* el("div.a.b", {attr: value}, child, ...) */
  var SVGNS = "http://www.w3.org/2000/svg", SVG = /^(svg|circle|path|line|rect|g|use|text|title)$/;
  UI.el = function (spec, attrs) {
    var bits = spec.split("."), tag = bits.shift() || "div";
    var n = SVG.test(tag) ? document.createElementNS(SVGNS, tag) : document.createElement(tag);
    if (bits.length) n.setAttribute("class", bits.join(" "));
    for (var k in attrs || {}) {
      var v = attrs[k];
      if (v === null || v === undefined || v === false) continue;
      if (k === "text") n.textContent = v; else n.setAttribute(k, v === true ? "" : v);
    }
    for (var i = 2; i < arguments.length; i++) {
      var c = arguments[i];
      if (c === null || c === undefined || c === false) continue;
      n.append(c.nodeType ? c : document.createTextNode(c));
    }
    return n;
  };
  UI.icon = function (name, small) {
    return UI.el("svg.icon" + (small ? ".icon-s" : ""), { "aria-hidden": "true" }, UI.el("use", { href: "#i-" + name }));
  };
  UI.setText = function (n, t) { if (n && n.textContent !== t) n.textContent = t; };

  /* 102 -> "1 min 42 s" */
  UI.dur = function (s) {
    s = Math.max(0, Math.round(s));
    if (s < 60) return s + " s";
    var m = Math.floor(s / 60);
    if (m < 60) return m + " min" + (s % 60 ? " " + (s % 60) + " s" : "");
    var h = Math.floor(m / 60);
    if (h < 48) return h + " h" + (m % 60 ? " " + (m % 60) + " min" : "");
    return Math.floor(h / 24) + " days";
  };
  UI.clock = function (d) { return new Date(d).toTimeString().slice(0, 8); };
  /* "18:00", "Tue 18:00", "3 Dec 18:00": a time without its seconds, with its day when that is not today */
  UI.moment = function (d, now) {
    var far = Math.abs(Math.round((new Date(d).setHours(12, 0, 0, 0) - new Date(now).setHours(12, 0, 0, 0)) / 864e5));
    var day = !far ? "" : far < 7 ? d.toLocaleDateString("en-GB", { weekday: "short" }) + " " : d.toLocaleDateString("en-GB", { day: "numeric", month: "short" }) + " ";
    return day + d.toTimeString().slice(0, 5);
  };

  /* ---- announcements: one polite region for the whole page, at most one message every 2 s ---- */
  var said = 0, queue = null, region;
  UI.say = function (text, now) {
    region = region || $("#announce");
    if (!region) return;
    var wait = now ? 0 : Math.max(0, 2000 - (Date.now() - said));
    clearTimeout(queue);
    queue = setTimeout(function () { said = Date.now(); region.textContent = text; }, wait);
  };

  /* ---- toasts ---- */
  UI.toast = function (text, action) {
    var box = $("#toasts");
    if (!box) return;
    if (box.showPopover && !box.matches(":popover-open")) box.showPopover();
    var t = UI.el("div.toast", {}, action && action.icon === false ? null : UI.icon(action && action.icon || "check", true), UI.el("span", { text: text }));
    if (action && action.label) {
      var b = UI.el("button", { type: "button", text: action.label });
      b.addEventListener("click", function () { t.remove(); action.run(); });
      t.append(b);
    }
    box.append(t);
    UI.say(text, true);
    var life = setTimeout(done, action && action.label ? 9000 : 4200);
    t.addEventListener("pointerenter", function () { clearTimeout(life); });
    t.addEventListener("pointerleave", function () { life = setTimeout(done, 2500); });
    function done() { t.remove(); if (!box.children.length && box.hidePopover && box.matches(":popover-open")) box.hidePopover(); }
  };

  /* ---- placing a floating box by its anchor ---- */
  function place(box, anchor, opts) {
    opts = opts || {};
    var a = anchor.getBoundingClientRect(), w = box.offsetWidth, h = box.offsetHeight, gap = opts.gap || 8, pad = 10;
    var above = a.top - h - gap, below = a.bottom + gap;
    var side = opts.side === "bottom" ? (below + h > innerHeight - pad && above > pad ? "top" : "bottom") : (above < pad ? "bottom" : "top");
    var x = opts.align === "end" ? a.right - w : opts.align === "start" ? a.left : a.left + a.width / 2 - w / 2;
    x = Math.min(Math.max(pad, x), innerWidth - w - pad);
    box.style.left = Math.round(x) + "px";
    box.style.top = Math.round(side === "top" ? above : below) + "px";
    box.dataset.side = side;
  }
  UI.place = place;

  /* ---- tips: hover after a beat, focus and tap at once; Escape dismisses; the pointer may enter the tip (WCAG 1.4.13) ---- */
  var open = null, timer = null, pinned = false;
  function tipOf(b) { return document.getElementById(b.getAttribute("aria-describedby")); }
  function showTip(b) {
    if (open === b) return;
    hideTip();
    var t = tipOf(b);
    if (!t) return;
    open = b; b.dataset.open = "";
    if (t.showPopover) t.showPopover();
    place(t, b);
    requestAnimationFrame(function () { t.dataset.shown = ""; });
  }
  function hideTip() {
    clearTimeout(timer);
    if (!open) return;
    var t = tipOf(open);
    delete open.dataset.open; open = null; pinned = false;
    if (t) { delete t.dataset.shown; if (t.hidePopover && t.matches(":popover-open")) t.hidePopover(); }
  }
  function tipTarget(e) { return e.target.closest ? e.target.closest(".tip-btn") : null; }
  document.addEventListener("pointerover", function (e) {
    if (e.pointerType === "touch") return;
    var b = tipTarget(e);
    if (b) { clearTimeout(timer); timer = setTimeout(function () { showTip(b); }, open ? 0 : 140); return; }
    if (open && e.target.closest && e.target.closest(".tooltip")) { clearTimeout(timer); return; }
    if (open && !pinned && document.activeElement !== open) { clearTimeout(timer); timer = setTimeout(hideTip, 160); }
    else if (!open) clearTimeout(timer);
  });
  document.addEventListener("focusin", function (e) { var b = tipTarget(e); if (b && b.matches(":focus-visible")) showTip(b); });
  document.addEventListener("focusout", function (e) { if (tipTarget(e)) hideTip(); });
  document.addEventListener("click", function (e) {
    var b = tipTarget(e);
    if (b) { e.preventDefault(); showTip(b); pinned = true; } else if (open && pinned) hideTip();
  });
  /* A tip goes along with its button, until that is scrolled away. */
  addEventListener("scroll", function () {
    if (!open) return;
    var r = open.getBoundingClientRect();
    if (r.bottom < 0 || r.top > innerHeight) hideTip(); else place(tipOf(open), open);
  }, { passive: true, capture: true });
  document.addEventListener("keydown", function (e) {
    if (e.key === "Escape" && open) { e.stopPropagation(); e.preventDefault(); hideTip(); }
  }, true);

  /* ---- menus: popover=auto gives light dismiss and Escape; arrows move ---- */
  document.addEventListener("beforetoggle", function (e) {
    var m = e.target;
    if (!m.classList || !m.classList.contains("menu")) return;
    var b = $('[popovertarget="' + m.id + '"]');
    if (b) b.setAttribute("aria-expanded", e.newState === "open");
  }, true);
  document.addEventListener("toggle", function (e) {
    var m = e.target;
    if (!m.classList || !m.classList.contains("menu") || e.newState !== "open") return;
    var b = $('[popovertarget="' + m.id + '"]');
    if (b) place(m, b, { side: "bottom", align: m.dataset.align || "end", gap: 6 });
    var first = $('[role^="menuitem"]', m);
    if (first && b && b.matches(":focus-visible")) first.focus();
  }, true);
  document.addEventListener("keydown", function (e) {
    var m = e.target.closest && e.target.closest(".menu");
    if (!m) return;
    var items = $$('[role^="menuitem"]', m), i = items.indexOf(document.activeElement);
    var to = e.key === "ArrowDown" ? i + 1 : e.key === "ArrowUp" ? i - 1 : e.key === "Home" ? 0 : e.key === "End" ? items.length - 1 : null;
    if (to === null) return;
    e.preventDefault();
    items[(to + items.length) % items.length].focus();
  });
  document.addEventListener("click", function (e) {
    var it = e.target.closest && e.target.closest('.menu [role="menuitem"],.menu [role="menuitemradio"]');
    if (!it) return;
    var m = it.closest(".menu");
    setTimeout(function () { if (m.hidePopover) m.hidePopover(); }, 0);
  });

  /* ---- dialogs ---- */
  UI.openDialog = function (d, opener) {
    if (!d || d.open) return;
    d._opener = opener || document.activeElement;
    d.showModal();
  };
  document.addEventListener("click", function (e) {
    var t = e.target;
    var o = t.closest && t.closest("[data-dialog]");
    if (o) { e.preventDefault(); UI.openDialog(document.getElementById(o.dataset.dialog), o); }
    var c = t.closest && t.closest("[data-close]");
    if (c) { var d = c.closest("dialog"); if (d) d.close(); }
    if (t.nodeName === "DIALOG" && t.classList.contains("dialog")) {
      var r = t.getBoundingClientRect();
      if (e.clientX < r.left || e.clientX > r.right || e.clientY < r.top || e.clientY > r.bottom) t.close();
    }
  });
  document.addEventListener("close", function (e) {
    var o = e.target._opener;
    if (o && document.contains(o)) o.focus();
  }, true);

  /* ---- copy ---- */
  UI.copy = function (text, b) {
    function ok() {
      if (!b) return;
      var use = $("use", b), lab = $(".btn-label", b), was = lab && lab.textContent;
      if (use) use.setAttribute("href", "#i-check");
      if (lab) lab.textContent = "Copied";
      UI.say("Copied", true);
      clearTimeout(b._t);
      b._t = setTimeout(function () { if (use) use.setAttribute("href", "#i-copy"); if (lab) lab.textContent = was === "Copied" ? "Copy" : was; }, 1800);
    }
    function fallback() {
      var ta = UI.el("textarea.visually-hidden", { readonly: true });
      ta.value = text; document.body.append(ta); ta.select();
      var done = false;
      try { done = document.execCommand("copy"); } catch (e) { /* refused */ }
      ta.remove();
      if (done) ok(); else UI.toast("The browser refused to copy. Select the text and press Ctrl C.", { icon: "info" });
    }
    if (navigator.clipboard && isSecureContext) navigator.clipboard.writeText(text).then(ok, fallback); else fallback();
  };
  document.addEventListener("click", function (e) {
    var b = e.target.closest && e.target.closest("[data-copy]");
    if (!b) return;
    var src = document.getElementById(b.dataset.copy);
    UI.copy(src ? (src.value || src.textContent) : b.dataset.copy, b);
  });
  document.addEventListener("focusin", function (e) { if (e.target.matches && e.target.matches("[data-select-all]")) e.target.select(); });

  /* ---- reveal blocks tied to a switch or a disclosure ---- */
  UI.reveal = function (ctl) {
    var r = document.getElementById(ctl.getAttribute("aria-controls"));
    if (!r) return;
    var on = ctl.type === "checkbox" ? ctl.checked : ctl.getAttribute("aria-expanded") === "true";
    r.toggleAttribute("data-open", on);
  };
  document.addEventListener("click", function (e) {
    var b = e.target.closest && e.target.closest(".disclose");
    if (!b) return;
    b.setAttribute("aria-expanded", b.getAttribute("aria-expanded") !== "true");
    UI.reveal(b);
  });
  document.addEventListener("change", function (e) { if (e.target.matches && e.target.matches(".switch[aria-controls]")) UI.reveal(e.target); });

  /* ---- steppers ---- */
  document.addEventListener("click", function (e) {
    var b = e.target.closest && e.target.closest(".stepper button");
    if (!b) return;
    var input = $("input", b.parentNode);
    var v = (parseInt(input.value, 10) || 0) + (b.dataset.step === "up" ? 1 : -1);
    input.value = Math.min(+input.max, Math.max(+input.min, v));
    input.dispatchEvent(new Event("input", { bubbles: true }));
    input.dispatchEvent(new Event("change", { bubbles: true }));
  });

  /* ---- theme ---- */
  document.addEventListener("click", function (e) {
    var b = e.target.closest && e.target.closest("[data-set-theme]");
    if (!b) return;
    var t = b.dataset.setTheme;
    if (t === "auto") delete document.documentElement.dataset.theme; else document.documentElement.dataset.theme = t;
    try { if (t === "auto") localStorage.removeItem("theme"); else localStorage.setItem("theme", t); } catch (x) { /* private mode */ }
    $$("[data-set-theme]").forEach(function (x) { x.setAttribute("aria-checked", x === b); });
  });

  /* ---- "/" to search, unless typing ---- */
  document.addEventListener("keydown", function (e) {
    if (e.key !== "/" || e.ctrlKey || e.metaKey || e.altKey || /^(INPUT|TEXTAREA|SELECT)$/.test(e.target.nodeName)) return;
    var s = $(".logs[data-open] .search .input") || $(".search .input");
    if (s) { e.preventDefault(); s.focus(); s.select(); }
  });
  document.addEventListener("click", function (e) {
    var c = e.target.closest && e.target.closest(".search .clear");
    if (!c) return;
    var i = $(".input", c.parentNode);
    i.value = ""; i.dispatchEvent(new Event("input", { bubbles: true })); i.focus();
  });

  document.addEventListener("DOMContentLoaded", function () {
    $$(".switch[aria-controls],.disclose").forEach(UI.reveal);
    var th = document.documentElement.dataset.theme || "auto";
    $$("[data-set-theme]").forEach(function (x) { x.setAttribute("aria-checked", x.dataset.setTheme === th); });
    /* what the server has to say about the last post: a toast here, a notice without JS */
    $$("[data-toast]").forEach(function (n) { UI.toast($(".notice-body", n).textContent); n.remove(); });
    /* times are typed by the browser's clock; without scripts by the clock that is named */
    var zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
    if (zone) {
      $$("input[data-zone]").forEach(function (n) { n.value = zone; });
      $$("[data-zone-name]").forEach(function (n) { UI.setText(n, zone); });
    }
    /* anything marked data-autofocus-error gets focus, as after a rejected post */
    var bad = $("[data-autofocus-error]"); if (bad) bad.focus();
  });
  /* At the window this comes after every script's own listener at the document. */
  addEventListener("DOMContentLoaded", function () { document.documentElement.classList.add("ready"); });

  /* ---- htmx: what the server says, and a request that did not arrive ---- */
  document.addEventListener("said", function (e) {
    (e.detail.texts || []).forEach(function (text) { UI.toast(text, { icon: "check" }); });
  });
  document.addEventListener("htmx:afterRequest", function (e) {
    if (e.detail.successful && e.detail.xhr.status === 204) { var d = e.detail.elt.closest("dialog"); if (d) d.close(); }
  });
  ["htmx:sendError", "htmx:responseError", "htmx:timeout"].forEach(function (kind) {
    document.addEventListener(kind, function () { UI.toast("That did not reach the console. Reload the page and try again.", { icon: "info" }); });
  });
})();
