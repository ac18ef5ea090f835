// --- plots that answer: values, series on and off, zoom, logarithmic axes, and files of what is seen -------------------

const PLOT = {width: 560, least: 320, height: 340, left: 72, right: 14, top: 12, bottom: 48};
const PLOT_INK = "#6b7280", PLOT_GRID = "#8a919c"; // in files; on the page, the ink is that of its text
const NEAR = 30; // pixels from a point within which the pointer shows its values

/** Draw each plot again when it comes near the window. Its picture stays where the numbers cannot be loaded. */
function setUpPlots(figures) {
  const start = figure => load("plots", figure.dataset.slug).then(all => {
    const data = all[figure.dataset.plot];
    if (data && data.series.some(series => series.points.length)) setUpPlot(figure, data);
  }, () => {});
  const watcher = new IntersectionObserver(entries => {
    for (const entry of entries) if (entry.isIntersecting) { watcher.unobserve(entry.target); start(entry.target); }
  }, {rootMargin: "300px"});
  for (const figure of figures) watcher.observe(figure);
}

function setUpPlot(figure, data) {
  const place = text => data.x.kind === "time" ? Date.parse(text) : text;
  const series = data.series.map(item => ({...item, on: true, points: item.points.map(([x, y, low, high, name, hollow]) =>
    ({x: place(x), y, low: low === undefined ? null : low, high: high === undefined ? null : high, name: name || item.label, hollow}))}));
  const plot = {data, series, steps: data.steps.map(([x, y]) => [place(x), y]), logX: data.x.log, logY: data.y.log, figure};
  plot.width = Math.min(PLOT.width, Math.max(PLOT.least, figure.clientWidth)); // the words keep their size on a phone
  resetRange(plot);
  const picture = figure.querySelector("img");
  plot.box = element("div", null, {class: "live"});
  plot.tip = element("p", "", {class: "tip", role: "status"});
  plot.svg = drawn("svg", {viewBox: "0 0 " + plot.width + " " + PLOT.height, class: "live-plot", tabindex: 0, role: "application", "aria-roledescription": "plot",
    "aria-label": picture.alt + " Arrow keys read the values; + and - zoom; 0 shows all."});
  plot.box.append(plotSeriesButtons(plot), plot.svg, plot.tip, plotTools(plot));
  picture.hidden = true;
  picture.before(plot.box);
  watchPointer(plot);
  watchKeys(plot);
  drawPlot(plot);
}

const shownSeries = plot => plot.series.filter(series => series.on);

/** The range of all shown values. A logarithmic axis leaves out what is not above zero. */
function resetRange(plot) {
  const points = shownSeries(plot).flatMap(series => series.points);
  const xs = points.map(point => point.x);
  const ys = points.flatMap(point => [point.y, point.low, point.high]).concat(plot.data.levels.map(([value]) => value)).filter(value => value !== null);
  plot.x = wholeRange(xs, plot.logX, plot.data.x.kind === "category" ? 0.5 : 0);
  plot.y = wholeRange(ys, plot.logY, 0);
}

function wholeRange(values, log, margin) {
  const usable = log ? values.filter(value => value > 0) : values;
  if (!usable.length) return log ? [0.1, 10] : [0, 1];
  let low = Infinity, high = -Infinity;
  for (const value of usable) { low = Math.min(low, value); high = Math.max(high, value); }
  if (margin) return [low - margin, high + margin];
  if (low === high) return log ? [low / 2, high * 2] : [low - (Math.abs(low) / 10 || 1), high + (Math.abs(high) / 10 || 1)];
  if (log) { const part = (high / low) ** 0.04; return [low / part, high * part]; }
  const part = (high - low) * 0.04;
  return [low - part, high + part];
}

const canBeLog = values => values.length > 0 && values.every(value => value > 0);

// Places and values: a share of the axis, linear or logarithmic.
const shareOf = (value, [low, high], log) => log ? Math.log(value / low) / Math.log(high / low) : (value - low) / (high - low);
const valueAt = (share, [low, high], log) => log ? low * (high / low) ** share : low + share * (high - low);
const plotX = (plot, value) => PLOT.left + shareOf(value, plot.x, plot.logX) * (plot.width - PLOT.left - PLOT.right);
const plotY = (plot, value) => PLOT.height - PLOT.bottom - shareOf(value, plot.y, plot.logY) * (PLOT.height - PLOT.top - PLOT.bottom);
const isDrawable = (plot, x, y) => (!plot.logX || x > 0) && (!plot.logY || y > 0);

