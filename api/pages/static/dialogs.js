// A link with data-dialog leads to a page that asks; here that question opens in a dialog over the page instead.
let opener = null;

const close = (dialog) => {
  dialog.close();
  dialog.remove();
  opener?.focus();
};

// The page below may have fields of the same names: what is in the dialog refers to what is in the dialog.
const withOwnNames = (question) => {
  for (const one of question.querySelectorAll("[id]")) one.id = `in-dialog-${one.id}`;
  for (const name of ["for", "aria-describedby", "aria-labelledby"]) {
    for (const one of question.querySelectorAll(`[${name}]`)) {
      one.setAttribute(name, one.getAttribute(name).trim().split(/\s+/).map((id) => `in-dialog-${id}`).join(" "));
    }
  }
  return question;
};

export const openDialog = async (url, from) => {
  opener = from ?? document.activeElement;
  const answer = await fetch(url, { headers: { Accept: "text/html" }, credentials: "same-origin" });
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const question = page.querySelector("[data-question]");
  if (!answer.ok || answer.redirected || !question) {
    location.assign(url);
    return;
  }
  const dialog = document.createElement("dialog");
  dialog.append(withOwnNames(document.importNode(question, true)));
  const heading = dialog.querySelector("h1, h2");
  if (heading) {
    heading.id = "dialog-heading";
    dialog.setAttribute("aria-labelledby", heading.id);
  }
  document.body.append(dialog);
  dialog.addEventListener("close", () => dialog.isConnected && close(dialog));
  dialog.addEventListener("click", (event) => {
    const isCancel = event.target.closest("[data-cancel]");
    if (isCancel) event.preventDefault();
    if (isCancel || event.target === dialog) close(dialog);
  });
  dialog.showModal();
  (dialog.querySelector("[autofocus], input:not([type=hidden]), select, textarea, [data-cancel]") ?? dialog).focus();
};

document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-dialog]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
  event.preventDefault();
  openDialog(link.href, link).catch(() => location.assign(link.href));
});
