// Forms: sent once, typed text not lost by leaving, files dropped, text copied.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.dataset.sent) {
    event.preventDefault();
    return;
  }
  if (form.method !== "post" || form.hasAttribute("data-download")) return;
  form.dataset.sent = "yes";
  form.setAttribute("aria-busy", "true");
});

const isChanged = (form) =>
  !form.dataset.sent && [...form.elements].some((one) =>
    one.tagName === "SELECT"
      ? [...one.options].some((option) => option.selected !== option.defaultSelected) && [...one.options].some((option) => option.defaultSelected)
      : ["checkbox", "radio"].includes(one.type) ? one.checked !== one.defaultChecked : "defaultValue" in one && one.value !== one.defaultValue);

window.addEventListener("beforeunload", (event) => {
  if ([...document.querySelectorAll("form[data-keep]")].some(isChanged)) event.preventDefault();
});
window.addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-sent]")) {
    delete form.dataset.sent;
    form.removeAttribute("aria-busy");
  }
});

for (const place of document.querySelectorAll(".drop")) {
  const input = place.querySelector("input[type=file]");
  const on = (names, is) => names.forEach((name) => place.addEventListener(name, (event) => {
    event.preventDefault();
    place.classList.toggle("over", is);
  }));
  on(["dragenter", "dragover"], true);
  on(["dragleave", "drop"], false);
  place.addEventListener("drop", (event) => {
    if (!event.dataTransfer.files.length) return;
    const one = new DataTransfer();
    one.items.add(event.dataTransfer.files[0]);
    input.files = one.files;
  });
}

document.addEventListener("change", (event) => {
  if (event.target.matches("[data-submits]")) event.target.form.requestSubmit();
});

for (const button of document.querySelectorAll("button[data-copies]")) {
  button.hidden = false;
  button.addEventListener("click", async () => {
    const from = document.getElementById(button.dataset.copies);
    await navigator.clipboard.writeText(from.textContent);
    button.textContent = "Copied";
  });
}
