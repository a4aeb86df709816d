"use strict";
(() => {
  const data = (id) => JSON.parse(document.getElementById(id).textContent);
  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const every = (selector, root = document) => [...root.querySelectorAll(selector)];

  // Figures: drawn in the colours of the page, and again when those change.
  const figures = data("figures");
  const colours = data("palette");

  const painted = (figure) => {
    const copy = structuredClone(figure);
    for (const trace of copy.data) {
      const series = trace.meta?.series;
      const hue = series === undefined
        ? css("--neutral")
        : css(`--series-${series % colours}`);
      for (const part of ["marker", "line", "error_x", "error_y"]) {
        if (trace[part]) trace[part].color ??= hue;
      }
      if (trace.mode?.includes("text")) trace.textfont = { color: css("--ink") };
    }
    const font = css("--font");
    const look = { gridcolor: css("--grid"), linecolor: css("--rule"), zeroline: false };
    const layout = copy.layout;
    layout.xaxis = { ...look, ...layout.xaxis };
    layout.yaxis = { ...look, ...layout.yaxis };
    layout.paper_bgcolor = layout.plot_bgcolor = "rgba(0,0,0,0)";
    layout.font = { family: font, size: 12.5, color: css("--ink") };
    layout.hoverlabel = {
      font: { family: font, color: css("--ink") },
      bgcolor: css("--card"), bordercolor: css("--faint"), align: "left",
    };
    layout.showlegend = false;  // the page has one legend for all
    layout.autosize = true;
    return copy;
  };
  const options = { responsive: true, displaylogo: false, displayModeBar: false };
  const drawAll = () => {
    for (const box of every(".plot")) {
      const figure = painted(figures[box.dataset.figure]);
      Plotly.react(box, figure.data, figure.layout, options);
    }
  };
  every(".no-script").forEach((note) => note.remove());
  drawAll();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);

  // The leaderboard: one k at a time, sorted by any column.
  const table = document.querySelector("#leaderboard table");
  const body = table.tBodies[0];
  const heads = every("thead th", table);

  const sortBy = (head, descending) => {
    const place = heads.indexOf(head);
    const key = (row) => (row.className === "failed-row" ? "" : row.cells[place]?.dataset.value);
    const rows = [...body.rows].map((row, number) => ({ row, number, key: key(row) }));
    const way = descending ? -1 : 1;
    rows.sort((a, b) => {
      if (a.key === undefined || a.key === "" || b.key === undefined || b.key === "") {
        return (b.key ? 1 : 0) - (a.key ? 1 : 0) || a.number - b.number;
      }
      const text = head.dataset.kind === "text";
      const order = text ? a.key.localeCompare(b.key) : Number(a.key) - Number(b.key);
      return way * order || a.number - b.number;
    });
    body.append(...rows.map((one) => one.row));
    for (const other of heads) {
      other.setAttribute("aria-sort", "none");
    }
    head.setAttribute("aria-sort", descending ? "descending" : "ascending");
  };
  for (const head of heads) {
    head.querySelector("button").addEventListener("click", () => {
      const now = head.getAttribute("aria-sort");
      const first = head.dataset.kind === "score";  // large scores first, small costs first
      sortBy(head, now === "none" ? first : now === "ascending");
    });
  }
  const lengths = document.getElementById("length");
  lengths?.addEventListener("change", () => {
    const sorted = heads.find((head) => head.getAttribute("aria-sort") !== "none");
    for (const cell of every("[data-k]", table)) {
      cell.hidden = cell.dataset.k !== lengths.value;
    }
    if (sorted?.hidden) {
      const same = heads.find((head) =>
        !head.hidden && head.dataset.metric === sorted.dataset.metric);
      if (same) sortBy(same, sorted.getAttribute("aria-sort") === "descending");
    }
  });

  // The lists of one user at a time.
  const users = document.getElementById("user");
  if (users) {
    const views = every(".user");
    const show = (place) => {
      users.selectedIndex = (place + views.length) % views.length;
      views.forEach((view, number) => { view.hidden = number !== users.selectedIndex; });
    };
    users.addEventListener("change", () => show(users.selectedIndex));
    document.getElementById("before").addEventListener("click", () => show(users.selectedIndex - 1));
    document.getElementById("after").addEventListener("click", () => show(users.selectedIndex + 1));
  }
  document.documentElement.dataset.ready = "yes";
})();