/** Round values between two numbers, about `count` of them. */
function plotTicks([low, high], log, count) {
  if (log && high / low >= 5) {
    const first = Math.floor(Math.log10(low)), last = Math.ceil(Math.log10(high)), ticks = [];
    const every = Math.max(1, Math.ceil((last - first) / 6));
    for (let power = first; power <= last; power += every) for (const digit of last - first <= 3 ? [1, 2, 5] : [1]) ticks.push(digit * 10 ** power);
    return ticks.filter(value => value >= low && value <= high);
  }
  const rough = (high - low) / count, size = 10 ** Math.floor(Math.log10(rough));
  const step = size * ([1, 2, 2.5, 5].find(digit => digit * size >= rough) || 10);
  const ticks = [];
  for (let number = Math.ceil(low / step); number * step <= high; number++) ticks.push(number * step);
  return ticks;
}

function plotNumber(value) {
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-4 || size >= 1e9)) return value.toExponential(2).replace(/\.?0+e/, "e");
  return Number(value.toPrecision(6)).toLocaleString("en-US", {maximumFractionDigits: 10});
}

function axisWords(axis, value) {
  if (axis.kind === "time") return new Date(value).toISOString().slice(0, 10);
  if (axis.kind === "category") return axis.names[Math.round(value)] || "";
  return axis.kind === "year" ? String(Math.round(value)) : plotNumber(value);
}

/** What is drawn, as paths and texts: for the page, and for the files. `ink` is the colour of axes and words. */
function plotParts(plot, ink) {
  const right = plot.width - PLOT.right, floor = PLOT.height - PLOT.bottom;
  const axes = [], inside = [], {x, y} = plot.data;
  const whole = axis => axis.kind === "category" ? axis.names.map((_, number) => number) : null;
  const ticksX = (whole(x) || plotTicks(plot.x, plot.logX, 5).filter(tick => x.kind !== "year" || Number.isInteger(tick))).filter(tick => tick >= plot.x[0] && tick <= plot.x[1]);
  for (const tick of ticksX) {
    const at = plotX(plot, tick), words = axisWords(x, tick);
    axes.push({d: "M" + at + " " + PLOT.top + "V" + floor, stroke: PLOT_GRID, opacity: .25},
      {text: words.length > 14 ? words.slice(0, 13) + "\u2026" : words, x: at, y: floor + 18, anchor: "middle", fill: ink});
  }
  for (const tick of plotTicks(plot.y, plot.logY, 6)) {
    const at = plotY(plot, tick);
    axes.push({d: "M" + PLOT.left + " " + at + "H" + right, stroke: PLOT_GRID, opacity: .25}, {text: plotNumber(tick), x: PLOT.left - 8, y: at + 4, anchor: "end", fill: ink});
  }
  axes.push({d: "M" + PLOT.left + " " + PLOT.top + "V" + floor + "H" + right, stroke: ink},
    {text: x.title, x: (PLOT.left + right) / 2, y: PLOT.height - 10, anchor: "middle", fill: ink},
    {text: y.title, x: 14, y: (PLOT.top + floor) / 2, anchor: "middle", rotate: true, fill: ink});
  for (const [value, words] of plot.data.levels) if (isDrawable(plot, 1, value)) {
    const at = plotY(plot, value);
    inside.push({d: "M" + PLOT.left + " " + at + "H" + right, stroke: ink, dash: [4, 4], width: 1.5}, {text: words, x: right - 4, y: at - 6, anchor: "end", fill: ink});
  }
  inside.push(...stepParts(plot, ink), ...shownSeries(plot).flatMap(series => seriesParts(plot, series, ink)));
  return {axes, inside};
}

function stepParts(plot, ink) {
  const points = plot.steps.filter(([x, y]) => isDrawable(plot, x, y));
  if (points.length < 2) return [];
  const d = points.map(([x, y], number) => (number ? "H" + plotX(plot, x) + "V" + plotY(plot, y) : "M" + plotX(plot, x) + " " + plotY(plot, y))).join("");
  return [{d, stroke: ink, dash: [4, 4], width: 1.5}];
}

