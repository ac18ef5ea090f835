// --- the explorer of mistakes ------------------------------------------------------------------------------------------

const FIRST_EXAMPLES = 50;

/** Show pickers for two models and a class, and the test examples on which they differ. The address keeps the choice. */
async function setUpMistakes(place) {
  const data = await load("mistakes", place.dataset.slug);
  const box = element("section", null, {class: "tools", "aria-label": "Choose examples"});
  const group = () => data.groups.find(item => item.anchor === params.get("table")) || data.groups[0];
  const answer = element("div", null, {role: "status", class: "picked"});
  const draw = () => { drawPickers(box, data, group(), draw); drawExamples(answer, place, group()); };
  place.append(element("h2", "Choose examples"), box, answer);
  draw();
}

function drawPickers(box, data, group, draw) {
  const focused = document.activeElement && document.activeElement.id;
  const pickers = [];
  if (data.groups.length > 1) pickers.push(picker("table", "Table", data.groups.map(item => [item.anchor, item.name]), group.anchor, draw));
  const models = group.labels.map((label, number) => [String(number), label]);
  const [a, b] = chosenModels(group);
  pickers.push(picker("a", group.binary ? "Right" : "Better", [["", "any model"], ...models], a === null ? "" : String(a), draw));
  pickers.push(picker("b", group.binary ? "Wrong" : "Worse", [["", "all others"], ...models], b === null ? "" : String(b), draw));
  if (group.truth && group.classes.length > 1) {
    const present = new Set(group.truth);
    const classes = group.classes.map((name, number) => [String(number), name]).filter(([number]) => present.has(Number(number)));
    pickers.push(picker("class", "True class", [["", "all"], ...classes], chosenClass(group), draw));
  }
  box.replaceChildren(...pickers);
  if (focused && document.getElementById(focused)) document.getElementById(focused).focus();
}

function picker(name, title, options, value, draw) {
  const label = element("label", title + " ");
  const select = element("select", null, {id: "pick-" + name});
  for (const [key, words] of options) select.append(element("option", words, {value: key}));
  select.value = value;
  if (select.selectedIndex < 0) select.selectedIndex = 0;
  select.addEventListener("input", () => { remember(name, select.value || (name === "a" || name === "b" ? "any" : "")); draw(); });
  label.append(select);
  return label;
}

/** The numbers of the two models; null where any model will do. At first, the best and the second. */
function chosenModels(group) {
  const several = group.labels.length > 1;
  const number = (text, first) => text === null ? (several ? first : null) : text !== "any" && group.labels[Number(text)] !== undefined ? Number(text) : null;
  return [number(params.get("a"), 0), number(params.get("b"), 1)];
}

/** The number of the true class, as text; "" for all, and for one that the table does not have. */
function chosenClass(group) {
  const wanted = params.get("class") || "";
  return group.truth && group.truth.some(number => String(number) === wanted) ? wanted : "";
}

/** The places of the chosen examples in the columns of the data, the clearest first. */
function chosenExamples(group) {
  const [a, b] = chosenModels(group);
  const wanted = chosenClass(group);
  const sign = group.higher ? 1 : -1, models = group.labels.map((_, number) => number);
  const of = (model, place) => sign * group.scores[model][place];
  const mean = (some, place) => some.reduce((sum, model) => sum + of(model, place), 0) / some.length;
  const best = a === null ? models.filter(model => model !== b) : [a], worst = b === null ? models.filter(model => model !== a) : [b];
  const top = (some, place) => Math.max(...some.map(model => of(model, place)));
  const fits = place => {
    if (wanted && String(group.truth[place]) !== wanted) return false;
    if (a === null && b === null) return true; // the hardest for all
    if (!best.length || !worst.length || a === b) return false;
    const one = a === null ? top(best, place) : of(a, place), other = b === null ? top(worst, place) : of(b, place);
    return group.binary ? one > 0.5 && other <= 0.5 : one > other;
  };
  const order = a === null && b === null ? place => mean(models, place) : place => mean(worst, place) - mean(best, place);
  return group.numbers.map((_, place) => place).filter(fits).sort((x, y) => order(x) - order(y) || x - y);
}

