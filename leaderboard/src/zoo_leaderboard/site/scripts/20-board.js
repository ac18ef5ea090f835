// --- the tables of a task -------------------------------------------------------------------------------------------

function setUpBoard(tools) {
  const boards = [...document.querySelectorAll("section.group")].map(readBoard);
  tools.hidden = false;
  setUpFilters(tools, boards);
  setUpGrouping(tools, boards);
  setUpColumns(tools, boards);
  setUpSorting(boards);
  setUpChoosing(tools, boards);
  setUpBudget(tools, boards);
  setUpRowCommands(boards);
  setUpCiting(tools);
  show(boards);
  setUpBaseline(tools, boards);
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
  const whole = listed("all").includes(section.id) || Boolean(target && table.tBodies[0].contains(target));
  return {section, table, heads, rows, whole};
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
  for (const {heads} of boards) for (const head of heads) addSorting(head, boards);
}

function addSorting(head, boards) {
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
    const found = sorted(board, column, way === "down").filter(({row, text}) => words.every(word => text.includes(word))
      && ["plugin", "hardware"].every(name => !params.get(name) || params.get(name) === row.dataset[name]));
    const limits = limitsOf(board);
    const fits = grouped(board, found.filter(item => limits.every(limit => isWithin(item, limit))), params.get("by") || "");
    answerBudget(board, found, fits, limits);
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
    button.addEventListener("click", () => {
      board.whole = true;
      remember("all", [...new Set([...listed("all"), board.section.id])].join(" "));
      draw(board, board.fits);
    });
    board.table.parentElement.after(button);
  }
  board.fits = fits;
  button.hidden = visible === fits.length;
  button.textContent = "Show all " + fits.length + " rows";
}

/** Add a checkbox to every model, and link the selection to the compare page. The address keeps the ticks. */
function setUpChoosing(tools, boards) {
  const button = tools.querySelector("#compare-chosen");
  const boxes = [];
  const chosen = () => boxes.filter(box => box.checked).map(box => box.value);
  const picked = new Set(listed("pick"));
  for (const {rows} of boards) for (const {row} of rows) {
    const head = row.querySelector("th");
    const box = element("input", null, {type: "checkbox", class: "choose", value: row.id, "aria-label": "Compare " + labelOf(row)});
    box.checked = picked.has(row.id);
    head.prepend(box);
    boxes.push(box);
    box.addEventListener("change", () => {
      button.disabled = chosen().length < 2;
      remember("pick", chosen().join(" "));
    });
  }
  button.disabled = chosen().length < 2;
  button.addEventListener("click", () => {
    const query = new URLSearchParams([["task", tools.dataset.slug], ...chosen().map(key => ["row", key])]);
    location.href = document.body.dataset.root + "compare.html?" + query;
  });
}
