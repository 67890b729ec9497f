MathJax.Hub.Config({
  messageStyle: "none",
  showMathMenu: false,
  SVG: {font: "TeX", blacker: 1, linebreaks: {automatic: false}, matchFontHeight: true}
});
