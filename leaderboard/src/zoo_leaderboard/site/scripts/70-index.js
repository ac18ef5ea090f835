// --- the index ---------------------------------------------------------------------------------------------------------

function setUpFind(tools) {
  const rows = [...document.querySelectorAll("table.winners tbody tr")];
  const fields = [...tools.querySelectorAll("[data-find]")];
  const models = [...document.querySelectorAll("#all-models li")];
  const texts = new Map([...rows, ...models].map(item => [item, item.textContent.toLowerCase()]));
  tools.hidden = false;
  const showFound = () => {
    const words = (params.get("q") || "").toLowerCase().split(/\s+/).filter(Boolean);
    for (const row of rows) {
      row.hidden = !words.every(word => texts.get(row).includes(word))
        || fields.some(field => field.dataset.find !== "q" && params.get(field.dataset.find) && params.get(field.dataset.find) !== row.dataset[field.dataset.find]);
    }
    for (const item of models) item.hidden = !words.every(word => texts.get(item).includes(word));
    const shown = rows.filter(row => !row.hidden).length, found = models.filter(item => !item.hidden).length;
    if (words.length && found) document.getElementById("all-models").open = true;
    document.getElementById("found").replaceChildren(...(shown < rows.length || words.length ? [shown + " of " + rows.length + " lines"] : []));
    if (words.length && found) document.getElementById("found").append(", ", element("a", found + (found === 1 ? " model" : " models"), {href: "#models"}));
  };
  for (const field of fields) {
    const name = field.dataset.find;
    field.value = params.get(name) || "";
    if (field.value !== (params.get(name) || "")) { field.value = ""; remember(name, ""); }
    field.addEventListener("input", () => { remember(name, field.value); showFound(); });
  }
  showFound();
}
