"use strict";

// Tables that sort and filter, and the charts of one problem at a time. All numbers come from the page's data.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const byId = (id) => document.getElementById(id);
  const coarse = window.matchMedia("(pointer: coarse)").matches;

  // ---- Tables ----

  /** Sort a table's rows by a column; cells without a number, or without text, come last in both orders. */
  function sortRows(table, column, ascending) {
    const body = table.tBodies[0];
    const numeric = !table.tHead.rows[0].cells[column].classList.contains("text");
    const value = (row) => {
      const cell = row.cells[column];
      return numeric ? parseFloat(cell.dataset.v) : cell.textContent;
    };
    const missing = (key) => (numeric ? Number.isNaN(key) : key === "");
    const rows = Array.from(body.rows, (row) => [value(row), row]);
    rows.sort(([a], [b]) => {
      if (missing(a) || missing(b)) return missing(a) - missing(b);
      const order = numeric ? a - b : a.localeCompare(b, "en", { numeric: true });
      return ascending ? order : -order;
    });
    body.append(...rows.map(([, row]) => row));
  }

  function makeSortable(table) {
    const headers = Array.from(table.tHead.rows[0].cells);
    headers.forEach((header, column) => {
      header.querySelector("button").addEventListener("click", () => {
        const ascending = header.getAttribute("aria-sort") !== "ascending";
        headers.forEach((other) => other.removeAttribute("aria-sort"));
        header.setAttribute("aria-sort", ascending ? "ascending" : "descending");
        sortRows(table, column, ascending);
      });
    });
  }

  function makeFilter(table) {
    const text = byId("filter-text");
    const chosen = ["problem", "method", "budget"].map((name) => [name, byId(`filter-${name}`)]);
    const rows = Array.from(table.tBodies[0].rows, (row) => [row, row.textContent.toLowerCase()]);
    const filter = () => {
      const query = text.value.trim().toLowerCase();
      let count = 0;
      for (const [row, content] of rows) {
        const fits = chosen.every(([name, select]) => !select.value || row.dataset[name] === select.value);
        row.hidden = !(fits && content.includes(query));
        count += !row.hidden;
      }
      byId("filter-count").textContent = `${count} of ${rows.length} rows`;
    };
    ["input", "change"].forEach((name) => byId("filters").addEventListener(name, filter));
    byId("filters").addEventListener("submit", (event) => event.preventDefault());
    filter();
  }

  // ---- Charts ----

  const FONT = { family: "system-ui, -apple-system, 'Segoe UI', Roboto, Arial, sans-serif", size: 12, color: "#1a1a1a" };
  const CONFIG = { displaylogo: false, responsive: true, displayModeBar: !coarse, modeBarButtons: [["toImage", "zoom2d", "pan2d", "resetScale2d"]] };
  const drawable = (gap) => (gap === null ? data.ceiling : Math.min(Math.max(gap, data.floor), data.ceiling)); // null: diverged
  const digits = (number) => (number === null ? "∞" : Number(number.toPrecision(3)).toLocaleString("en", { maximumFractionDigits: 6 }));

  /** Ticks of a logarithmic axis: 1, 2, 5 over few decades, else powers of ten. */
  function logarithmic(values, title, tickformat) {
    const positive = values.filter((value) => value > 0);
    const [low, high] = [Math.min(...positive), Math.max(...positive)].map(Math.log10);
    const steps = high - low < 3.2 ? [1, 2, 5] : [1];
    const tickvals = [];
    for (let power = Math.floor(low); power <= Math.ceil(high); power += 1) {
      steps.forEach((step) => tickvals.push(step * 10 ** power));
    }
    const margin = 0.03 * (high - low) + 0.02;
    return { ...axis(title), type: "log", range: [low - margin, high + margin], tickvals, tickformat };
  }

  function axis(title) {
    return {
      title: { text: title, standoff: 8 }, gridcolor: "#e4e4e4", linecolor: "#888888", ticks: "outside", ticklen: 4,
      tickcolor: "#888888", zeroline: false, automargin: true, fixedrange: coarse,
    };
  }

  function layout(more) {
    return {
      font: FONT, margin: { l: 56, r: 12, t: coarse ? 8 : 30, b: 48 }, showlegend: false, hovermode: "closest", dragmode: coarse ? false : "zoom",
      paper_bgcolor: "#ffffff", plot_bgcolor: "#ffffff", hoverlabel: { bgcolor: "#ffffff", font: FONT, align: "left" }, ...more,
    };
  }

  /** A line with a mark at each point, and a band around it; `line` has x, middle, low and high. */
  function lineAndBand(name, line, draw, hover) {
    const style = data.methods[name];
    const x = line.x.concat(line.x.slice().reverse());
    const y = line.high.concat(line.low.slice().reverse()).map(draw);
    return [
      { x, y, fill: "toself", fillcolor: `${style.color}22`, line: { width: 0 }, mode: "lines", hoverinfo: "skip", name: `${name}, band` },
      {
        x: line.x, y: line.middle.map(draw), name, mode: "lines+markers",
        customdata: line.x.map((_, i) => [line.middle[i], line.low[i], line.high[i]].map(digits)),
        line: { color: style.color, dash: style.dash, width: 1.7 }, marker: { symbol: style.symbol, size: 7, color: style.color, maxdisplayed: 20 },
        hovertemplate: `<b>%{fullData.name}</b><br>${hover}<extra></extra>`,
      },
    ];
  }

  /** A level that does not depend on x. */
  function level(name, y, x, dash) {
    return { x, y: [y, y], name, mode: "lines", line: { color: "#444444", width: 1.2, dash }, hoverinfo: "skip" };
  }

  /** Text on a chart; x and y are logarithms on logarithmic axes. */
  function note(text, x, y, more) {
    return { text, x, y, showarrow: false, font: { size: 11 }, bgcolor: "rgba(255,255,255,0.75)", borderpad: 1, ...more };
  }

  const extent = (values) => [Math.min(...values), Math.max(...values)];
  const UNITS = { cpu_seconds: ["CPU seconds of training", "%{x:.3~g} CPU s"], transitions: ["transitions", "%{x:.3~s} transitions"] };

  /** Gaps of methods along x on two logarithmic axes, with the levels of the classical policy and of the optimum. */
  function drawGaps(id, problem, lines, unit) {
    const shown = lines.filter((line) => !hidden.has(line.method));
    const all = lines.flatMap((line) => line.x);
    const [title, x] = UNITS[unit];
    const corner = { xanchor: "left", yanchor: "bottom" };
    const levels = [level(problem.reference, data.floor, extent(all), "solid")];
    if (problem.classical !== null) levels.push(level("best classical", drawable(problem.classical), extent(all), "longdash"));
    const hover = `${x}<br>gap %{customdata[0]} % (%{customdata[1]} to %{customdata[2]})`;
    const traces = levels.concat(shown.flatMap((line) => lineAndBand(line.method, line, drawable, hover)));
    const gaps = levels.flatMap((trace) => trace.y).concat(shown.flatMap((line) => line.middle.map(drawable)), [1]);
    Plotly.react(id, traces, layout({
      xaxis: logarithmic(all, title, unit === "transitions" ? "~s" : ",~g"), yaxis: logarithmic(gaps, "gap, %", ",~g"),
      annotations: levels.map(({ name, x: [left], y: [at] }) => note(name, Math.log10(left), Math.log10(at), corner)),
    }), CONFIG);
    drawLegend(id, lines.map((line) => line.method));
  }

  function drawProfile() {
    const profile = data.profiles[byId("profile-budget").value] || [];
    const shown = profile.filter((line) => !hidden.has(line.method));
    const hover = "gap at most %{x:.3~g} %<br>share of runs %{customdata[0]} (%{customdata[1]} to %{customdata[2]})";
    Plotly.react("profile", shown.flatMap((line) => lineAndBand(line.method, line, (share) => share, hover)), layout({
      xaxis: logarithmic(profile.flatMap((line) => line.x), "gap, %", "~g"),
      yaxis: { ...axis("share of runs with at most this gap"), range: [-0.02, 1.02] },
    }), CONFIG);
    drawLegend("profile", profile.map((line) => line.method));
  }

  // ---- Legend: one choice of methods for all charts ----

  const hidden = new Set(data.order.slice(data.shown));

  function swatch({ color, dashes, path }) {
    const make = (tag, attributes) => {
      const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
      Object.entries(attributes).forEach(([key, value]) => node.setAttribute(key, value));
      return node;
    };
    const picture = make("svg", { viewBox: "0 0 42 14", "aria-hidden": "true" });
    picture.append(
      make("path", { d: "M0 7H42", stroke: color, "stroke-width": 1.7, "stroke-dasharray": dashes, fill: "none" }),
      make("path", { d: path, fill: color, transform: "translate(21 7)" }),
    );
    return picture;
  }

  function button(text, action) {
    const made = document.createElement("button");
    made.type = "button";
    made.append(text);
    made.addEventListener("click", action);
    return made;
  }

  function drawLegend(id, names) {
    const legend = document.querySelector(`.legend[data-of="${id}"]`);
    const focused = Array.from(legend.children).indexOf(document.activeElement);
    const buttons = data.order.filter((name) => names.includes(name)).map((name) => {
      const one = button(name, () => {
        if (!hidden.delete(name)) hidden.add(name);
        drawLines();
      });
      one.prepend(swatch(data.methods[name]));
      one.title = data.methods[name].description;
      one.setAttribute("aria-pressed", String(!hidden.has(name)));
      return one;
    });
    const some = hidden.size > 0;
    const all = button(some ? "show all" : `show the best ${data.shown}`, () => {
      const hide = some ? [] : data.order.slice(data.shown);
      hidden.clear();
      hide.forEach((name) => hidden.add(name));
      drawLines();
    });
    all.className = "all";
    legend.replaceChildren(...buttons, ...(data.order.length > data.shown || some ? [all] : []));
    if (focused >= 0) legend.children[Math.min(focused, legend.children.length - 1)].focus();
  }

  // ---- Decisions ----

  const SHADES = [[0, "#f4f4f0"], [0.5, "#9fc1da"], [1, "#2f6391"]]; // light to dark, also without colours
  const DASHES = ["solid", "dash", "dot"];

  /** Quantities against the state in one period: the reference wide and grey, the method over it. */
  function quantities(chart, name, i) {
    const lines = (whose, style) => chart.methods[whose].quantities[i].map((y, j) => ({
      x: chart.x, y, mode: "lines", name: whose, text: regimes(chart, whose, i),
      line: { dash: DASHES[j % DASHES.length], ...style },
      hovertemplate: `<b>${whose}</b><br>${chart.names[0]} %{x:.4~g}<br>${chart.quantities[j]} %{y:.4~g}, regime %{text}<extra></extra>`,
    }));
    const [low, high] = extent([0].concat(chart.methods[chart.reference].quantities.flat(2)));
    const room = Math.max(high - low, 1e-9);
    return [
      lines(chart.reference, { color: "#bdbdbd", width: 7 }).concat(lines(name, { color: "#0072b2", width: 1.8 })),
      layout({ xaxis: stateAxis(chart, 0), yaxis: { ...axis(chart.quantities.join(", ")), range: [low - 0.05 * room, high + 0.25 * room] } }),
    ];
  }

  const number = (letter) => letter.charCodeAt(0) - "0".charCodeAt(0); // of a combination of regimes
  const regimes = (chart, name, i) => Array.from(chart.methods[name].regimes[i], (letter) => chart.combinations[number(letter)]);
  const stateAxis = (chart, k) => ({ ...axis(chart.names[k]), type: chart.logarithmic[k] ? "log" : "linear" });

  /** Regimes over two entries of the state in one period; each combination's name stands in its area. */
  function map(chart, name, i) {
    const cells = chart.methods[name].regimes[i]; // one character a point, those of an x together
    const rows = chart.y.map((_, r) => chart.x.map((_, c) => number(cells[c * chart.y.length + r])));
    const trace = {
      type: "heatmap", x: chart.x, y: chart.y, z: rows, zmin: 0, zmax: Math.max(chart.combinations.length - 1, 1),
      colorscale: SHADES, showscale: false, text: rows.map((row) => row.map((cell) => chart.combinations[cell])),
      hovertemplate: `${chart.names[0]} %{x:.4~g}<br>${chart.names[1]} %{y:.4~g}<br>regime <b>%{text}</b><extra></extra>`,
    };
    return [[trace], layout({ xaxis: stateAxis(chart, 0), yaxis: stateAxis(chart, 1), annotations: areaNames(chart, rows) })];
  }

  /** The name of each combination in the middle of its longest runs of cells, so that a map needs no colours. */
  function areaNames(chart, rows) {
    const longest = new Map();
    rows.forEach((row, r) => {
      for (let start = 0, c = 1; c <= row.length; c += 1) {
        if (row[c] !== row[start]) {
          const runs = longest.get(row[start]) || [];
          const run = { length: c - start, r, c: (start + c - 1) >> 1 };
          if (!runs.length || run.length > runs[0].length) longest.set(row[start], [run]);
          else if (run.length === runs[0].length) runs.push(run);
          start = c;
        }
      }
    });
    const place = (values, at, k) => (chart.logarithmic[k] ? Math.log10(values[at]) : values[at]);
    return Array.from(longest, ([cell, runs]) => [cell, runs[runs.length >> 1]])
      .filter(([, run]) => run.length > 4)
      .map(([cell, run]) => note(chart.combinations[cell], place(chart.x, run.c, 0), place(chart.y, run.r, 1)));
  }

  function drawPolicies() {
    const chart = problem.decisions;
    byId("policies-part").hidden = chart === null;
    document.querySelectorAll("#policies .chart").forEach((old) => Plotly.purge(old));
    byId("policies").replaceChildren();
    if (chart === null) return;
    const name = byId("policy-select").value;
    const lines = chart.y.length === 0;
    byId("policies-note").textContent = (lines
      ? `Wide and grey: ${chart.methods[chart.reference].about}; thin: ${chart.methods[name].about}.`
      : `Regimes: ${chart.methods[chart.reference].about}, and ${chart.methods[name].about}.`)
      + " All other entries of the state are 0, or the nearest bound.";
    chart.periods.forEach((period, i) => {
      for (const whose of lines ? [name] : [chart.reference, name]) {
        const figure = document.createElement("figure");
        const caption = document.createElement("figcaption");
        const place = document.createElement("div");
        caption.textContent = `${whose}, period ${period + 1} of ${chart.horizon}`;
        place.className = "chart";
        place.setAttribute("role", "img");
        place.setAttribute("aria-label", `Decisions of ${caption.textContent}`);
        figure.append(caption, place);
        byId("policies").append(figure);
        Plotly.newPlot(place, ...(lines ? quantities : map)(chart, whose, i), CONFIG);
      }
    });
  }

  // ---- One problem at a time ----

  let problem = data.problems[0];

  function fill(select, values, texts = values) {
    select.replaceChildren(...values.map((value, i) => new Option(texts[i], value)));
  }

  /** The methods of a chart in the order of the tables, then the classical policy. */
  function others(chart) {
    const place = (name) => (data.order.includes(name) ? data.order.indexOf(name) : data.order.length);
    const names = Object.keys(chart.methods).filter((name) => name !== chart.reference);
    return names.sort((a, b) => place(a) - place(b));
  }

  function drawLines() {
    const spent = document.querySelector("input[name=spent]:checked").value;
    const curves = problem.curves[byId("budget-select").value] || [];
    byId("curves-part").hidden = curves.length === 0;
    if (curves.length) drawGaps("curves", problem, curves.map((curve) => ({ method: curve.method, ...curve[spent] })), spent);
    byId("budgets-part").hidden = problem.budgets.length === 0;
    if (problem.budgets.length) {
      const unit = "cpu_seconds" in problem.budgets[0] ? "cpu_seconds" : "transitions";
      drawGaps("budgets", problem, problem.budgets.map((line) => ({ method: line.method, ...line[unit] })), unit);
    }
    drawProfile();
  }

  function open(key) {
    problem = data.problems.find((one) => one.key === key);
    byId("problem-title").textContent = `One problem: ${problem.title}`;
    byId("problem-select").value = key;
    byId("problem-facts").replaceChildren(...problem.facts.flatMap(([name, text]) => {
      const [term, fact] = [document.createElement("dt"), document.createElement("dd")];
      term.textContent = name;
      fact.textContent = text;
      return [term, fact];
    }));
    const budgets = Object.keys(problem.curves);
    fill(byId("budget-select"), budgets);
    byId("budget-select").value = budgets.at(-1);
    byId("budget-label").hidden = budgets.length < 2;
    if (problem.decisions !== null) fill(byId("policy-select"), others(problem.decisions));
    drawLines();
    drawPolicies();
  }

  /** Open the next or previous problem, and name it in the address, so that the address can be passed on. */
  function turnTo(key) {
    history.replaceState(null, "", `#${encodeURIComponent(key)}`);
    open(key);
  }

  function turnBy(step) {
    const count = data.problems.length;
    turnTo(data.problems[(data.problems.indexOf(problem) + step + count) % count].key);
  }

  function followAddress() {
    const key = decodeURIComponent(window.location.hash.slice(1));
    if (!data.problems.some((one) => one.key === key)) return false;
    open(key);
    byId("problem").scrollIntoView();
    return true;
  }

  document.querySelectorAll("table.sortable").forEach(makeSortable);
  makeFilter(document.querySelector("#all-numbers table"));
  fill(byId("problem-select"), data.problems.map((one) => one.key), data.problems.map((one) => one.title));
  byId("problem-select").addEventListener("change", (event) => turnTo(event.target.value));
  byId("problem-previous").addEventListener("click", () => turnBy(-1));
  byId("problem-next").addEventListener("click", () => turnBy(1));
  fill(byId("profile-budget"), Object.keys(data.profiles));
  byId("profile-budget-label").hidden = Object.keys(data.profiles).length < 2;
  byId("profile-budget").addEventListener("change", drawProfile);
  byId("budget-select").addEventListener("change", drawLines);
  byId("policy-select").addEventListener("change", drawPolicies);
  document.querySelectorAll("input[name=spent]").forEach((one) => one.addEventListener("change", drawLines));
  window.addEventListener("hashchange", followAddress);
  if (!followAddress()) open(problem.key);
})();
