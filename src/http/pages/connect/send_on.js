// Sends what the vendor's page posted once more, from here: then the browser's cookie comes along.
(function () {
  "use strict";
  var form = document.getElementById("send-on");
  if (form) form.submit();
})();
