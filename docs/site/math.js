/* Mathematics: KaTeX renders what the site's generator has marked, before the page is shown for long. */
document.addEventListener("DOMContentLoaded", function () {
  document.querySelectorAll(".arithmatex").forEach(function (element) {
    var text = element.textContent.trim(), display = text.startsWith("\\[");
    katex.render(text.slice(2, -2), element, { displayMode: display, throwOnError: false });
  });
});