function seriesParts(plot, series, ink) {
  const points = series.points.filter(point => isDrawable(plot, point.x, point.y));
  const at = (point, value) => plotX(plot, point.x) + " " + plotY(plot, value);
  const parts = [], known = points.filter(point => point.low !== null && point.high !== null && isDrawable(plot, point.x, point.low));
  if (series.band && known.length > 1) {
    parts.push({d: "M" + known.map(point => at(point, point.high)).join("L") + "L" + known.slice().reverse().map(point => at(point, point.low)).join("L") + "Z", fill: series.colour, opacity: .2});
  } else if (!series.band) {
    for (const point of known) parts.push({d: "M" + at(point, point.low) + "V" + plotY(plot, point.high), stroke: ink, opacity: .6});
  }
  if (series.dash && points.length > 1) {
    parts.push({d: "M" + points.map(point => at(point, point.y)).join("L"), stroke: series.colour, width: 2, dash: series.dash[1] ? series.dash : null});
  }
  if (series.marked || points.length === 1) for (const point of points) {
    const mark = {d: markPath(series.shape, plotX(plot, point.x), plotY(plot, point.y), series.dash ? 3 : 4.5)};
    parts.push(point.hollow ? {...mark, stroke: series.colour, width: 2} : {...mark, fill: series.colour});
  }
  return parts;
}

function markPath(shape, x, y, r) {
  if (shape === "square") return "M" + (x - r) + " " + (y - r) + "h" + 2 * r + "v" + 2 * r + "h" + -2 * r + "Z";
  if (shape === "triangle-up") return "M" + x + " " + (y - r * 1.2) + "L" + (x + r * 1.1) + " " + (y + r * .9) + "L" + (x - r * 1.1) + " " + (y + r * .9) + "Z";
  if (shape === "diamond") return "M" + x + " " + (y - r * 1.3) + "L" + (x + r * 1.3) + " " + y + "L" + x + " " + (y + r * 1.3) + "L" + (x - r * 1.3) + " " + y + "Z";
  return "M" + (x - r) + " " + y + "a" + r + " " + r + " 0 1 0 " + 2 * r + " 0a" + r + " " + r + " 0 1 0 " + -2 * r + " 0Z";
}

// --- drawing as SVG and on a canvas

function svgPart(part) {
  if (part.text !== undefined) {
    const turn = part.rotate ? {transform: "rotate(-90 " + part.x + " " + part.y + ")"} : {};
    return drawn("text", {x: part.x, y: part.y, "text-anchor": part.anchor || "start", fill: part.fill, "font-size": 12, "font-family": "sans-serif", ...turn}, part.text);
  }
  const dash = part.dash ? {"stroke-dasharray": part.dash.join(" ")} : {};
  return drawn("path", {d: part.d, fill: part.fill || "none", stroke: part.stroke || "none", "stroke-width": part.width || 1, opacity: part.opacity || 1, ...dash});
}

function clipped(plot, parts, id) {
  const clip = drawn("clipPath", {id});
  clip.append(drawn("rect", {x: PLOT.left, y: 0, width: plot.width - PLOT.left - PLOT.right + 6, height: PLOT.height - PLOT.bottom + 6}));
  const group = drawn("g", {"clip-path": "url(#" + id + ")"});
  group.append(...parts.map(svgPart));
  return [clip, group];
}

function drawPlot(plot) {
  const {axes, inside} = plotParts(plot, "currentColor");
  drawPlot.count = (drawPlot.count || 0) + 1;
  plot.marker = drawn("path", {d: "", fill: "none", stroke: "currentColor", "stroke-width": 2});
  plot.frame = drawn("rect", {fill: "currentColor", opacity: .12, width: 0, height: 0});
  plot.svg.replaceChildren(...axes.map(svgPart), ...clipped(plot, inside, "clip-" + drawPlot.count), plot.frame, plot.marker);
  hideValues(plot);
}

