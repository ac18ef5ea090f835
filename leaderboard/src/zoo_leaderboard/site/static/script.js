"use strict";
// Sorting, filtering, column selection and comparison. Tables are complete without it. It loads only files of this site.

const FIRST_ROWS = 100; // rows of a table shown at first: layout of thousands of rows makes clicks slow
const params = new URLSearchParams(location.search);

/** Write the state into the address, so that the view can be shared. */
function remember(name, value) {
  if (value) params.set(name, value); else params.delete(name);
  const query = params.toString();
  history.replaceState(null, "", (query ? "?" + query : location.pathname) + location.hash);
}

function element(tag, text, attributes) {
  const made = document.createElement(tag);
  if (text !== undefined && text !== null) made.textContent = text;
  for (const [name, value] of Object.entries(attributes || {})) made.setAttribute(name, value);
  return made;
}

// --- the tables of a task -------------------------------------------------------------------------------------------

function setUpBoard(tools) {
  const boards = [...document.querySelectorAll("section.group")].map(readBoard);
  tools.hidden = false;
  setUpFilters(tools, boards);
  setUpGrouping(tools, boards);
  setUpColumns(tools, boards);
  setUpSorting(boards);
  setUpChoosing(tools, boards);
  show(boards);
}

/** Read a table once: its rows with the values used for sorting and filtering. */
function readBoard(section) {
  const table = section.querySelector("table.board");
  const heads = [...table.tHead.rows[0].cells];
  const rows = [...table.tBodies[0].rows].map((row, place) => ({
    row, place,
    keys: JSON.parse(row.dataset.keys || "{}"),
    text: row.textContent.toLowerCase(),
    values: [...row.cells].map(cell => cell.dataset.v === undefined ? cell.textContent.trim().toLowerCase()
      : cell.dataset.v === "" ? null : Number(cell.dataset.v)),
  }));
  const target = location.hash && document.getElementById(location.hash.slice(1));
  return {section, table, heads, rows, whole: Boolean(target && table.tBodies[0].contains(target))};
}

function setUpFilters(tools, boards) {
  for (const field of tools.querySelectorAll("[data-filter]")) {
    const name = field.dataset.filter;
    field.value = params.get(name) || "";
    if (field.value !== (params.get(name) || "")) { field.value = ""; remember(name, ""); }
    field.addEventListener("input", () => { remember(name, field.value); show(boards); });
  }
}

function setUpGrouping(tools, boards) {
  const field = tools.querySelector("[data-by]");
  if (!field) return;
  field.value = params.get("by") || "";
  if (field.selectedIndex < 0) { field.value = ""; remember("by", ""); }
  field.addEventListener("input", () => { remember("by", field.value); show(boards); });
}

/** Put rows with the same value of a recipe key together, in a colour of their own; rows without the key come last. */
function grouped(board, items, key) {
  const values = [...new Set(board.rows.filter(item => Object.hasOwn(item.keys, key)).map(item => item.keys[key]))];
  values.sort(new Intl.Collator(undefined, {numeric: true}).compare);
  const group = item => Object.hasOwn(item.keys, key) ? values.indexOf(item.keys[key]) : values.length;
  for (const item of board.rows) {
    if (values.length && group(item) < values.length) item.row.dataset.by = group(item) % 8; else delete item.row.dataset.by;
  }
  return values.length ? items.map((item, place) => [group(item), place, item]).sort((a, b) => a[0] - b[0] || a[1] - b[1]).map(([, , item]) => item) : items;
}

/** Rows with a line above each group, which names the key and its value. */
function withHeads(board, items, key) {
  const rows = [];
  let last;
  for (const {row, keys} of items) {
    const words = Object.hasOwn(keys, key) ? key + " = " + keys[key] : "without " + key;
    if (words !== last) {
      const head = element("tr", null, {class: "by"});
      head.append(element("th", words, {colspan: board.heads.length, scope: "rowgroup"}));
      rows.push(head);
      last = words;
    }
    rows.push(row);
  }
  return rows;
}

