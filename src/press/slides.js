// Starts a deck, and makes the letters of a slide smaller until all of it fits.
(function () {
  "use strict";
  var HEIGHT = 720, FOOT = 40, LEAST = 14;

  function overflows(slide) {
    var bottom = 0;
    Array.prototype.forEach.call(slide.children, function (child) {
      if (!child.classList.contains("foot")) bottom = Math.max(bottom, child.offsetTop + child.offsetHeight);
    });
    return bottom > HEIGHT - FOOT || slide.scrollWidth > slide.clientWidth;
  }

  function fit(slide) {
    var size = parseFloat(getComputedStyle(slide).fontSize);
    while (size > LEAST && overflows(slide)) {
      size -= 1;
      slide.style.fontSize = size + "px";
    }
  }

  Reveal.on("ready", function (event) { fit(event.currentSlide); });
  Reveal.on("slidechanged", function (event) { fit(event.currentSlide); });
  Reveal.initialize({
    width: 1280, height: HEIGHT, margin: 0, center: false, hash: true, transition: "none", backgroundTransition: "none",
    scrollActivationWidth: null  // slides on a phone too: the page that reveal.js scrolls there is not for keyboards
  });
})();
