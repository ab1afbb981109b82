// Where the picture is wider than the screen, it is shown from the moment it broke.
for (const box of document.querySelectorAll(".graph-box")) {
  const line = box.querySelector(".mark.broke line");
  if (line) box.scrollLeft += line.getBoundingClientRect().left - box.getBoundingClientRect().left - box.clientWidth / 3;
}
