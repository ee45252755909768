// Tells the page that opened this window, and no other, what came of the link; then closes the window.
(function () {
  "use strict";
  var result = document.getElementById("result");
  if (!result) return;
  var status = result.dataset.status;
  var instance = result.dataset.instance;

  function tell() {
    if (window.opener && result.dataset.origin) {
      var told = {
        source: "ligand",
        linkId: Number(result.dataset.link),
        status: status,
        instanceId: instance ? Number(instance) : null
      };
      window.opener.postMessage(told, result.dataset.origin);
    }
    window.close();
  }

  var close = document.getElementById("close");
  if (close) {
    close.hidden = false;
    close.addEventListener("click", tell);
  }
  // Denied and failed are not the end: the person may try again.
  if (status === "authorised") tell();
})();