/** The whole plot for a file: in full width, with a legend of the shown series. */
function fileParts(seen) {
  const plot = {...seen, width: PLOT.width};
  const {axes, inside} = plotParts(plot, PLOT_INK), legend = [];
  let x = 8, y = PLOT.height + 16;
  for (const series of shownSeries(plot).length > 1 || plot.series.length > 1 ? shownSeries(plot) : []) {
    const wide = 50 + series.label.length * 7;
    if (x > 8 && x + wide > plot.width) { x = 8; y += 20; }
    if (series.dash) legend.push({d: "M" + x + " " + y + "h26", stroke: series.colour, width: 2, dash: series.dash[1] ? series.dash : null});
    legend.push({d: markPath(series.shape, x + 13, y, 4), fill: series.colour}, {text: series.label, x: x + 34, y: y + 4, fill: PLOT_INK});
    x += wide;
  }
  return {plot, axes: [...axes, ...legend], inside, height: legend.length ? y + 16 : PLOT.height};
}

function plotFile(seen) {
  const {plot, axes, inside, height} = fileParts(seen);
  const svg = drawn("svg", {xmlns: "http://www.w3.org/2000/svg", viewBox: "0 0 " + plot.width + " " + height, width: plot.width, height});
  svg.append(drawn("title", {}, plot.data.title), ...axes.map(svgPart), ...clipped(plot, inside, "inside"));
  return new Blob([new XMLSerializer().serializeToString(svg)], {type: "image/svg+xml"});
}

const MAX_TIME_MS = 8e15; // later dates have no name
const PNG_SCALE = 3; // for print: 1,680 pixels wide

/** The plot on a canvas; the pages' policy allows no picture of a made address. */
function plotPicture(seen) {
  const {plot, axes, inside, height} = fileParts(seen);
  const canvas = element("canvas", null, {width: plot.width * PNG_SCALE, height: height * PNG_SCALE});
  const pen = canvas.getContext("2d");
  pen.scale(PNG_SCALE, PNG_SCALE);
  pen.fillStyle = "#ffffff";
  pen.fillRect(0, 0, plot.width, height);
  for (const part of axes) paint(pen, part);
  pen.beginPath();
  pen.rect(PLOT.left, 0, plot.width - PLOT.left - PLOT.right + 6, PLOT.height - PLOT.bottom + 6);
  pen.clip();
  for (const part of inside) paint(pen, part);
  return new Promise(resolve => canvas.toBlob(resolve, "image/png"));
}

function paint(pen, part) {
  pen.save();
  pen.globalAlpha = part.opacity || 1;
  if (part.text !== undefined) {
    pen.font = "12px sans-serif";
    pen.textAlign = {middle: "center", end: "right"}[part.anchor] || "left";
    pen.fillStyle = part.fill;
    pen.translate(part.x, part.y);
    if (part.rotate) pen.rotate(-Math.PI / 2);
    pen.fillText(part.text, 0, 0);
  } else {
    const path = new Path2D(part.d);
    if (part.fill) { pen.fillStyle = part.fill; pen.fill(path); }
    if (part.stroke) {
      pen.strokeStyle = part.stroke;
      pen.lineWidth = part.width || 1;
      pen.setLineDash(part.dash || []);
      pen.stroke(path);
    }
  }
  pen.restore();
}

function saveFile(name, content) {
  const link = element("a", null, {href: URL.createObjectURL(content), download: name});
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}

// --- controls

function plotSeriesButtons(plot) {
  const box = element("div", null, {class: "series", role: "group", "aria-label": "Series"});
  if (plot.series.length < 2) return box;
  for (const series of plot.series) {
    const button = element("button", null, {type: "button", "aria-pressed": "true"});
    const sample = drawn("svg", {viewBox: "0 0 26 12", width: 26, height: 12, "aria-hidden": "true"});
    if (series.dash) sample.append(svgPart({d: "M0 6h26", stroke: series.colour, width: 2, dash: series.dash[1] ? series.dash : null}));
    sample.append(svgPart({d: markPath(series.shape, 13, 6, 4), fill: series.colour}));
    button.append(sample, " " + series.label);
    button.addEventListener("click", () => {
      series.on = !series.on;
      button.setAttribute("aria-pressed", String(series.on));
      resetRange(plot);
      drawPlot(plot);
    });
    box.append(button);
  }
  return box;
}