function drawExamples(answer, page, group) {
  const found = chosenExamples(group), [a, b] = chosenModels(group);
  const shown = found.slice(0, FIRST_EXAMPLES);
  answer.replaceChildren(element("p", pickedWords(group, found.length, a, b)));
  if (!shown.length) return;
  const box = element("div", null, {class: "scroll", role: "group", tabindex: "0", "aria-label": "Chosen examples"});
  const table = element("table", null, {class: "narrow examples", "data-take": "Chosen examples"});
  const head = table.createTHead().insertRow(), body = table.createTBody();
  const pictured = shown.some(place => group.tiles[place]);
  const models = [...new Set([a, b].filter(model => model !== null))];
  const columns = models.length ? models : group.labels.map((_, number) => number).slice(0, 4);
  for (const words of ["Example", ...(pictured ? ["Picture"] : []), ...(group.truth ? ["True class"] : []), ...columns.map(model => group.labels[model])]) {
    head.append(element("th", words, {scope: "col"}));
  }
  for (const place of shown) {
    const row = body.insertRow();
    row.append(element("th", String(group.numbers[place]), {scope: "row", class: "num"}));
    if (pictured) row.insertCell().append(tilePicture(group, page.dataset.slug, place));
    if (group.truth) row.append(element("td", group.classes[group.truth[place]]));
    for (const model of columns) row.append(element("td", resultWords(group, model, place)));
  }
  box.append(table);
  answer.append(box);
  addTaking(table);
  if (found.length > shown.length) answer.append(element("p", "The first " + shown.length + " of " + found.length + " are shown.", {class: "muted"}));
}

/** How many examples are found: of all test examples where the build counted them, else of those in the data. */
function pickedWords(group, found, a, b) {
  const whole = a !== null && b !== null && a !== b && !chosenClass(group) ? group.better[a][b] : null;
  const names = [a === null ? "some model" : group.labels[a], b === null ? "all others" : group.labels[b]];
  const what = a === null && b === null ? "Examples, hardest for all models first"
    : group.binary ? names[0] + " is right and " + names[1] + (b === null ? " are" : " is") + " wrong" : names[0] + " does better than " + names[1];
  if (whole !== null) return what + ": " + whole + " of " + group.examples + " test examples" + (found < whole ? " (this page has " + found + " of them)." : ".");
  return what + ": " + found + (group.complete ? " examples." : " of the " + group.numbers.length + " examples on this page; the task has more.");
}

function resultWords(group, model, place) {
  const value = group.scores[model][place];
  const predicted = group.answers ? group.classes[group.answers[model][place]] : "";
  if (!group.binary) return score(value) + (predicted ? ", " + predicted : "");
  if (value === 1) return "right";
  if (value === 0) return predicted || "wrong";
  const other = predicted && predicted !== group.classes[group.truth[place]] ? ", most often " + predicted : "";
  return Math.round(100 * value) + " % of seeds right" + other;
}

function tilePicture(group, slug, place) {
  const tile = group.tiles[place];
  if (!tile) return "\u2013";
  const [file, width, height] = group.sheets[tile[0]];
  const truth = group.truth ? ", true class " + group.classes[group.truth[place]] : "";
  const picture = drawn("svg", {class: "tile", viewBox: [tile[1], tile[2], group.side, group.side].join(" "), width: 48, height: 48, role: "img", "aria-label": "Test example " + group.numbers[place] + truth});
  picture.append(drawn("image", {href: document.body.dataset.root + "tasks/" + slug + "/" + file, width, height}));
  return picture;
}

/** An element of SVG. */
function drawn(tag, attributes, text) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes || {})) made.setAttribute(name, value);
  if (text !== undefined) made.textContent = text;
  return made;
}
