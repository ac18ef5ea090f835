// --- the best model under a budget --------------------------------------------------------------------------------------

const LIMIT = /^\s*(\d+(?:[.,]\d+)?|\.\d+)\s*([kMG]?)\s*$/; // 2.5, 10k, 2M
const FACTORS = {"": 1, k: 1e3, M: 1e6, G: 1e9};

/** A limit as a number; null if it is empty, undefined if it is no number. */
function readLimit(text) {
  if (!text.trim()) return null;
  if (/^\s*\d{1,3}(,\d{3})+\s*$/.test(text)) text = text.replaceAll(",", ""); // 61,706, as the tables write it
  const found = LIMIT.exec(text);
  return found ? Number(found[1].replace(",", ".")) * FACTORS[found[2]] : undefined;
}

function setUpBudget(tools, boards) {
  for (const field of tools.querySelectorAll("[data-most]")) {
    const name = "max-" + field.dataset.most;
    field.value = params.get(name) || "";
    const check = () => { if (readLimit(field.value) === undefined) field.setAttribute("aria-invalid", "true"); else field.removeAttribute("aria-invalid"); };
    check();
    field.addEventListener("input", () => { check(); remember(name, field.value.trim()); show(boards); });
  }
}

/** The limits of the address: the column of each, its title and the largest value. The first device's column counts. */
function limitsOf(board) {
  const limits = [];
  for (const name of ["latency", "parameters", "memory", "train"]) {
    const most = readLimit(params.get("max-" + name) || "");
    const index = board.heads.findIndex(head => head.dataset.col === name || head.dataset.col.startsWith(name + "-"));
    if (typeof most === "number" && index >= 0) limits.push({name, index, most});
  }
  return limits;
}

/** Whether the value is known and reliable: other values fit no budget. */
function isKnown(item, limit) {
  return typeof item.values[limit.index] === "number" && item.row.cells[limit.index].dataset.doubt === undefined;
}

function isWithin(item, limit) {
  return isKnown(item, limit) && item.values[limit.index] <= limit.most;
}

/** A row's range of ranks from the number that the column is sorted by; null without a rank. */
function ranksOf(board, item) {
  const value = item.values[board.heads.findIndex(head => head.dataset.col === "rank")];
  return typeof value === "number" ? [Math.floor(value), Math.round((value - Math.floor(value)) * 1e6)] : null;
}

/** A row's name as the compare page has it: different for each row of a table. */
function labelOf(row) {
  return row.dataset.label;
}

/** The text of a cell without pictures, controls and the smaller lines below it, except those that qualify the value. */
function cellWords(cell) {
  const bare = cell.cloneNode(true);
  for (const part of bare.querySelectorAll(".sub:not(.keep), .sr, svg, img, input, button.copy")) part.remove();
  const name = bare.querySelector(".name"), label = cell.parentElement.dataset.label;
  if (name && label) name.textContent = label;
  let words = "";
  for (const part of bare.querySelectorAll(".keep")) {
    words += " (" + part.textContent + ")";
    part.remove();
  }
  return (bare.textContent + words).replace(/\s+/g, " ").trim();
}

/** Say which model is best among those that fit the budget, and which others it cannot be told apart from. */
function answerBudget(board, found, fits, limits) {
  let place = board.section.querySelector(".answer.budget");
  if (!limits.length) { if (place) place.remove(); return; }
  if (!place) {
    place = element("p", null, {class: "answer budget", role: "status"});
    board.table.parentElement.before(place);
  }
  const score = board.heads.findIndex(head => head.dataset.col === "score");
  const sign = board.heads[score].dataset.best === "high" ? 1 : -1;
  const scored = fits.filter(item => typeof item.values[score] === "number" && !item.row.classList.contains("stale"));
  const unknown = found.filter(item => limits.some(limit => !isKnown(item, limit))).length;
  const best = scored.reduce((top, item) => !top || sign * (item.values[score] - top.values[score]) > 0 ? item : top, null);
  const counts = " " + fits.length + " of " + found.length + " rows fit" + (unknown ? "; " + unknown + " lack a known, reliable value" : "") + ".";
  place.textContent = (best ? bestWords(board, scored, best, limits) : "No model with a score fits this budget.") + counts;
}

function bestWords(board, scored, best, limits) {
  const values = limits.map(limit => cellWords(board.heads[limit.index]) + " " + cellWords(best.row.cells[limit.index]));
  const own = ranksOf(board, best);
  let also = " No test compares it with the others.";
  if (own) {
    const equal = scored.filter(item => item !== best && ranksOf(board, item) && ranksOf(board, item)[0] <= own[1] && own[0] <= ranksOf(board, item)[1]);
    const names = equal.slice(0, 5).map(item => labelOf(item.row)).join(", ") + (equal.length > 5 ? " and " + (equal.length - 5) + " more" : "");
    const ranked = scored.filter(item => item !== best && ranksOf(board, item)).length;
    also = equal.length ? " Not told apart from it: " + names + "." : ranked ? " It ranks above all other ranked models that fit." : "";
  }
  return "Best under this budget: " + labelOf(best.row) + ", " + best.row.querySelector(".score").textContent + " (" + values.join(", ") + ")." + also;
}
