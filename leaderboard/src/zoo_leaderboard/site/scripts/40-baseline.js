// --- the difference to a baseline ----------------------------------------------------------------------------------------

const MAX_BASELINES = 200; // in the list; tables of thousands of rows test only the first
const VERDICT_CLASSES = {better: "good", worse: "bad"};

function setUpBaseline(tools, boards) {
  const field = tools.querySelector("[data-base]");
  const labels = new Set();
  for (const board of boards) for (const {row} of board.rows.slice(0, MAX_BASELINES)) {
    if (!row.classList.contains("unscored")) labels.add(labelOf(row));
  }
  for (const label of labels) field.append(element("option", label, {value: label}));
  field.value = params.get("base") || "";
  if (field.selectedIndex < 0) { field.value = ""; remember("base", ""); }
  field.addEventListener("input", () => { remember("base", field.value); showBaseline(tools, boards); });
  if (field.value) showBaseline(tools, boards);
}

/** Add the column and the verdicts to every table that has the baseline, or remove them. */
async function showBaseline(tools, boards) {
  let task = null;
  try {
    task = params.get("base") ? await load("tasks", tools.dataset.slug) : null;
  } catch (error) {
    say(error.message);
  }
  for (const board of boards) {
    removeBaseline(board);
    const group = task && task.groups.find(item => item.anchor === board.section.id);
    const chosen = group && board.rows.find(({row}) => labelOf(row) === params.get("base"));
    const base = chosen && group.rows.find(row => row.key === chosen.row.id);
    if (base) addBaseline(board, boards, task, group, base);
  }
  show(boards);
}

function removeBaseline(board) {
  const words = board.section.querySelector(".answer.baseline-answer");
  if (words) words.remove();
  const index = board.heads.findIndex(head => head.dataset.col === "base");
  if (index < 0) return;
  board.heads[index].remove();
  board.heads.splice(index, 1);
  for (const item of board.rows) {
    item.row.cells[index].remove();
    item.values.splice(index, 1);
  }
}

function addBaseline(board, boards, task, group, base) {
  const index = board.heads.findIndex(head => head.dataset.col === "score") + 1;
  const head = element("th", "vs " + base.label, {scope: "col", class: "num", "data-col": "base", "data-best": task.higher ? "high" : "low"});
  board.heads[index].before(head);
  board.heads.splice(index, 0, head);
  addSorting(head, boards);
  const rows = new Map(group.rows.map(row => [row.key, row]));
  const verdicts = new Map();
  for (const item of board.rows) {
    const own = rows.get(item.row.id);
    const cell = element("td", null, {class: "num"});
    let value = null;
    if (own === base) cell.textContent = "baseline";
    else if (own) {
      const found = rowDifference(group, own, base), [word, sentence] = rowVerdict(group, task, own, base, found);
      value = typeof found.value === "number" ? found.value : null;
      cell.textContent = value === null ? "\u2013" : (value > 0 ? "+" : "") + score(value);
      cell.title = sentence;
      cell.append(element("span", word, {class: "sub " + (VERDICT_CLASSES[word] || "")}));
      if (own.score !== null) verdicts.set(word, [...(verdicts.get(word) || []), own.label]);
    }
    item.row.cells[index].before(cell);
    item.values.splice(index, 0, value);
  }
  const words = element("p", baselineWords(base, verdicts), {class: "answer baseline-answer", role: "status"});
  board.table.parentElement.before(words);
}

/** Which models are better and worse than the baseline, by name. */
function baselineWords(base, verdicts) {
  const parts = ["better", "worse", "no difference seen", "not tested"].filter(word => verdicts.has(word)).map(word => {
    const labels = verdicts.get(word);
    return word + ": " + labels.slice(0, 5).join(", ") + (labels.length > 5 ? " and " + (labels.length - 5) + " more" : "");
  });
  return "Against " + base.label + ", by the test of the table after correction: " + (parts.join("; ") || "no other model has a score") + ".";
}