function setUpColumns(tools, boards) {
  const hidden = new Set((params.get("hide") || "").split(" "));
  const place = tools.querySelector("#columns .choices");
  const names = new Map();
  for (const board of boards) for (const head of board.heads) {
    if (head.dataset.col !== "model" && !names.has(head.dataset.col)) names.set(head.dataset.col, head.textContent.trim());
  }
  for (const [column, title] of names) {
    const label = element("label");
    const box = element("input", null, {type: "checkbox"});
    box.checked = !hidden.has(column);
    box.addEventListener("change", () => {
      if (box.checked) hidden.delete(column); else hidden.add(column);
      remember("hide", [...hidden].filter(Boolean).join(" "));
      showColumns(boards, hidden);
    });
    label.append(box, " " + title);
    place.append(label);
  }
  showColumns(boards, hidden);
}

function showColumns(boards, hidden) {
  for (const {heads, rows} of boards) heads.forEach((head, index) => {
    const hide = hidden.has(head.dataset.col);
    if (head.hidden === hide) return;
    head.hidden = hide;
    for (const {row} of rows) row.cells[index].hidden = hide;
  });
}

function setUpSorting(boards) {
  for (const {heads} of boards) for (const head of heads) {
    const button = element("button", null, {type: "button", class: "sort"});
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const now = head.getAttribute("aria-sort");
      const first = head.dataset.best === "high" ? "down" : "up"; // the best first, then the other way
      const way = now === null ? first : now === "ascending" ? "down" : "up";
      remember("sort", head.dataset.col + ":" + way);
      show(boards);
    });
  }
}

/** Sort the rows by the numbers that a column shows. Cells without a number come last in both directions. */
function sorted(board, column, down) {
  const index = board.heads.findIndex(head => head.dataset.col === column);
  for (const head of board.heads) head.removeAttribute("aria-sort");
  if (index < 0) return board.rows;
  board.heads[index].setAttribute("aria-sort", down ? "descending" : "ascending");
  const sign = down ? -1 : 1;
  const collator = new Intl.Collator(undefined, {numeric: true});
  return [...board.rows].sort((a, b) => {
    const x = a.values[index], y = b.values[index];
    if (x === null || y === null) return (x === null) - (y === null) || a.place - b.place;
    const order = typeof x === "number" && typeof y === "number" ? x - y : collator.compare(String(x), String(y));
    return sign * (x === y ? 0 : order) || a.place - b.place;
  });
}

/** Draw the tables with the sorting and filters from the address. */
function show(boards) {
  const [column, way] = (params.get("sort") || "").split(":");
  const words = (params.get("q") || "").toLowerCase().split(/\s+/).filter(Boolean);
  let shown = 0, all = 0;
  for (const board of boards) {
    const off = ["device", "data", "recipe"].some(name => params.get(name) && params.get(name) !== board.section.dataset[name]);
    board.section.hidden = off;
    const fits = grouped(board, sorted(board, column, way === "down").filter(({row, text}) => words.every(word => text.includes(word))
      && ["plugin", "hardware"].every(name => !params.get(name) || params.get(name) === row.dataset[name])), params.get("by") || "");
    draw(board, fits);
    all += board.rows.length;
    shown += off ? 0 : fits.length;
  }
  const note = document.getElementById("shown");
  if (note) note.textContent = shown === all ? all + " rows" : shown + " of " + all + " rows";
}

function draw(board, fits) {
  const some = board.whole ? fits : fits.slice(0, FIRST_ROWS);
  const key = params.get("by");
  const visible = key && some.some(item => Object.hasOwn(item.keys, key)) ? withHeads(board, some, key) : some.map(item => item.row);
  const body = board.table.tBodies[0];
  if (visible.length !== body.rows.length || visible.some((row, place) => row !== body.rows[place])) {
    body.replaceChildren(...visible);
  }
  drawRest(board, fits, some.length);
}

function drawRest(board, fits, visible) {
  let button = board.section.querySelector("button.rest");
  if (!button) {
    button = element("button", null, {type: "button", class: "rest"});
    button.addEventListener("click", () => { board.whole = true; draw(board, board.fits); });
    board.table.parentElement.after(button);
  }
  board.fits = fits;
  button.hidden = visible === fits.length;
  button.textContent = "Show all " + fits.length + " rows";
}

/** Add a checkbox to every model, and link the selection to the compare page. */
function setUpChoosing(tools, boards) {
  const button = tools.querySelector("#compare-chosen");
  const boxes = [];
  const chosen = () => boxes.filter(box => box.checked).map(box => box.value);
  for (const {rows} of boards) for (const {row} of rows) {
    const head = row.querySelector("th");
    const name = head.querySelector(".name").textContent;
    const box = element("input", null, {type: "checkbox", class: "choose", value: row.id, "aria-label": "Compare " + name});
    head.prepend(box);
    boxes.push(box);
    box.addEventListener("change", () => { button.disabled = chosen().length < 2; });
  }
  button.addEventListener("click", () => {
    const query = new URLSearchParams([["task", tools.dataset.slug], ...chosen().map(key => ["row", key])]);
    location.href = document.body.dataset.root + "compare.html?" + query;
  });
}

