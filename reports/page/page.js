"use strict";
// All data is set as text, never as markup; see page.py for what is untrusted.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const PAGE_LENGTH = 20;
  const MOST_MARKED = 16;
  const MOST_READ = 40;
  const DASHES = ["", "7 3", "2 3", "10 3 2 3", "14 4", "5 2 1 2 1 2", "4 4"];
  const STATUS = {
    failed: "withstood", successful: "misled", skipped: "misread from the start", error: "attack broke",
  };
  const byId = (id) => document.getElementById(id);
  const distinct = (values) => [...new Set(values)];

  /** Gives an element attributes, listeners (functions) and children; null and false leave an attribute out. */
  function furnish(element, attributes, children) {
    for (const [name, value] of Object.entries(attributes)) {
      if (typeof value === "function") element.addEventListener(name, value);
      else if (value !== null && value !== false) element.setAttribute(name, value === true ? "" : value);
    }
    element.append(...children.filter((child) => child !== null));
    return element;
  }
  const make = (tag, attributes = {}, ...children) => furnish(document.createElement(tag), attributes, children);
  const draw = (tag, attributes = {}, ...children) =>
    furnish(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);

  /** A labelled choice among values; with one value there is nothing to choose, and nothing is shown. */
  function choice(form, label, values, change, all = "all") {
    const options = values.map((value) => make("option", { value: String(value[0]) }, String(value[1])));
    const select = make("select", { change }, all === null ? null : make("option", { value: "" }, all), ...options);
    form.append(make("label", { hidden: values.length < 2 }, label, select));
    form.hidden = false;
    return select;
  }
  const named = (values) => distinct(values).map((value) => [value, value]);
  function search(form, label, change) {
    const input = make("input", { type: "search", input: change, spellcheck: "false", autocomplete: "off" });
    form.append(make("label", {}, label, input));
    form.addEventListener("submit", (event) => event.preventDefault());
    form.hidden = false;
    return input;
  }

  // ---- theme
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const theme = byId("theme");
  const isDark = () => (document.documentElement.dataset.theme ?? (dark.matches ? "dark" : "light")) === "dark";
  const nameTheme = () => { theme.textContent = isDark() ? "Light theme" : "Dark theme"; };
  theme.hidden = false;
  theme.addEventListener("click", () => {
    document.documentElement.dataset.theme = isDark() ? "light" : "dark";
    nameTheme();
  });
  dark.addEventListener("change", nameTheme);
  nameTheme();

  // ---- tables
  /** Puts a button into each heading that sorts by its column; blanks stay at the end. */
  function makeSortable(table) {
    const headings = [...table.tHead.rows[0].cells];
    headings.forEach((heading, column) => {
      const button = make("button", { type: "button", class: "sort", click: () => sort(column) }, heading.textContent);
      heading.replaceChildren(button);
      heading.setAttribute("aria-sort", "none");
    });
    function sort(column) {
      const ascending = headings[column].getAttribute("aria-sort") !== "ascending";
      headings.forEach((each) => each.setAttribute("aria-sort", "none"));
      headings[column].setAttribute("aria-sort", ascending ? "ascending" : "descending");
      const numeric = "numeric" in headings[column].dataset;
      const order = (row) => row.cells[column].dataset.order;
      const compare = numeric ? (a, b) => a - b : (a, b) => a.localeCompare(b);
      const rows = [...table.tBodies[0].rows].sort((one, two) => {
        const [a, b] = [order(one), order(two)];
        if (a === "" || b === "") return (a === "") - (b === "");
        return ascending ? compare(a, b) : compare(b, a);
      });
      table.tBodies[0].append(...rows);
    }
  }
  document.querySelectorAll("main table[id]").forEach(makeSortable);

  function showResults() {
    const table = byId("results-table");
    const form = document.querySelector("[data-for=results-table]");
    const rows = [...table.tBodies[0].rows];
    rows.forEach((row, index) => {
      const cell = row.cells[1];
      const label = `${cell.textContent}: records`;
      const open = make("button", { type: "button", class: "open", "aria-label": label, click: () => showRecords(index) });
      open.textContent = cell.textContent;
      cell.replaceChildren(open);
      row.addEventListener("click", (event) => { if (event.target.matches("td.number")) showRecords(index); });
    });
    const column = (index) => named(rows.map((row) => row.cells[index].textContent));
    const chosen = ["Task", "Method", "Attack"].map((label, index) => choice(form, label, column(index), filter));
    const words = search(form, "Search", filter);
    const more = make("button", { type: "button", "aria-pressed": "false", click: widen }, "All columns");
    const count = make("output", { class: "count" });
    form.append(more, count);
    function widen() {
      more.setAttribute("aria-pressed", String(table.classList.toggle("wide")));
      more.textContent = table.classList.contains("wide") ? "Fewer columns" : "All columns";
    }
    function filter() {
      const wanted = words.value.trim().toLowerCase();
      let shown = 0;
      for (const row of rows) {
        const fits = chosen.every((select, index) => !select.value || row.cells[index].textContent === select.value);
        row.hidden = !(fits && row.textContent.toLowerCase().includes(wanted));
        shown += !row.hidden;
      }
      count.textContent = `${shown} of ${rows.length} rows`;
    }
    filter();
  }
  showResults();

  // ---- provenance
  const dialog = byId("provenance");
  byId("provenance-close").addEventListener("click", () => dialog.close());
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });

  const shownNumber = (value, digits = 1) => (value === null ? "–" : value.toFixed(digits));
  /** A table whose columns after the first hold numbers, or words. */
  function plainTable(headings, rows, kind = "number") {
    const css = (index) => (index ? kind : null);
    return make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": headings.join(", ") },
      make("table", {},
        make("thead", {}, make("tr", {}, ...headings.map((each, index) => make("th", { scope: "col", class: css(index) }, each)))),
        make("tbody", {}, ...rows.map((row) => make("tr", {}, ...row.map((cell, index) => make("td", { class: css(index) }, cell)))))));
  }
  /** A value of a record in lines, one for each number or word inside it, under its dotted name. */
  function lines(value, name = "") {
    if (value === null || typeof value !== "object" || !Object.keys(value).length) {
      return [(name ? `${name}: ` : "") + (typeof value === "string" ? value : JSON.stringify(value))];
    }
    return Object.entries(value).flatMap(([key, each]) => lines(each, Array.isArray(value) ? name : [name, key].filter(Boolean).join(".")));
  }
  function recordList(key) {
    const entries = Object.entries(data.records[key]).flatMap(([name, value]) => {
      const shown = typeof value === "object" ? make("pre", {}, lines(value).join("\n")) : String(value);
      return [make("dt", {}, name), make("dd", {}, shown)];
    });
    return make("dl", { class: "record" }, ...entries);
  }
  function showRecords(index) {
    const row = data.rows[index];
    byId("provenance-title").textContent = [row.method, row.attack || "not attacked", row.task].join(" · ");
    const numbers = row.runs.map((run) => [
      `seed ${run.seed}`, shownNumber(run.aua_percent), shownNumber(run.queries), shownNumber(run.clean_percent),
      shownNumber(run.training_seconds), run.trouble || "none",
    ]);
    const records = row.runs.map((run, place) => make("details", { open: place === 0 },
      make("summary", {}, make("b", {}, `Seed ${run.seed}`)),
      ...[["Training", run.training], ["Attack", run.attack]].flatMap(([kind, key]) =>
        key ? [make("h4", {}, kind), recordList(key)] : [])));
    byId("provenance-body").replaceChildren(
      plainTable(["Run", "Aua %", "#Query", "Clean %", "Training s", "Trouble"], numbers), ...records);
    dialog.showModal();
    dialog.scrollTop = 0;
  }

  // ---- figures
  const tip = byId("tip");
  function showTip(text, x, y) {
    tip.textContent = text;
    tip.hidden = false;
    const { width, height } = tip.getBoundingClientRect();
    tip.style.left = `${Math.max(4, Math.min(x + 14, innerWidth - width - 4))}px`;
    tip.style.top = `${y - height - 12 < 0 ? y + 18 : y - height - 12}px`;
  }
  const hideTip = () => { tip.hidden = true; };
  const middleOf = (element) => {
    const box = element.getBoundingClientRect();
    return [box.left + box.width / 2, box.top + box.height / 2];
  };
  const tidy = (value) => String(Number(value.toPrecision(4)));

  const SHAPES = [
    (r) => `M${-r} 0A${r} ${r} 0 1 1 ${r} 0A${r} ${r} 0 1 1 ${-r} 0Z`,
    (r) => `M${-r} ${-r}H${r}V${r}H${-r}Z`,
    (r) => `M0 ${-1.3 * r}L${1.3 * r} 0L0 ${1.3 * r}L${-1.3 * r} 0Z`,
    (r) => `M0 ${-1.2 * r}L${1.2 * r} ${r}H${-1.2 * r}Z`,
    (r) => `M0 ${1.2 * r}L${1.2 * r} ${-r}H${-1.2 * r}Z`,
    (r) => `M${-r / 2.4} ${-1.2 * r}H${r / 2.4}V${-r / 2.4}H${1.2 * r}V${r / 2.4}H${r / 2.4}V${1.2 * r}H${-r / 2.4}V${r / 2.4}H${-1.2 * r}V${-r / 2.4}H${-r / 2.4}Z`,
    (r) => `M0 ${-1.4 * r}L${0.45 * r} ${-0.45 * r}L${1.4 * r} 0L${0.45 * r} ${0.45 * r}L0 ${1.4 * r}L${-0.45 * r} ${0.45 * r}L${-1.4 * r} 0L${-0.45 * r} ${-0.45 * r}Z`,
  ];
  /** Colour, dashes and shape of a name: seven of each, out of step after the seventh. */
  function look(place) {
    const turn = place + Math.floor(place / 7);
    return { css: `s${place % 7}`, dashes: DASHES[turn % 7], shape: SHAPES[turn % 7] };
  }
  const swatch = (own) => draw("svg", { width: 26, height: 14, viewBox: "-13 -7 26 14", class: own.css, "aria-hidden": "true" },
    draw("line", { x1: -13, x2: 13, stroke: "currentColor", "stroke-width": 2, "stroke-dasharray": own.dashes }),
    draw("path", { d: own.shape(4), fill: "currentColor" }));

  /** Marks between two values: 1, 2 or 5 times a power of ten. */
  function marks(low, high, logarithmic) {
    const found = [];
    if (logarithmic) {
      for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power++) {
        const factors = high / low > 10 ? [1, 2, 5] : [1, 1.5, 2, 3, 4, 5, 7];
        found.push(...factors.map((factor) => factor * 10 ** power).filter((value) => value >= low && value <= high));
      }
      return found;
    }
    const rough = (high - low) / 5 || 1;
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].map((factor) => factor * power).find((each) => each >= rough * 0.999);
    for (let value = Math.ceil(low / step) * step; value <= high + step * 1e-6; value += step) found.push(value);
    return found;
  }
  /** From a value to a pixel: from 0 to a round number, or logarithmic with room at both ends. */
  function axis(values, logarithmic, from, to) {
    let [low, high] = [0, Math.max(...values, 0) || 1];
    if (logarithmic) [low, high] = [Math.min(...values) / 1.4, Math.max(...values) * 1.4];
    else {
      const step = marks(0, high)[1];
      high = Math.ceil(high / step - 1e-9) * step;
    }
    const bend = logarithmic ? Math.log10 : (value) => value;
    const place = (value) => from + ((to - from) * (bend(value) - bend(low))) / (bend(high) - bend(low));
    return { place, low, high, marks: marks(low, high, logarithmic) };
  }

  /** One pair of axes as `svg`. Points are buttons; curves are read off along a guide by pointer or arrow keys. */
  function chart(panel, width, hidden) {
    const [left, right, top, bottom] = [50, 14, 12, 44];
    const height = Math.round(Math.min(340, Math.max(240, width * 0.68)));
    const places = panel.series.map((_, index) => index).filter((index) => !hidden.has(panel.series[index].name));
    const known = (series) => series.x.map((x, at) => [x, series.y[at], series.spread[at] ?? 0])
      .filter(([x, y]) => x !== null && y !== null);
    const all = panel.series.flatMap(known);
    const x = axis(all.map((each) => each[0]), panel.logarithmic.includes("x"), left, width - right);
    const y = axis(all.map((each) => each[1] + each[2]), panel.logarithmic.includes("y"), height - bottom, top);
    const svg = draw("svg", { class: "chart", viewBox: `0 0 ${width} ${height}`, role: "group",
      "aria-label": `${panel.title}: ${panel.y_label} over ${panel.x_label}` });
    for (const value of y.marks) {
      svg.append(draw("line", { class: "grid", x1: left, x2: width - right, y1: y.place(value), y2: y.place(value) }),
        draw("text", { x: left - 7, y: y.place(value) + 4, "text-anchor": "end" }, tidy(value)));
    }
    let free = -Infinity;
    for (const value of x.marks) {
      const [at, text] = [x.place(value), Number(tidy(value)).toLocaleString("en")];
      svg.append(draw("line", { class: "axis", x1: at, x2: at, y1: height - bottom, y2: height - bottom + 5 }));
      if (at - 4 * text.length < free) continue;
      free = at + 4 * text.length + 6;
      svg.append(draw("text", { x: at, y: height - bottom + 19, "text-anchor": "middle" }, text));
    }
    svg.append(draw("line", { class: "axis", x1: left, x2: width - right, y1: height - bottom, y2: height - bottom }),
      draw("text", { x: (left + width - right) / 2, y: height - 6, "text-anchor": "middle" }, panel.x_label),
      draw("text", { transform: `translate(13 ${(top + height - bottom) / 2}) rotate(-90)`, "text-anchor": "middle" }, panel.y_label));
    if (panel.diagonal) {
      const [low, high] = [Math.max(x.low, y.low), Math.min(x.high, y.high)];
      svg.append(draw("line", { class: "guide", x1: x.place(low), y1: y.place(low), x2: x.place(high), y2: y.place(high) }));
    }
    if (panel.frontier) svg.append(frontier(places.flatMap((index) => known(panel.series[index])), x, y, width - right));
    const own = (index) => look(panel.isOfMethods ? data.names.indexOf(panel.series[index].name) : index);
    for (const index of places) svg.append(...curve(panel.series[index], known(panel.series[index]), x, y, own(index)));
    for (const index of places) svg.append(...points(panel, index, known(panel.series[index]), x, y, own(index)));
    if (panel.series.some((series) => series.x.length > MOST_MARKED)) addGuide(svg, panel, places, x, y, width, height - bottom, top);
    return svg;
  }
  function frontier(points, x, y, end) {
    let [path, best] = ["", -Infinity];
    for (const [across, up] of points.sort((one, two) => one[0] - two[0] || two[1] - one[1])) {
      if (up <= best) continue;
      path += path ? `H${x.place(across)}V${y.place(up)}` : `M${x.place(across)} ${y.place(up)}`;
      best = up;
    }
    return draw("path", { class: "guide", d: path && `${path}H${end}` });
  }
  function curve(series, known, x, y, own) {
    if (!series.joined) {
      return known.filter((each) => each[2]).map(([across, up, spread]) => draw("line", { class: `bar ${own.css}`,
        stroke: "currentColor", x1: x.place(across), x2: x.place(across), y1: y.place(Math.max(up - spread, y.low)),
        y2: y.place(up + spread) }));
    }
    const path = known.map(([across, up], at) => `${at ? "L" : "M"}${x.place(across)} ${y.place(up)}`).join("");
    const line = draw("path", { class: `curve ${own.css}`, d: path, stroke: "currentColor", "stroke-dasharray": own.dashes });
    if (!known.some((each) => each[2])) return [line];
    const edge = [...known.map(([a, u, s]) => [a, u + s]), ...known.reverse().map(([a, u, s]) => [a, Math.max(u - s, y.low)])];
    const band = edge.map(([across, up], at) => `${at ? "L" : "M"}${x.place(across)} ${y.place(up)}`).join("");
    return [draw("path", { class: own.css, d: `${band}Z`, fill: "currentColor", "fill-opacity": 0.14 }), line];
  }
  function points(panel, index, known, x, y, own) {
    const series = panel.series[index];
    if (series.x.length > MOST_MARKED) return [];
    const row = panel.rows[index];
    return known.map(([across, up, spread]) => {
      const text = `${series.name}\n${panel.x_label}: ${tidy(across)}\n${panel.y_label}: ${tidy(up)}${spread ? ` ± ${tidy(spread)}` : ""}`;
      const open = () => row !== undefined && showRecords(row);
      const point = draw("path", { class: `point ${own.css}`, d: own.shape(6), fill: "currentColor", tabindex: 0,
        role: row === undefined ? "img" : "button", "aria-label": text.replaceAll("\n", ", "),
        transform: `translate(${x.place(across)} ${y.place(up)})`, click: open, pointerleave: hideTip, blur: hideTip,
        pointerenter: () => showTip(text, ...middleOf(point)), focus: () => showTip(text, ...middleOf(point)),
        keydown: (event) => {
          if (event.key === "Enter" || event.key === " ") { event.preventDefault(); open(); }
        } });
      return point;
    });
  }
  function addGuide(svg, panel, places, x, y, width, base, top) {
    const shown = places.map((index) => panel.series[index]);
    const guide = draw("line", { class: "guide", y1: top, y2: base, visibility: "hidden" });
    const grid = shown[0]?.x ?? [];
    let at = 0;
    svg.append(guide);
    svg.setAttribute("tabindex", "0");
    svg.setAttribute("aria-label", `${svg.getAttribute("aria-label")}; left and right arrow keys read it off`);
    function read(place) {
      if (!grid.length) return;
      at = Math.max(0, Math.min(grid.length - 1, place));
      const across = x.place(grid[at]);
      guide.setAttribute("x1", across);
      guide.setAttribute("x2", across);
      guide.setAttribute("visibility", "visible");
      const lines = shown.filter((each) => each.y[at] !== null).sort((one, two) => two.y[at] - one.y[at])
        .map((each) => `${each.name}: ${tidy(each.y[at])}`);
      const box = svg.getBoundingClientRect();
      showTip([`${panel.x_label}: ${grid[at].toLocaleString("en")}`, ...lines].join("\n"),
        box.left + (across * box.width) / width, box.top + (top * box.height) / (base + 44));
    }
    function leave() {
      hideTip();
      guide.setAttribute("visibility", "hidden");
    }
    svg.addEventListener("pointermove", (event) => {
      const box = svg.getBoundingClientRect();
      const across = ((event.clientX - box.left) * width) / box.width;
      const distances = grid.map((value) => Math.abs(x.place(value) - across));
      read(distances.indexOf(Math.min(...distances)));
    });
    svg.addEventListener("pointerleave", leave);
    svg.addEventListener("blur", leave);
    svg.addEventListener("focus", () => { if (svg.matches(":focus-visible")) read(at); });
    svg.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (!step) return;
      event.preventDefault();
      read(at + step * Math.ceil(grid.length / MOST_READ));
    });
  }

  /** A square of numbers as colours from light to deep blue, read off by pointer or arrow keys. */
  function heatMap(map, width) {
    const size = map.values.length;
    const [left, top] = [44, 8];
    const side = Math.min(width - left - 20, 340);
    const cell = side / size;
    const most = Math.max(...map.values.flat(), 1e-9);
    const height = side + top + 84;
    const svg = draw("svg", { class: "chart", viewBox: `0 0 ${width} ${height}`, role: "group", tabindex: 0,
      "aria-label": `${map.title}: distances between the masks of ${size} mini-epochs; arrow keys read them off` });
    const shade = (share) => `color-mix(in oklab, #00304f ${100 * share}%, #eef4fa)`;
    const box = (row, column) => ({ x: left + column * cell, y: top + (size - 1 - row) * cell });
    map.values.forEach((line, row) => line.forEach((value, column) => {
      const tile = draw("rect", { ...box(row, column), width: cell + 0.3, height: cell + 0.3 });
      tile.style.fill = shade(value / most);
      svg.append(tile);
    }));
    const every = size > 10 ? 5 : 1;
    for (let number = 1; number <= size; number += number === 1 && every > 1 ? every - 1 : every) {
      const { x, y } = box(number - 1, number - 1);
      svg.append(draw("text", { x: x + cell / 2, y: top + side + 16, "text-anchor": "middle" }, String(number)),
        draw("text", { x: left - 7, y: y + cell / 2 + 4, "text-anchor": "end" }, String(number)));
    }
    svg.append(draw("text", { x: left + side / 2, y: top + side + 34, "text-anchor": "middle" }, map.label),
      draw("text", { transform: `translate(13 ${top + side / 2}) rotate(-90)`, "text-anchor": "middle" }, map.label));
    for (let step = 0; step < 40; step++) {
      const tile = draw("rect", { x: left + (step * side) / 40, y: top + side + 46, width: side / 40 + 0.3, height: 10 });
      tile.style.fill = shade(step / 39);
      svg.append(tile);
    }
    svg.append(draw("text", { x: left, y: top + side + 71 }, "0"),
      draw("text", { x: left + side / 2, y: top + side + 71, "text-anchor": "middle" }, "share that differs"),
      draw("text", { x: left + side, y: top + side + 71, "text-anchor": "end" }, most.toFixed(2)));
    const frame = draw("rect", { width: cell, height: cell, fill: "none", stroke: "#d55e00", "stroke-width": 2.5, visibility: "hidden" });
    svg.append(frame);
    let [row, column] = [0, 0];
    function read(toRow, toColumn) {
      [row, column] = [toRow, toColumn].map((each) => Math.max(0, Math.min(size - 1, each)));
      furnish(frame, { ...box(row, column), visibility: "visible" }, []);
      showTip(`${map.label}s ${row + 1} and ${column + 1}: ${tidy(map.values[row][column])}`, ...middleOf(frame));
    }
    function leave() {
      hideTip();
      frame.setAttribute("visibility", "hidden");
    }
    svg.addEventListener("pointermove", (event) => {
      const whole = svg.getBoundingClientRect();
      const across = ((event.clientX - whole.left) * width) / whole.width - left;
      const down = ((event.clientY - whole.top) * height) / whole.height - top;
      if (across < 0 || down < 0 || across >= side || down >= side) leave();
      else read(size - 1 - Math.floor(down / cell), Math.floor(across / cell));
    });
    svg.addEventListener("pointerleave", leave);
    svg.addEventListener("blur", leave);
    svg.addEventListener("focus", () => { if (svg.matches(":focus-visible")) read(row, column); });
    svg.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [1, 0], ArrowDown: [-1, 0] }[event.key];
      if (!step) return;
      event.preventDefault();
      read(row + step[0], column + step[1]);
    });
    return svg;
  }

  /** The numbers of a panel as a table that is made when it is unfolded. */
  function numbers(panel) {
    const details = make("details", { toggle: () => {
      if (details.open && details.children.length === 1) details.append(plainTable(["Name", panel.x_label, panel.y_label], rows()));
    } }, make("summary", {}, "As a table"));
    const rows = () => panel.series.flatMap((series) => {
      const step = Math.ceil(series.x.length / MOST_READ);
      return series.x.map((x, at) => [x, at]).filter(([, at]) => at % step === 0 || at === series.x.length - 1)
        .map(([x, at]) => [series.name, x === null ? "–" : tidy(x), series.y[at] === null ? "–" : tidy(series.y[at])]);
    });
    return details;
  }

  function showFigures() {
    const form = byId("figure-filters");
    const tasks = distinct(data.drawings.flatMap((drawing) => [...drawing.panels, ...drawing.maps].map((each) => each.task)));
    const task = choice(form, "Task", named(tasks), render, null);
    const panels = data.drawings.flatMap((drawing) => drawing.panels);
    for (const panel of panels) panel.isOfMethods = panel.series.every((series) => data.names.includes(series.name));
    const drawn = new Set(panels.filter((panel) => panel.isOfMethods).flatMap((panel) => panel.series.map((series) => series.name)));
    const hidden = new Set();
    data.names.forEach((name, place) => {
      if (!drawn.has(name)) return;
      const button = make("button", { type: "button", "aria-pressed": "true", click: () => {
        if (!hidden.delete(name)) hidden.add(name);
        button.setAttribute("aria-pressed", String(!hidden.has(name)));
        render();
      } }, swatch(look(place)), make("span", {}, name));
      byId("legend").append(button);
    });
    if (!data.drawings.length) byId("drawings").append(make("p", {}, "Nothing stored can be drawn."));
    const resized = new ResizeObserver((entries) => entries.forEach((entry) => redraw(entry.target)));
    const kinds = new WeakMap();
    function redraw(figure) {
      const width = Math.round(figure.clientWidth - 20);
      if (width <= 0 || (kinds.get(figure).width === width && figure.querySelector("svg.chart"))) return;
      kinds.get(figure).width = width;
      figure.querySelector("svg.chart")?.remove();
      figure.querySelector("figcaption").after(kinds.get(figure).draw(width));
    }
    function render() {
      hideTip();
      byId("drawings").replaceChildren(...data.drawings.flatMap((drawing) => {
        const own = drawing.panels.filter((panel) => panel.task === task.value).map((panel) => frame(panel.title,
          (width) => chart(panel, width, panel.isOfMethods ? hidden : new Set()), panel.isOfMethods ? [] : panel.series, numbers(panel)));
        const maps = drawing.maps.filter((map) => map.task === task.value)
          .map((map) => frame(map.title, (width) => heatMap(map, width), [], null));
        maps.forEach((figure) => figure.classList.add("map"));
        if (!own.length && !maps.length) return [];
        return [make("h3", {}, drawing.title), make("p", { class: "aside" }, drawing.note),
          make("div", { class: "panels", id: `drawing-${drawing.key}` }, ...own, ...maps)];
      }));
      document.querySelectorAll("#drawings figure").forEach((figure) => { redraw(figure); resized.observe(figure); });
    }
    function frame(title, drawIn, series, table) {
      const legend = series.map((each, place) => make("span", {}, swatch(look(place)), ` ${each.name} `));
      const figure = make("figure", {}, make("figcaption", {}, title), ...legend, table);
      kinds.set(figure, { draw: drawIn, width: 0 });
      return figure;
    }
    render();
  }
  showFigures();

  // ---- texts
  const { texts, attacked, columns } = data.examples;
  const [PLACE, RESULT, QUERIES, CHANGED, WORDS, SIMILARITY, EDITS, TRACEBACK] = [0, 1, 2, 3, 4, 5, 6, 7];
  const originals = texts.map(([, , parts]) => parts.map((words) => words.join("")).join(" ").toLowerCase());
  /** The words of one column with the edits in their places: [kept or taken out, put in or null for what was kept]. */
  function pieces(words, edits) {
    const found = [];
    let at = 0;
    for (const [start, end, instead] of edits) {
      if (at < start) found.push([words.slice(at, start).join(""), null]);
      found.push([words.slice(start, end).join(""), instead]);
      at = end;
    }
    if (at < words.length) found.push([words.slice(at).join(""), null]);
    return found;
  }
  const adversarial = (item) => texts[item[PLACE]][2]
    .map((words, column) => pieces(words, item[EDITS][column]).map(([old, instead]) => instead ?? old).join("")).join(" ");

  /** One side of a text, its changed words marked; a change of spaces alone is not. */
  function side(name, tag, parts, isOriginal) {
    const shown = parts.map(([old, instead]) => {
      const text = instead === null || isOriginal ? old : instead;
      if (instead === null || old.trim() === instead.trim()) return text;
      const word = text.trimEnd();
      return word ? [make(tag, {}, word), text.slice(word.length)] : text;
    });
    return make("p", { class: "side" }, make("span", { class: "name" }, name), make("bdi", {}, ...shown.flat()));
  }
  const badge = (status, words) => make("span", { class: "badge", "data-status": status }, words);

  let elsewhere = null;
  /** The outcomes on one text of every method under every attack in runs of one seed. */
  function comparison(entry) {
    elsewhere ??= Map.groupBy(entries, (each) => each.item[PLACE]);
    const own = elsewhere.get(entry.item[PLACE]).filter((each) => each.run.seed === entry.run.seed && each.row.task === entry.row.task);
    const attacks = distinct(own.map((each) => each.row.attack));
    const rows = distinct(own.map((each) => each.row.method)).map((method) => [method, ...attacks.map((attack) => {
      const found = own.find((each) => each.row.method === method && each.row.attack === attack);
      return found ? badge(found.item[RESULT], `${STATUS[found.item[RESULT]]}, ${found.item[QUERIES]} queries`) : "–";
    })]);
    return own.length > 1 ? [make("h4", {}, `The same text elsewhere, seed ${entry.run.seed}`), plainTable(["Method", ...attacks], rows, "word")] : [];
  }

  function textEntry(entry) {
    const { item, row, run } = entry;
    const [id, label, parts] = texts[item[PLACE]];
    const changes = parts.flatMap((words, column) => pieces(words, item[EDITS][column]))
      .filter(([old, instead]) => instead !== null && old.trim() !== instead.trim());
    const preview = changes.flatMap(([old, instead], at) => [at ? "; " : "",
      old.trim() ? make("del", {}, old.trim()) : "", old.trim() && instead.trim() ? " → " : "", instead.trim() ? make("ins", {}, instead.trim()) : ""]);
    const facts = [`${item[QUERIES]} queries`, `${item[CHANGED]} of ${item[WORDS]} words changed`];
    if (item[SIMILARITY] !== null) facts.push(`similarity ${item[SIMILARITY]}`);
    const details = make("details", { class: "text", toggle: unfold },
      make("summary", {}, badge(item[RESULT], STATUS[item[RESULT]]), make("b", {}, `${row.method} · ${row.attack}`),
        make("span", { class: "quiet" }, `${row.task} · seed ${run.seed} · ${id} · ${label} · ${facts.join(" · ")}`),
        make("bdi", { class: "preview" }, ...(changes.length ? preview : [parts.map((words) => words.join("")).join(" ")]))));
    function unfold() {
      if (!details.open || details.children.length > 1) return;
      const names = columns[row.key].length === parts.length ? columns[row.key].map((name) => `${name}, `) : parts.map(() => "");
      parts.forEach((words, column) => {
        const own = pieces(words, item[EDITS][column]);
        details.append(side(`${names[column]}original`, "del", own, true), side(`${names[column]}adversarial`, "ins", own, false));
      });
      if (item[TRACEBACK]) details.append(make("pre", {}, item[TRACEBACK]));
      details.append(make("button", { type: "button", click: () => showRecords(run.row) }, "Records behind it"), ...comparison(entry));
    }
    return details;
  }

  const entries = attacked.flatMap((run) => run.shown.map((item) => ({ run, item, row: data.rows[run.row] })));
  function showTexts() {
    const form = byId("text-filters");
    const all = attacked.reduce((sum, run) => sum + run.total, 0);
    if (entries.length < all) {
      byId("left-out").textContent = `${entries.length.toLocaleString("en")} of ${all.toLocaleString("en")} attacked texts are on this page: `
        + "the first of each run in the order drawn. The numbers above rest on all of them; report --examples N puts more here.";
    }
    if (!entries.length) return;
    const filters = [
      [choice(form, "Task", named(entries.map((each) => each.row.task)), refresh), (each) => each.row.task],
      [choice(form, "Method", named(entries.map((each) => each.row.method)), refresh), (each) => each.row.method],
      [choice(form, "Attack", named(entries.map((each) => each.row.attack)), refresh), (each) => each.row.attack],
      [choice(form, "Seed", named(entries.map((each) => each.run.seed)), refresh), (each) => String(each.run.seed)],
      [choice(form, "Outcome", distinct(entries.map((each) => each.item[RESULT])).map((each) => [each, STATUS[each]]), refresh), (each) => each.item[RESULT]],
    ];
    const order = choice(form, "Order", [["", "as drawn"], ["fewest", "fewest queries"], ["most", "most queries"], ["changed", "most words changed"]], refresh, null);
    let waiting = 0;
    const words = search(form, "Search in texts", () => {
      clearTimeout(waiting);
      waiting = setTimeout(refresh, 150);
    });
    const ORDERS = {
      fewest: (one, two) => one.item[QUERIES] - two.item[QUERIES],
      most: (one, two) => two.item[QUERIES] - one.item[QUERIES],
      changed: (one, two) => two.item[CHANGED] - one.item[CHANGED],
    };
    let [found, page] = [[], 0];
    function refresh() {
      const wanted = words.value.trim().toLowerCase();
      found = entries.filter((each) => filters.every(([select, read]) => !select.value || read(each) === select.value)
        && (!wanted || originals[each.item[PLACE]].includes(wanted) || texts[each.item[PLACE]][0].toLowerCase().includes(wanted)
          || adversarial(each.item).toLowerCase().includes(wanted)));
      if (order.value) found.sort(ORDERS[order.value]);
      page = 0;
      render();
    }
    const turn = (step) => make("button", { type: "button", click: () => {
      page += step;
      render();
      byId("text-list").querySelector("summary").focus();
    } }, step > 0 ? "Next" : "Previous");
    const [back, forth, place] = [turn(-1), turn(1), make("span", { class: "count" })];
    byId("text-pages").append(back, place, forth);
    function render() {
      const pages = Math.max(1, Math.ceil(found.length / PAGE_LENGTH));
      byId("text-list").replaceChildren(...found.slice(page * PAGE_LENGTH, (page + 1) * PAGE_LENGTH).map(textEntry));
      byId("text-count").textContent = `${found.length.toLocaleString("en")} of ${entries.length.toLocaleString("en")} texts`;
      place.textContent = `Page ${page + 1} of ${pages}`;
      [back.disabled, forth.disabled] = [page === 0, page === pages - 1];
    }
    refresh();
  }
  showTexts();
})();
