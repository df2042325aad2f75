// What happens when somebody does something.
function say(text) {
  $("said").textContent = text;
}

function summary() {
  const count = (test) => everyone.filter(test).length;
  const excluded = allRatings().filter(([, found]) => found.rating === "exclude").length;
  const rated = count((row) => ratingOf(key(row)).rating);
  $("summary").textContent = `${everyone.length} scans: ` + ["pass", "warn", "fail"].map((flag) => count((row) => data.qc[row] === flag) + " " + flag).join(", ") +
    `, ${count((row) => !data.qc[row])} lost before; ${rated} rated, ${excluded} excluded by reviewers`;
  if (!keeps) {
    $("kept").className = "notes alarm";
    $("kept").textContent = "This browser keeps nothing of this page: download your ratings before you leave it.";
  }
}

// Change what is shown. A scan or the list is a new entry of the browser's history, a filter is not.
function go(changes, text) {
  const address = addressOf(changes);
  if ("scan" in changes) {
    history.pushState(null, "", address); // at once: the next key is meant for the next scan
    show();
  } else {
    history.replaceState(null, "", address);
    view = readAddress();
    const shown = drawList();
    say((text ? text + ". " : "") + `${shown} scans, page ${view.page} of ${$("last").textContent}.`);
  }
}

const current = () => (view.scan ? rowOf.get(view.scan) : undefined);

function visit(row) {
  if (row !== undefined) go({ scan: key(row) });
}

function show(first) {
  const left = view.scan;
  view = readAddress();
  fillForm();
  drawList();
  const row = current(), one = row !== undefined;
  $("list").hidden = one;
  $("one").hidden = !one;
  if (one) {
    drawScan(row);
    $("name").focus();
    document.title = title(row) + ", quality control";
  } else {
    document.title = `Quality control of ${everyone.length} scans`;
    if (view.scan) say("That scan is not here: " + view.scan.replace("\t", " ") + ".");
    if (!first) backTo(left);
  }
  summary();
}

// The list at the scan that was looked at, which may lie on another page than the one it began with.
function backTo(scan) {
  const place = scan ? order.indexOf(rowOf.get(scan)) : -1, size = PER_PAGE[view.view] || 50;
  if (place >= 0) {
    history.replaceState(null, "", addressOf({ page: String(1 + Math.floor(place / size)) }));
    view = readAddress();
    drawList();
  }
  const link = place >= 0 && $("shown").querySelectorAll("a")[place % size];
  if (link) link.focus();
  else $("main").focus({ preventScroll: true });
}

function setRating(row, rating) {
  rate(key(row), rating, $("reason").value.trim());
  $("rate").className = "rate " + rating;
  for (const radio of document.querySelectorAll('input[name="rating"]')) radio.checked = radio.value === rating;
  if (!rating) $("reason").value = "";
  summary();
  say(title(row) + ": " + (rating || "not rated"));
}

function setReason(row) {
  const found = ratingOf(key(row)), reason = $("reason").value.trim();
  if (found.rating) rate(key(row), found.rating, reason);
  else if (reason) setRating(row, "exclude");
}

