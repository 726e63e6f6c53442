// What pymdownx.arithmatex marks is typeset, and nothing else.
window.MathJax = {
  tex: {
    inlineMath: [["\\(", "\\)"]],
    displayMath: [["\\[", "\\]"]],
    processEscapes: true,
  },
  chtml: { scale: 0.92 },
  options: { ignoreHtmlClass: ".*", processHtmlClass: "arithmatex" },
};
