// Buttons that copy, and pages that stay true: what is marked `data-live` is fetched anew while somebody looks.
(function () {
  "use strict";
  var PAUSE = 3000;
  document.documentElement.classList.add("scripted");

  function say(text) {
    document.getElementById("said").textContent = text;
  }

  function copy(text) {
    if (navigator.clipboard && window.isSecureContext) return navigator.clipboard.writeText(text);
    // Over plain http there is no clipboard but that of a selection.
    var area = document.createElement("textarea");
    area.value = text;
    area.readOnly = true;
    area.className = "unseen";
    document.body.append(area);
    area.select();
    var copied = document.execCommand("copy");
    area.remove();
    return copied ? Promise.resolve() : Promise.reject();
  }

  document.addEventListener("click", function (event) {
    var button = event.target.closest("[data-copy]");
    if (!button) return;
    copy(button.dataset.copy).then(function () { copied(button); },
      function () { say("The browser does not let this page copy."); });
  });

  function copied(button) {
    var word = button.firstElementChild;
    button.dataset.word = button.dataset.word || word.textContent;
    word.textContent = "Copied";
    say("Copied.");
    setTimeout(function () { word.textContent = button.dataset.word; say(""); }, 2000);
  }

  // Whatever somebody works with at the moment stays.
  function inUse(region) {
    var selection = document.getSelection();
    return Boolean(selection) && !selection.isCollapsed && selection.containsNode(region, true);
  }

  function renew(region, fresh) {
    if (region.outerHTML === fresh.outerHTML || inUse(region)) return;
    var focused = region.contains(document.activeElement) ? document.activeElement.id : "";
    region.replaceWith(fresh);
    var again = focused && document.getElementById(focused);
    if (again) again.focus({ preventScroll: true });
  }

  function look() {
    return fetch(location.href, { headers: { accept: "text/html", "x-by-itself": "yes" } }).then(function (reply) {
      // The session is over: the page itself says so.
      if (reply.redirected) return location.reload();
      if (!reply.ok) return undefined;
      return reply.text().then(function (text) {
        var fresh = new DOMParser().parseFromString(text, "text/html");
        document.querySelectorAll("[data-live][id]").forEach(function (region) {
          var other = fresh.getElementById(region.id);
          if (other) renew(region, document.importNode(other, true));
        });
      });
    });
  }

  function later() {
    setTimeout(function () {
      var done = document.hidden ? Promise.resolve() : look();
      done.catch(function () {}).then(later);
    }, PAUSE);
  }

  if (document.querySelector("[data-live]")) {
    later();
    document.addEventListener("visibilitychange", function () {
      if (!document.hidden) look().catch(function () {});
    });
  }
})();
