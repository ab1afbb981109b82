// Instants in the reader's zone; "3 min ago" stays true while the page is open. The exact UTC instant is in the title, put there by the server.
const UNITS = [[86400, "d"], [3600, "h"], [60, "min"]];

const inWords = (seconds) => {
  const size = Math.abs(seconds);
  if (size < 45) return seconds < 0 ? "in a moment" : "just now";
  const [length, unit] = UNITS.find(([one]) => size >= one) ?? [60, "min"];
  const text = `${Math.max(1, Math.floor(size / length))} ${unit}`;
  return seconds < 0 ? `in ${text}` : `${text} ago`;
};

const show = () => {
  for (const one of document.querySelectorAll("time[data-relative]")) {
    one.textContent = inWords((Date.now() - Date.parse(one.dateTime)) / 1000);
  }
};

const two = (number) => String(number).padStart(2, "0");

const showLocal = (root) => {
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  for (const one of root.querySelectorAll("[data-local]")) {
    const at = new Date(one.dateTime ?? one.dataset.local);
    const day = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
    const time = `${two(at.getHours())}:${two(at.getMinutes())}`;
    const isToday = at.toDateString() === new Date().toDateString();
    if (one.dataset.form === "short") one.textContent = isToday ? time : `${day} ${time}`;
    else one.textContent = one.dataset.form === "minute" ? time : one.dataset.form === "day" ? `${day.slice(5)} ${time}` : `${day} ${time}:${two(at.getSeconds())}`;
  }
  for (const one of root.querySelectorAll("[data-zone]")) one.textContent = zone;
};

export const showTimes = (root = document) => {
  showLocal(root);
  show();
};

showTimes();
setInterval(show, 30_000);
document.addEventListener("visibilitychange", () => document.hidden || show());
