setUpCommands();
const tools = document.getElementById("tools");
if (tools) setUpBoard(tools);
const find = document.getElementById("find");
if (find) setUpFind(find);
for (const table of document.querySelectorAll("table[data-take]")) addTaking(table);
const compare = document.getElementById("compare");
if (compare) setUpCompare(compare);
const figures = document.querySelectorAll("figure[data-plot]");
if (figures.length) setUpPlots(figures);
const mistakes = document.getElementById("mistakes");
if (mistakes) setUpMistakes(mistakes).catch(error => say(error.message));
if (/^#[cg]-/.test(location.hash)) { // the command of a row, or a table of times, in a closed part of the page
  const row = document.getElementById(location.hash.slice(1));
  const closed = row && row.closest("details");
  if (closed) { closed.open = true; row.scrollIntoView(); }
}
