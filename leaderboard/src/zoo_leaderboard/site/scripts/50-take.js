// --- tables as text: Markdown, LaTeX and CSV ------------------------------------------------------------------------------

/** The visible columns and rows of a table as texts; only the selected rows, if any are selected. */
function tableTexts(table) {
  const heads = [...table.tHead.rows[0].cells];
  const shown = heads.map(head => !head.hidden);
  const rows = [...table.tBodies[0].rows].filter(row => !row.classList.contains("by") && !row.hidden);
  const ticked = rows.filter(row => row.querySelector("input.choose:checked"));
  const texts = row => {
    const cells = [];
    for (const cell of row.cells) cells.push(cellWords(cell), ...Array(cell.colSpan - 1).fill(""));
    return cells.filter((_, index) => shown[index]);
  };
  return {heads: texts(table.tHead.rows[0]), numeric: heads.filter((_, index) => shown[index]).map(head => head.classList.contains("num")),
    rows: (ticked.length ? ticked : rows).map(texts)};
}

function asMarkdown({heads, numeric, rows}) {
  const line = cells => "| " + cells.map(text => text.replace(/[\\|`*_<>\[\]]/g, "\\$&")).join(" | ") + " |";
  return [line(heads), "| " + numeric.map(right => right ? "---:" : "---").join(" | ") + " |", ...rows.map(line)].join("\n") + "\n";
}

const TEX = {"\\": "\\textbackslash{}", "~": "\\textasciitilde{}", "^": "\\textasciicircum{}", "\u2013": "--"};

function asLatex({heads, numeric, rows}) {
  const plain = text => text.replace(/[\\~^\u2013]|[&%$#_{}]/g, char => TEX[char] || "\\" + char);
  const line = cells => "  " + cells.map(plain).join(" & ") + " \\\\";
  return ["% needs \\usepackage{booktabs}", "\\begin{tabular}{" + numeric.map(right => right ? "r" : "l").join("") + "}", "  \\toprule", line(heads), "  \\midrule",
    ...rows.map(line), "  \\bottomrule", "\\end{tabular}"].join("\n") + "\n";
}

/** A spreadsheet runs a cell that begins like a formula, so such a text begins with an apostrophe. */
function asCsv({heads, rows}) {
  const cell = text => {
    const harmless = /^[=+\-@\t\r]/.test(text) && Number.isNaN(Number(text)) ? "'" + text : text;
    return /[",\n\r]/.test(harmless) ? '"' + harmless.replaceAll('"', '""') + '"' : harmless;
  };
  return [heads, ...rows].map(cells => cells.map(cell).join(",")).join("\n") + "\n";
}

/** Add buttons below a table that copy it. */
function addTaking(table) {
  const box = element("div", null, {class: "take", role: "group", "aria-label": "Copy the table: " + table.dataset.take});
  const ticks = table.classList.contains("board");
  box.append(ticks ? "Copy table, or its selected rows:" : "Copy table:");
  for (const [name, write] of [["Markdown", asMarkdown], ["LaTeX", asLatex], ["CSV", asCsv]]) {
    const button = element("button", name, {type: "button"});
    button.addEventListener("click", () => copy(write(tableTexts(table))));
    box.append(button);
  }
  table.parentElement.after(box);
}

/** The address of this view with the state of the numbers, so that a later reader is told if they changed. */
function linkToView(tools) {
  const address = new URL(location.href);
  address.searchParams.set("state", tools.dataset.state);
  return address.href;
}

function asBibtex(tools) {
  const plain = text => text.replace(/[\\~^\u2013]|[&%$#_{}]/g, char => TEX[char] || "\\" + char);
  const {title, trials, newest, state} = tools.dataset;
  return ["@misc{zoo-" + tools.dataset.slug.replace(/[^A-Za-z0-9-]/g, "-") + "-" + state + ",", "  title = {" + plain(title) + ": zoo leaderboard},", "  year = {" + newest.slice(0, 4) + "},",
    "  note = {" + plain(trials) + ", records up to " + newest + ", state " + state + "},", "  howpublished = {\\url{" + linkToView(tools) + "}},", "}"].join("\n") + "\n";
}

/** Buttons for a link and for BibTeX; and a note if the link that led here was made of other numbers. */
function setUpCiting(tools) {
  document.getElementById("copy-link").addEventListener("click", () => copy(linkToView(tools)));
  document.getElementById("copy-bibtex").addEventListener("click", () => copy(asBibtex(tools)));
  const state = params.get("state");
  if (!state || state === tools.dataset.state) return;
  const known = /^[0-9a-f]{1,32}$/.test(state) ? " (state " + state + ")" : "";
  tools.before(element("p", "The numbers on this page have changed since this link was made" + known + ". The page shows records up to "
    + tools.dataset.newest + " (state " + tools.dataset.state + ").", {class: "old", role: "status"}));
}

/** Add a button to each row whose command is on the page. */
function setUpRowCommands(boards) {
  for (const {rows} of boards) for (const {row} of rows) {
    const code = document.querySelector("#c-" + CSS.escape(row.id) + " code");
    if (!code) continue;
    const text = code.textContent.trim();
    const button = copyButton("Copy command", "Copy command of " + labelOf(row), () => text);
    button.title = text;
    row.querySelector("th").append(button);
  }
}
