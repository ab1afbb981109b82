// A part marked data-live is read anew now and then with the address as it is, so that filters stay; not while somebody works in it.
import { showTimes } from "./times.js";

const EVERY_MS = 20_000;

const isInUse = (part) =>
  document.hidden || document.querySelector("dialog[open], [popover]:popover-open") || part.contains(document.activeElement) ||
  String(getSelection()).length > 0;

const refresh = async () => {
  const parts = [...document.querySelectorAll("[data-live]")].filter((one) => !isInUse(one));
  if (!parts.length) return;
  const answer = await fetch(location.href, { headers: { Accept: "text/html" }, credentials: "same-origin" });
  if (!answer.ok || answer.redirected) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const part of parts) {
    const fresh = page.getElementById(part.id);
    if (!fresh || isInUse(part)) continue;
    for (const [at, fold] of part.querySelectorAll("details").entries()) fresh.querySelectorAll("details")[at]?.toggleAttribute("open", fold.open);
    part.replaceWith(document.importNode(fresh, true));
  }
  showTimes();
};

if (document.querySelector("[data-live]")) setInterval(() => refresh().catch(() => {}), EVERY_MS);