function plotTools(plot) {
  const box = element("div", null, {class: "plot-tools", role: "group", "aria-label": "Plot: " + plot.data.title});
  const add = (words, name, act) => {
    const button = element("button", words, {type: "button", "aria-label": name});
    button.addEventListener("click", act);
    box.append(button);
    return button;
  };
  const values = pick => plot.series.flatMap(series => series.points.map(pick));
  const log = (key, words, pick, kind) => {
    if (kind !== "number" || !canBeLog(values(pick))) return;
    const button = add(words, "Logarithmic " + words.toLowerCase().replace("log ", "") + " axis", () => {
      plot[key] = !plot[key];
      button.setAttribute("aria-pressed", String(plot[key]));
      resetRange(plot);
      drawPlot(plot);
    });
    button.setAttribute("aria-pressed", String(plot[key]));
  };
  log("logX", "Log x", point => point.x, plot.data.x.kind);
  log("logY", "Log y", point => point.y, plot.data.y.kind);
  add("+", "Zoom in", () => zoom(plot, 0.5));
  add("\u2212", "Zoom out", () => zoom(plot, 2));
  add("All", "Show all of the plot", () => { resetRange(plot); drawPlot(plot); });
  const name = plot.figure.dataset.plot.replace(/\.svg$/, "");
  add("SVG", "Save this view as SVG", () => saveFile(name + ".svg", plotFile(plot)));
  add("PNG", "Save this view as PNG", async () => saveFile(name + ".png", await plotPicture(plot)));
  add("CSV", "Save the values as CSV", () => saveFile(name + ".csv", new Blob([plotCsv(plot)], {type: "text/csv"})));
  return box;
}

function plotCsv(plot) {
  const text = value => value === null || value === undefined ? "" : String(value);
  const rows = shownSeries(plot).flatMap(series => series.points.map(point => [point.name, plot.data.x.kind === "number" ? text(point.x) : axisWords(plot.data.x, point.x), text(point.y), text(point.low), text(point.high)]));
  return asCsv({heads: ["series", plot.data.x.title, plot.data.y.title, "low", "high"], rows});
}

/** Zoom around the middle, or around the shares (x, y) of the axes. */
function zoom(plot, factor, x = 0.5, y = 0.5) {
  const around = (range, log, middle) => [valueAt(middle - factor / 2, range, log), valueAt(middle + factor / 2, range, log)];
  setRange(plot, around(plot.x, plot.logX, x), around(plot.y, plot.logY, y));
}

/** Draw other ranges of the axes, unless numbers or dates cannot tell their ticks apart. */
function setRange(plot, x, y) {
  if (!isRange(x, plot.logX, plot.data.x.kind === "time") || !isRange(y, plot.logY, false)) return;
  plot.x = x;
  plot.y = y;
  drawPlot(plot);
}

function isRange([low, high], log, isTime) {
  const largest = Math.max(Math.abs(low), Math.abs(high));
  if (!Number.isFinite(largest) || isTime && largest > MAX_TIME_MS) return false;
  return log ? low > 0 && high / low > 1 + 1e-9 && high / low < 1e60 : high - low > 1e-9 * largest;
}

// --- values under the pointer and by keys

function pointWords(plot, point) {
  const interval = point.low === null || point.high === null || point.low === point.high ? "" : " (" + score(point.low) + " to " + score(point.high) + ")";
  return point.name + ": " + score(point.y) + interval + " at " + axisWords(plot.data.x, point.x) + (point.hollow ? ", unreliable time" : "");
}

function showValues(plot, series, number) {
  const point = series.points[number], x = plotX(plot, point.x), y = plotY(plot, point.y);
  plot.at = {series, number};
  plot.tip.textContent = pointWords(plot, point);
  plot.marker.setAttribute("d", markPath("circle", x, y, 7));
}

function hideValues(plot) {
  plot.at = null;
  plot.tip.textContent = "";
  plot.marker.setAttribute("d", "");
}

/** The place of the pointer in the units of the drawing. */
function pointerAt(plot, event) {
  const box = plot.svg.getBoundingClientRect();
  return [(event.clientX - box.left) * plot.width / box.width, (event.clientY - box.top) * PLOT.height / box.height];
}

function isInView(plot, point) {
  return isDrawable(plot, point.x, point.y) && point.x >= plot.x[0] && point.x <= plot.x[1] && point.y >= plot.y[0] && point.y <= plot.y[1];
}

function nearest(plot, x, y) {
  let best = null, least = NEAR;
  for (const series of shownSeries(plot)) series.points.forEach((point, number) => {
    if (!isInView(plot, point)) return;
    const far = Math.hypot(plotX(plot, point.x) - x, plotY(plot, point.y) - y);
    if (far < least) { least = far; best = {series, number}; }
  });
  return best;
}

