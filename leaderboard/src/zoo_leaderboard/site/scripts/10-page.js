"use strict";
// Sorting, filtering, budgets, baselines, comparison and copying. Tables are complete without it. It loads only files of
// this site. The build joins the files of this folder into one script, in the order of their names.

const FIRST_ROWS = 100; // rows of a table shown at first: layout of thousands of rows makes clicks slow
const params = new URLSearchParams(location.search);

/** Write the state into the address, so that the view can be shared. */
function remember(name, value) {
  if (value) params.set(name, value); else params.delete(name);
  const query = params.toString();
  history.replaceState(null, "", (query ? "?" + query : location.pathname) + location.hash);
}

/** The words of a parameter of the address that is a list. */
function listed(name) {
  return (params.get(name) || "").split(" ").filter(Boolean);
}

function element(tag, text, attributes) {
  const made = document.createElement(tag);
  if (text !== undefined && text !== null) made.textContent = text;
  for (const [name, value] of Object.entries(attributes || {})) made.setAttribute(name, value);
  return made;
}

/** Show a short message for a few seconds; screen readers read it. */
function say(words) {
  let place = document.getElementById("said");
  if (!place) {
    place = element("p", null, {id: "said", class: "said", role: "status"});
    document.body.append(place);
  }
  place.textContent = words;
  clearTimeout(say.timer);
  say.timer = setTimeout(() => { place.textContent = ""; }, 3000);
}

/** Copy a text and say so. */
async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    say("Copied");
    return;
  } catch { /* no permission, or an address without https: the older way works there */ }
  const field = element("textarea", null, {readonly: "", class: "offscreen", "aria-label": "Text to copy"});
  const focused = document.activeElement;
  field.value = text;
  document.body.append(field);
  field.select();
  const done = document.execCommand("copy");
  field.remove();
  if (focused) focused.focus();
  say(done ? "Copied" : "This browser does not allow copying");
}

function copyButton(label, name, text) {
  const button = element("button", label, {type: "button", class: "copy", "aria-label": name});
  button.addEventListener("click", () => copy(text()));
  return button;
}

/** Add a button to each command. */
function setUpCommands() {
  for (const place of document.querySelectorAll("[data-copy]")) {
    const text = place.querySelector("code").textContent.trim();
    const button = copyButton("Copy", "Copy command", () => text);
    if (place.tagName === "PRE") place.prepend(button); else place.append(button);
  }
}
