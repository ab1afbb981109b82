// Single keys, never while typing: / search, ? help, g then a letter to go. Off when the reader switched them off.
import { openDialog } from "./dialogs.js";

let isGoing = false;

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  if (event.target.matches("input, textarea, select") || document.documentElement.dataset.keys === "off") return;
  if (isGoing) {
    isGoing = false;
    document.querySelector(`.side a[data-key="${CSS.escape(event.key)}"]`)?.click();
    return;
  }
  if (event.key === "/") {
    const search = document.getElementById("search");
    if (!search) return;
    event.preventDefault();
    search.focus();
    search.select();
  } else if (event.key === "?") {
    const help = document.querySelector("a[data-help]");
    if (help) openDialog(help.href, document.activeElement).catch(() => location.assign(help.href));
  } else if (event.key === "g") {
    isGoing = true;
    setTimeout(() => { isGoing = false; }, 1500);
  }
});
