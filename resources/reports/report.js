// Draws every chart of the page and follows the light or dark preference of the reader.
(() => {
  const charts = JSON.parse(document.getElementById("charts").textContent);
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const themed = (layout) => {
    const axis = { gridcolor: colour("--grid"), linecolor: colour("--rule"), tickfont: { color: colour("--soft") }, zeroline: false };
    return { ...layout, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
      font: { family: getComputedStyle(document.body).fontFamily, size: 13, color: colour("--ink") },
      xaxis: { ...layout.xaxis, ...axis }, yaxis: { ...layout.yaxis, ...axis } };
  };
  const draw = () => charts.forEach(({ id, data, layout }) =>
    Plotly.react(id, data, themed(layout), { displayModeBar: false, responsive: true }));
  draw();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
})();
