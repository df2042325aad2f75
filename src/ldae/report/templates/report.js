// Long tables can be filtered and sorted. Without this script the page is whole; a public report does without it.
for (const table of document.querySelectorAll("table.long")) {
  const body = table.tBodies[0], rows = [...body.rows];
  const words = document.createElement("label"), field = document.createElement("input");
  words.className = "filter";
  words.append("Rows that contain", field);
  field.type = "search";
  table.closest("details").querySelector("summary").after(words);
  field.addEventListener("input", () => {
    const wanted = field.value.toLowerCase().split(/\s+/);
    for (const row of rows) {
      const text = [...row.cells].map(cell => cell.textContent.toLowerCase()).join(" ");
      row.hidden = !wanted.every(word => text.includes(word));
    }
  });
  [...table.tHead.rows[0].cells].forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const turned = head.getAttribute("aria-sort") === "ascending";
      for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", turned ? "descending" : "ascending");
      const text = row => row.cells[column].textContent.trim().replace("−", "-").replaceAll(",", "");
      const number = row => { const found = parseFloat(text(row)); return isNaN(found) ? Infinity : found; };
      const numeric = rows.every(row => /^(-?[\d.]|n\/a|$)/.test(text(row)));
      rows.sort((a, b) => (numeric ? number(a) - number(b) : text(a).localeCompare(text(b))) * (turned ? -1 : 1));
      body.append(...rows);
    });
  });
}
