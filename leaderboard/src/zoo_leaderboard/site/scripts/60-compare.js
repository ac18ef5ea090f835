// --- the compare page -----------------------------------------------------------------------------------------------

// Fields that other work on the machine disturbs, and the field that says whether they are reliable.
const RELIABILITY = {train_s: "reliable", time_to_target_s: "reliable", throughput: "reliable", latency_ms: "latency_reliable", latency_p95_ms: "latency_reliable"};

// Fields of a row or trial: name, label, number format.
const FIELDS = [
  ["train_s", "Train time (s)", number], ["time_to_target_s", "Time to target (s)", number],
  ["throughput", "Training throughput (units/s)", number], ["latency_ms", "Latency (ms)", number], ["latency_p95_ms", "Latency, 95th percentile (ms)", number],
  ["parameters", "Parameters", value => value.toLocaleString("en-US")], ["flops_per_unit", "FLOPs per example", large],
];

/** Load a data file of this site. Only plain file names are accepted. */
function load(kind, slug) {
  return new Promise((resolve, reject) => {
    if (!/^[A-Za-z0-9_][A-Za-z0-9._-]*$/.test(slug)) { reject(new Error("The address contains an invalid " + (kind === "trials" ? "trial" : "task") + " name")); return; }
    const found = () => (self.zooData || {})[kind + "/" + slug]; // on a case-insensitive disk this may be another file
    if (found()) { resolve(found()); return; }
    const script = element("script", null, {src: document.body.dataset.root + (kind === "tasks" ? "data" : kind) + "/" + slug + ".js"});
    const missing = new Error("This site has no " + (kind === "trials" ? "trial page" : "task") + " called " + slug);
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
    if (trials.length) await compareTrials(place, await Promise.all(trials.map(slug => load("trials", slug))));
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
  return chooseTrials(place, trials);
}

/** Show a list of the trials that the first one can be compared with; a trial page leads here with one trial. */
async function chooseTrials(place, trials) {
  const task = await load("tasks", trials[0].task_slug);
  const offered = task.trials.filter(trial => trial.group === trials[0].group);
  const slugs = trials.map(trial => trial.slug);
  place.append(choices("Other trials of this table that have a page", offered.map(trial => ({
    value: trial.slug, checked: slugs.includes(trial.slug),
    label: trial.label + (trial.score === null ? "" : ", " + score(trial.score)),
  })), chosen => { location.search = "?" + new URLSearchParams(chosen.map(slug => ["trial", slug])); }, true));
}

/** A closable list of checkboxes, and a button that calls `compare` with the values of the ticked ones. */
function choices(title, items, compare, open) {
  const details = element("details");
  details.open = open;
  details.append(element("summary", title));
  const list = element("div", null, {class: "choices"});
  for (const item of items) {
    const label = element("label");
    const box = element("input", null, {type: "checkbox", value: item.value});
    box.checked = item.checked;
    label.append(box, " " + item.label);
    list.append(label);
  }
  const button = element("button", "Compare", {type: "button"});
  const ticked = () => [...list.querySelectorAll("input:checked")].map(box => box.value);
  const check = () => { button.disabled = ticked().length < 2; };
  check();
  list.addEventListener("change", check);
  button.addEventListener("click", () => compare(ticked()));
  details.append(list, button);
  return details;
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
    addTaking(box.querySelector("table"));
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
  const table = element("table", null, {class: "comparison", "data-take": "Comparison"});
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
    const open = keys.length === 0 || group.rows.some(row => keys.includes(row.key));
    const items = group.rows.map(row => ({value: row.key, label: row.label, checked: keys.includes(row.key)}));
    place.append(choices("Models: " + group.name, items, chosen => {
      location.search = "?" + new URLSearchParams([["task", task.slug], ...chosen.map(key => ["row", key])]);
    }, open));
  }
}
