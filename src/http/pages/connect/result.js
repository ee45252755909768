// Tells the page that opened this window, and no other, what came of the link; then closes the window.
(function () {
  "use strict";
  var result = document.getElementById("result");
  if (!result) return;
  var facts = result.dataset;

  function tell() {
    if (window.opener && facts.origin) {
      var told = {
        source: "ligand",
        linkId: Number(facts.link),
        path: location.pathname.replace(/\/result$/, ""),
        status: facts.status,
        instanceId: facts.instance ? Number(facts.instance) : null,
        handle: facts.handle || null
      };
      window.opener.postMessage(told, facts.origin);
    }
    window.close();
  }

  var close = document.getElementById("close");
  if (close) {
    close.hidden = false;
    close.addEventListener("click", tell);
  }
  // Somebody on the way may have cut this window off (Cross-Origin-Opener-Policy): then it carries the handle itself.
  if (facts.back && !window.opener) location.replace(facts.back);
  // Denied and failed are not the end: the person may try again.
  else if (facts.handle || facts.status === "authorised") tell();
})();