// --- the compare page -----------------------------------------------------------------------------------------------

// Fields that other work on the machine disturbs, and the field that says whether they are reliable.
const RELIABILITY = {train_s: "reliable", time_to_target_s: "reliable", throughput: "reliable", latency_ms: "latency_reliable"};

// Fields of a row or trial: name, label, number format.
const FIELDS = [
  ["train_s", "Train time (s)", number], ["time_to_target_s", "Time to target (s)", number],
  ["throughput", "Training throughput (units/s)", number], ["latency_ms", "Latency (ms)", number],
  ["parameters", "Parameters", value => value.toLocaleString("en-US")], ["flops_per_unit", "FLOPs per example", large],
];

/** Load a data file of this site. Only plain file names are accepted. */
function load(kind, slug) {
  return new Promise((resolve, reject) => {
    if (!/^[A-Za-z0-9_][A-Za-z0-9._-]*$/.test(slug)) { reject(new Error("The address contains an invalid " + (kind === "tasks" ? "task" : "trial") + " name")); return; }
    const script = element("script", null, {src: (kind === "tasks" ? "data/" : "trials/") + slug + ".js"});
    const missing = new Error("This site has no " + (kind === "tasks" ? "task" : "trial page") + " called " + slug);
    const found = () => (self.zooData || {})[kind + "/" + slug]; // on a case-insensitive disk this may be another file
    script.onload = () => found() ? resolve(found()) : reject(missing);
    script.onerror = () => reject(missing);
    document.head.append(script);
  });
}

// Number formats, the same as in formats.py.

function known(value, write) {
  return value === null || value === undefined ? "\u2013" : write(value);
}

function score(value) {
  const size = Math.abs(value);
  return size === 0 || (size >= 1e-3 && size < 1e4) ? value.toFixed(4) : value.toExponential(2);
}

function number(value) {
  return Math.abs(value) >= 1000 ? Math.round(value).toLocaleString("en-US") : String(Number(value.toPrecision(3)));
}