function download(name, text) {
  const url = URL.createObjectURL(new Blob([text], { type: "text/tab-separated-values" }));
  const link = make("a", { href: url, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 10000);
  say(name + " is written to your downloads.");
}

const FIELDS = ["q", "flag", "rated", "metric", "low", "high", "order", "numbers", "view"];

function fillForm() {
  for (const name of FIELDS) {
    const field = $(name);
    if (name === "order" && ![...field.options].some((option) => option.value === view.order)) {
      field.append(make("option", { value: view.order }, view.order.replace(":", ", ")));
    }
    field.value = view[name];
  }
  for (const box of $("columns").querySelectorAll("input")) box.checked = columnsShown().includes(Number(box.value));
}

function prepare() {
  $("metric").append(make("option", { value: "" }, "any"), ...metrics.map((metric) => make("option", { value: metric.name }, metric.name)));
  $("order").append(make("option", { value: "" }, "subject"), make("option", { value: "qc:up" }, "verdict, worst first"), make("option", { value: "rating:up" }, "rating"),
    ...metrics.map((metric) => make("option", { value: metric.name + ":worst" }, "worst " + metric.name)));
  $("columns").querySelector("div").append(...metrics.map((metric, place) => make("label", { title: metric.meaning }, make("input", { type: "checkbox", value: place }), " " + metric.name)));
  $("columns").addEventListener("change", () => {
    const names = [...$("columns").querySelectorAll("input:checked")].map((box) => metrics[Number(box.value)].name);
    go({ columns: names.join(",") || "none" });
  });
  const typing = {};
  $("filters").addEventListener("input", (event) => {
    const field = event.target, change = () => go({ [field.id]: field.value, page: "1" });
    clearTimeout(typing[field.id]);
    if (field.tagName === "SELECT") change();
    else typing[field.id] = setTimeout(change, 200);
  });
  $("filters").addEventListener("submit", (event) => event.preventDefault());
  $("filters").addEventListener("reset", (event) => {
    event.preventDefault();
    go({ ...Object.fromEntries(FIELDS.map((name) => [name, ""])), page: "1" }, "All scans");
    fillForm();
  });
  $("before").addEventListener("click", () => turnPage(-1));
  $("after").addEventListener("click", () => turnPage(1));
  $("page").addEventListener("change", () => go({ page: $("page").value }));
  $("save-exclude").addEventListener("click", () => download("qc_exclude.tsv", excludedTable()));
  $("save-ratings").addEventListener("click", () => download("qc_ratings.tsv", ratingsTable()));
  $("load").addEventListener("change", async () => {
    const file = $("load").files[0];
    if (!file) return;
    const found = readRatings(await file.text());
    $("load").value = "";
    show();
    say(!found ? file.name + " is no table of ratings: it needs participant_id, session_id and rating or reason, with tabs between."
      : `${found.read} ratings read` + (found.strangers ? `, ${found.strangers} of scans that are not here.` : "."));
  });
  window.addEventListener("hashchange", () => show());
  window.addEventListener("beforeunload", (event) => { if (!keeps && said.size) event.preventDefault(); });
  document.addEventListener("keydown", onKey);
}

function turnPage(step) {
  const page = Number(view.page) + step;
  if (page >= 1 && page <= Number($("last").textContent)) go({ page: String(page) });
}

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || !$("keys").checked) return;
  const field = event.target, row = current();
  if (event.key === "Escape" && row !== undefined) return go({ scan: "" });
  if (field.id === "reason") {
    if (event.key === "Enter") {
      setReason(row);
      visit(order[order.indexOf(row) + 1]);
    }
    return;
  }
  const plain = field.matches("input[type=radio], input[type=checkbox]");
  if (field.matches("input, select, textarea") && !(plain && event.key.length === 1 && event.key !== " ")) return;
  const scroller = field.closest(".wide") && event.key.startsWith("Arrow"); // moves the table
  const step = scroller ? 0 : { n: 1, ArrowRight: 1, p: -1, ArrowLeft: -1 }[event.key] || 0;
  if (event.key === "d") return $("save-exclude").click();
  if (row === undefined) {
    if (step) turnPage(step);
    return;
  }
  if (step) return visit(order[order.indexOf(row) + step]);
  const tick = { m: "mask", t: "contour" }[event.key];
  if (tick && $(tick)) return $(tick).click();
  const rating = { k: "keep", u: "unsure", x: "exclude", c: "" }[event.key];
  if (rating === undefined) return;
  event.preventDefault();
  setRating(row, rating);
  if (rating === "exclude") $("reason").focus();
  else if (rating && $("onwards").checked) visit(order[order.indexOf(row) + 1]);
}

prepare();
show(true);