/** Hover or tap shows values; dragging with a mouse zooms; a double click shows all. */
function watchPointer(plot) {
  let from = null;
  plot.svg.addEventListener("pointerdown", event => { if (event.pointerType === "mouse" && event.button === 0) from = pointerAt(plot, event); });
  plot.svg.addEventListener("pointermove", event => {
    const to = pointerAt(plot, event);
    if (from) frameFrom(plot, from, to);
    const found = from ? null : nearest(plot, ...to);
    if (found) showValues(plot, found.series, found.number); else if (plot.at) hideValues(plot);
  });
  plot.svg.addEventListener("pointerup", event => {
    const to = pointerAt(plot, event), start = from;
    from = null;
    if (start && Math.abs(to[0] - start[0]) > 8 && Math.abs(to[1] - start[1]) > 8) zoomTo(plot, start, to);
    else if (start) frameFrom(plot, start, start);
    const found = nearest(plot, ...to);
    if (event.pointerType !== "mouse" && found) showValues(plot, found.series, found.number);
  });
  plot.svg.addEventListener("pointerleave", () => { if (from) frameFrom(plot, from, from); from = null; if (document.activeElement !== plot.svg) hideValues(plot); });
  plot.svg.addEventListener("dblclick", () => { resetRange(plot); drawPlot(plot); });
}

function frameFrom(plot, from, to) {
  const [x, y] = [Math.min(from[0], to[0]), Math.min(from[1], to[1])];
  for (const [name, value] of [["x", x], ["y", y], ["width", Math.abs(to[0] - from[0])], ["height", Math.abs(to[1] - from[1])]]) plot.frame.setAttribute(name, value);
}

function zoomTo(plot, from, to) {
  const across = x => (x - PLOT.left) / (plot.width - PLOT.left - PLOT.right), up = y => (PLOT.height - PLOT.bottom - y) / (PLOT.height - PLOT.top - PLOT.bottom);
  const ends = (one, other, range, log) => [Math.min(one, other), Math.max(one, other)].map(share => valueAt(share, range, log));
  setRange(plot, ends(across(from[0]), across(to[0]), plot.x, plot.logX), ends(up(from[1]), up(to[1]), plot.y, plot.logY));
}

function watchKeys(plot) {
  const act = {
    ArrowRight: () => move(plot, 0, 1), ArrowLeft: () => move(plot, 0, -1), ArrowDown: () => move(plot, 1, 0), ArrowUp: () => move(plot, -1, 0),
    "+": () => zoom(plot, 0.5, ...shareAt(plot)), "-": () => zoom(plot, 2, ...shareAt(plot)), "0": () => { resetRange(plot); drawPlot(plot); }, Escape: () => hideValues(plot),
  };
  plot.svg.addEventListener("keydown", event => {
    if (!act[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    act[event.key]();
  });
}

/** Where the read point lies on the axes, as shares; the middle if none is read. */
function shareAt(plot) {
  if (!plot.at) return [0.5, 0.5];
  const point = plot.at.series.points[plot.at.number];
  return [shareOf(point.x, plot.x, plot.logX), shareOf(point.y, plot.y, plot.logY)];
}

/** Read the next point of the series, or the nearest point of the next series. */
function move(plot, series, points) {
  const shown = shownSeries(plot).filter(item => item.points.length);
  if (!shown.length) return;
  if (!plot.at) { showValues(plot, shown[0], 0); return; }
  const now = plot.at.series.points[plot.at.number];
  const next = shown[(shown.indexOf(plot.at.series) + series + shown.length) % shown.length];
  let number = plot.at.number + points;
  if (series) number = next.points.reduce((best, point, place) => Math.abs(point.x - now.x) < Math.abs(next.points[best].x - now.x) ? place : best, 0);
  // One series of single points: left and right go through all of them, from left to right.
  if (!series && next.points.length === 1) {
    const order = shown.slice().sort((a, b) => a.points[0].x - b.points[0].x);
    const at = order[Math.min(order.length - 1, Math.max(0, order.indexOf(next) + points))];
    showValues(plot, at, points > 0 ? 0 : at.points.length - 1);
    return;
  }
  showValues(plot, next, Math.min(next.points.length - 1, Math.max(0, number)));
}
