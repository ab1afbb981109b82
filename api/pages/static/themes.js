// The theme buttons work as forms; here they change the page at once and leave the same cookie.
document.addEventListener("submit", (event) => {
  const form = event.target.closest("form.themes");
  if (!form) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  const theme = event.submitter.value;
  const secure = location.protocol === "https:" ? "; Secure" : "";
  document.cookie = `etlmon_theme=${theme}; Path=/; Max-Age=31536000; SameSite=Lax${secure}`;
  document.documentElement.dataset.theme = theme;
  for (const button of document.querySelectorAll("form.themes button")) {
    button.setAttribute("aria-pressed", String(button.value === theme));
  }
}, true);