function large(value) {
  for (const [factor, prefix] of [[1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"]]) {
    if (value >= factor) return Number((value / factor).toPrecision(3)) + " " + prefix;
  }
  return String(value);
}

function probability(value) {
  return value < 1e-4 ? "< 0.0001" : String(Number(value.toPrecision(2)));
}

function interval(low, high) {
  return low === null || low === undefined ? "" : score(low) + " to " + score(high);
}

async function setUpCompare(place) {
  const trials = params.getAll("trial"), task = params.get("task");
  try {
    if (trials.length) compareTrials(place, await Promise.all(trials.map(slug => load("trials", slug))));
    else if (task) compareRows(place, await load("tasks", task), params.getAll("row"));
  } catch (error) {
    place.append(element("p", error.message + ".", {class: "bad"}));
  }
}

function compareRows(place, task, keys) {
  place.append(element("h2", task.title));
  const group = task.groups.find(item => item.rows.some(row => keys.includes(row.key)));
  if (!keys.every(key => task.groups.some(item => item.rows.some(row => row.key === key)))) {
    place.append(element("p", "This task does not have all models named in the address.", {class: "bad"}));
    keys = keys.filter(key => task.groups.some(item => item.rows.some(row => row.key === key)));
  }
  if (!group || keys.length < 2) { chooseRows(place, task, keys); return; }
  const rows = keys.map(key => group.rows.find(row => row.key === key)).filter(Boolean);
  place.append(element("p", group.name, {class: "muted"}));
  if (rows.length < keys.length) {
    place.append(element("p", "Some selected models are left out: they were measured with other data, another recipe or another device, so they cannot be compared.", {class: "old"}));
  }
  drawComparison(place, rows, {
    key: row => row.key, metric: task.metric, difference: (row, base) => rowDifference(group, row, base),
    verdict: (row, base, found) => rowVerdict(group, task, row, base, found),
    note: "Verdicts use the test of the table, with Holm's correction for all pairs of the table, at the 5 % level. Each 95 % CI is that of one difference alone, without correction.",
  });
  chooseRows(place, task, keys);
}

/** The difference row - base with its interval and its p-value after correction, as far as known. */
function rowDifference(group, row, base) {
  const pair = group.pairs[row.key + " " + base.key], turned = group.pairs[base.key + " " + row.key];
  if (pair) return {value: pair[0], low: pair[1], high: pair[2], p: pair[3]};
  if (turned) return {value: -turned[0], low: turned[1] === null ? null : -turned[2], high: turned[1] === null ? null : -turned[1], p: turned[3]};
  return row.score === null || base.score === null ? {value: null} : {value: row.score - base.score, low: null};
}

/** What the test says on a row and the baseline, as a short word and as a sentence. */
function rowVerdict(group, task, row, base, found) {
  const untested = reason => ["not tested", row.label + " and " + base.label + " are not tested against each other: " + reason + "."];
  for (const item of [row, base]) {
    if (item.score === null) return untested(item.label + " has no score");
    if (item.stale && item.not_ranked) return untested(item.label + " is out of date (" + item.stale + ")");
  }
  if (found.p === undefined) return untested("this page has the tests of the first " + group.tested + " models of the table");
  if (row.seeds === 1 && base.seeds === 1) return untested("one seed each" + (found.low === null ? "" : "; the CI of the difference covers the test sample only"));
  if (found.p === null) return untested(row.not_ranked || base.not_ranked || "the variation between their seeds is unknown");
  const p = found.p < 1e-4 ? "p < 0.0001" : "p = " + probability(found.p);
  if (found.p > 0.05) {
    const alone = found.low > 0 || found.high < 0 ? " This CI excludes 0, but among all pairs of the table such a difference can be chance." : "";
    const apart = row.rank !== null && base.rank !== null && (row.rank_high < base.rank || base.rank_high < row.rank);
    const ranks = apart ? " Their ranks differ nevertheless: ranks follow the means, and other pairs in between differ significantly." : "";
    return ["no difference seen", "No difference seen between " + row.label + " and " + base.label + ": the difference is " + score(found.value)
      + " (95 % CI " + interval(found.low, found.high) + "; " + p + " after correction for all pairs of the table)." + alone + ranks];
  }
  const better = task.higher === (found.value > 0), up = found.value > 0;
  const [low, high] = up ? [found.low, found.high] : [-found.high, -found.low];
  return [better ? "better" : "worse", row.label + " is " + (better ? "better" : "worse") + " than " + base.label + " by " + score(Math.abs(found.value))
    + " (95 % CI " + interval(low, high) + "), significant after correction for all pairs of the table (" + p + ")."];
}

function compareTrials(place, trials) {
  const same = trials.filter(trial => trial.group === trials[0].group);
  place.append(element("h2", "Trials of " + trials[0].task));
  if (same.length < trials.length) {
    place.append(element("p", "Some trials are left out: they differ in task, data, recipe class or device class, so they cannot be compared.", {class: "old"}));
  }
  if (trials.length < 2) {
    place.append(element("p", "To compare with another trial, add &trial=NAME to the address. NAME is the file name of the trial's page, without .html. Each task page links to its trial pages."));
  }
  const difference = (trial, first) => {
    if (trial.score === null || first.score === null) return {value: null};
    const value = trial.score - first.score;
    const [low, high] = trial.interval, [firstLow, firstHigh] = first.interval;
    if (low === null || firstLow === null) return {value, low: null};
    // Newcombe (1998): the ends of both intervals, which need not lie symmetrically around the scores
    return {
      value, low: value - Math.hypot(trial.score - low, firstHigh - first.score),
      high: value + Math.hypot(high - trial.score, first.score - firstLow),
    };
  };
  drawComparison(place, same, {
    key: trial => trial.slug, metric: trials[0].metric, difference, verdict: null,
    note: "Each 95 % CI covers the test sample only, not other seeds. Two trials are no verdict on their models: select the models on the task page for that.",
  });
}

/** Draw the choice of a baseline, the verdicts in words, and a table with one column per item. */
function drawComparison(place, items, how) {
  const box = element("div");
  place.append(box);
  const draw = () => {
    const base = items.find(item => how.key(item) === params.get("base")) || items[0];
    box.replaceChildren();
    if (items.length > 1) box.append(chooseBaseline(items, base, how, draw));
    if (how.verdict) box.append(verdicts(items, base, how));
    box.append(comparisonTable(items, base, how), element("p", how.note, {class: "muted"}));
  };
  draw();
}

function chooseBaseline(items, base, how, draw) {
  const label = element("label", "Baseline ", {class: "baseline"});
  const select = element("select", null, {id: "baseline"});
  for (const item of items) select.append(element("option", item.label, {value: how.key(item)}));
  select.value = how.key(base);
  select.addEventListener("input", () => {
    remember("base", select.value);
    draw();
    document.getElementById("baseline").focus();
  });
  label.append(select);
  return label;
}

function verdicts(items, base, how) {
  const box = element("div", null, {role: "status"}); // a screen reader reads the new verdicts after a change
  const list = element("ul", null, {class: "verdicts"});
  for (const item of items) if (item !== base) list.append(element("li", how.verdict(item, base, how.difference(item, base))[1]));
  box.append(list);
  return box;
}

function comparisonTable(items, base, how) {
  const box = element("div", null, {class: "scroll", role: "group", tabindex: "0", "aria-label": "Comparison"});
  const table = element("table", null, {class: "comparison"});
  table.append(element("caption", "Differences are relative to the baseline, " + base.label));
  const head = table.createTHead().insertRow();
  head.append(element("th", "Quantity", {scope: "col"}), ...items.map(item => element("th", item.label, {scope: "col", class: "num"})));
  const body = table.createTBody();
  const line = (title, cells) => {
    const row = body.insertRow();
    row.append(element("th", title, {scope: "row"}), ...cells.map(text => element("td", text || "\u2013", {class: "num"})));
  };
  const differences = items.map(item => how.difference(item, base));
  const against = write => items.map((item, place) => item === base ? "" : write(differences[place], item));
  line(how.metric, items.map(item => known(item.score, score)));
  line("95 % CI", items.map(item => interval(...item.interval)));
  if (items.some(item => item.covers)) line("The CI covers", items.map(item => item.covers));
  line("Difference", against(found => known(found.value, score)));
  line("95 % CI of the difference", against(found => interval(found.low, found.high)));
  if (how.verdict) {
    line("p-value (corrected)", against(found => known(found.p, probability)));
    line("Verdict", against((found, item) => how.verdict(item, base, found)[0]));
  }
  for (const [name, title, write] of FIELDS) {
    const mark = item => item[RELIABILITY[name]] === false && item[name] !== null ? " (unreliable)" : "";
    line(title, items.map(item => known(item[name], write) + mark(item)));
  }
  if (how.verdict) line("Rank", items.map(rankText));
  for (const [name, title] of [["seeds", "Seeds"], ["status", "Status"]]) {
    if (items.some(item => item[name] !== undefined)) line(title, items.map(item => String(item[name] ?? "\u2013")));
  }
  if (items.some(marks)) line("Marks", items.map(marks));
  box.append(table);
  return box;
}

/** A rank as the task page shows it: `2`, `2 to 5` with a dash, or why there is none. */
function rankText(item) {
  if (item.rank === null || item.not_ranked) return item.not_ranked ? "not ranked: " + item.not_ranked : "";
  return item.rank_high === null || item.rank_high === item.rank ? String(item.rank) : item.rank + "\u2013" + item.rank_high;
}

function marks(item) {
  const words = [item.provisional && "provisional", item.stale && "out of date", (item.reliable === false || item.latency_reliable === false) && "timing unreliable"];
  return words.filter(Boolean).join(", ");
}

/** Show checkboxes for the models of a task, by comparison group. */
function chooseRows(place, task, keys) {
  for (const group of task.groups) {
    const details = element("details");
    details.open = keys.length === 0 || group.rows.some(row => keys.includes(row.key));
    details.append(element("summary", "Models: " + group.name));
    const list = element("div", null, {class: "choices"});
    for (const row of group.rows) {
      const label = element("label");
      const box = element("input", null, {type: "checkbox", value: row.key});
      box.checked = keys.includes(row.key);
      label.append(box, " " + row.label);
      list.append(label);
    }
    const button = element("button", "Compare", {type: "button"});
    button.addEventListener("click", () => {
      const chosen = [...list.querySelectorAll("input:checked")].map(box => ["row", box.value]);
      location.search = "?" + new URLSearchParams([["task", task.slug], ...chosen]);
    });
    details.append(list, button);
    place.append(details);
  }
}

const tools = document.getElementById("tools");
if (tools) setUpBoard(tools);
const compare = document.getElementById("compare");
if (compare) setUpCompare(compare);
