// The list (table or mosaic) and the page of one scan. Text of the data is only ever set as text.
const $ = (id) => document.getElementById(id);
const PER_PAGE = { "": 50, mosaic: 60 };
const BLOCKS = ["native", "masked", "volume"];

function make(tag, attributes = {}, ...children) {
  const space = ["svg", "polygon", "polyline", "line", "text", "title"].includes(tag) && "http://www.w3.org/2000/svg";
  const node = space ? document.createElementNS(space, tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

const number = (value) => (value === null ? "n/a" : String(value));
const zText = (z) => (z === null ? "n/a" : z.toFixed(1));
const fileOf = (row, ending) =>
  ["pictures", subjects[row], subjects[row] + "_" + sessions[row] + ending].map(encodeURIComponent).join("/");

function thumbnail(row) {
  const blank = () => make("span", { class: "blank" }, "no picture");
  if (!data.blocks[row]) return blank();
  const picture = make("img", {
    class: "thumb", src: fileOf(row, "_thumb.webp"), loading: "lazy", width: 216, height: 72,
    alt: "scan with brain mask, result with template",
  });
  picture.addEventListener("error", () => picture.replaceWith(blank()));
  return picture;
}

function verdictText(row) {
  return make("span", { class: data.qc[row] || "" }, verdict(row) === "none" ? "lost before" : verdict(row), data.lost[row] && data.qc[row] ? ", left out" : "");
}

const columnsShown = () =>
  view.columns ? view.columns.split(",").map((name) => metrics.findIndex((each) => each.name === name)).filter((place) => place >= 0)
    : metrics.map((_, place) => place).filter((place) => metrics[place].shown);

let order = []; // the rows of the list, in its order

function drawList() {
  order = chosen();
  const size = PER_PAGE[view.view] || 50, last = Math.max(1, Math.ceil(order.length / size));
  const page = Math.min(Math.max(1, Math.round(Number(view.page)) || 1), last);
  const rows = order.slice((page - 1) * size, page * size);
  $("shown").replaceChildren(view.view === "mosaic" ? mosaic(rows) : table(rows));
  $("page").value = page;
  $("page").max = last;
  $("last").textContent = last;
  $("before").disabled = page <= 1;
  $("after").disabled = page >= last;
  view.page = String(page);
  return order.length;
}

function head(column, text, numeric) {
  const [current, way] = view.order.split(":");
  const mine = current === column || (column === "name" && !view.order);
  const now = mine ? (way === "down" || way === "worst" ? "descending" : "ascending") : null;
  const arrow = now ? (now === "ascending" ? " ▲" : " ▼") : "";
  const turn = () => go({ order: column + (mine && way !== "down" ? ":down" : ":up"), page: "1" }, text + ", " + (mine && way !== "down" ? "descending" : "ascending"));
  return make("th", { scope: "col", class: numeric ? "number" : "", "aria-sort": now },
    make("button", { type: "button", "data-column": column, onclick: turn }, text, make("span", { "aria-hidden": "true" }, arrow)));
}

function table(rows) {
  const places = columnsShown(), z = view.numbers === "z";
  const heads = [head("name", "Scan"), make("th", { scope: "col" }, "Picture"), head("qc", "Verdict"), head("rating", "Rating"), head("why", "Reason"),
    ...places.map((place) => head(metrics[place].name, metrics[place].name, true))];
  const body = rows.map((row) => make("tr", {},
    make("th", { scope: "row", class: "name" }, make("a", { href: addressOf({ scan: key(row) }) }, subjects[row], document.createElement("wbr"), " " + sessions[row])),
    make("td", {}, thumbnail(row)),
    make("td", {}, verdictText(row)),
    make("td", {}, ratingOf(key(row)).rating),
    make("td", { class: "reason" }, data.why[row], data.why[row] && data.undrawn[row] ? "; " : "", data.undrawn[row] ? "no picture: " + data.undrawn[row] : ""),
    ...places.map((place) => {
      const flag = flagOf(place, row), value = z ? zText(zOf(place, row)) : number(data.values[place][row]);
      return make("td", { class: "number " + flag, title: metrics[place].meaning + "; z " + zText(zOf(place, row)) }, value, flag && make("span", { class: "hidden" }, " " + flag));
    })));
  if (!rows.length) body.push(make("tr", {}, make("td", { colspan: heads.length }, everyone.length ? "No scan is like that." : "There is no scan.")));
  return make("div", { class: "wide", tabindex: "0", role: "region", "aria-label": "Table of scans" },
    make("table", {}, make("caption", { class: "hidden" }, "Scans with their verdict, rating and metrics"), make("thead", {}, make("tr", {}, ...heads)), make("tbody", {}, ...body)));
}

function mosaic(rows) {
  const place = metrics.findIndex((each) => each.name === view.order.split(":")[0]);
  const items = rows.map((row) => make("li", {}, make("a", { href: addressOf({ scan: key(row) }) },
    thumbnail(row), title(row), make("br"), verdictText(row), " ", ratingOf(key(row)).rating,
    place >= 0 ? make("span", { class: flagOf(place, row) }, " " + metrics[place].name + " " + number(data.values[place][row])) : null)));
  return items.length ? make("ul", { id: "mosaic" }, ...items) : make("p", {}, "No scan is like that.");
}

// One block of the sheet (they lie one below the other), or a picture of its own.
function layer(source, place, count, className) {
  const picture = make("img", { src: source, alt: "", class: className, style: count > 1 || place ? "top: " + -100 * place + "%" : null });
  picture.addEventListener("error", () => picture.replaceWith(make("span", { class: "blank" }, "picture missing")));
  return picture;
}

function drawScan(row) {
  const found = ratingOf(key(row)), place = order.indexOf(row);
  const section = $("one");
  const beside = (step) => order[place + step];
  const walk = (step, text) => make("button", { type: "button", id: step < 0 ? "previous" : "next", disabled: place < 0 || beside(step) === undefined, onclick: () => visit(beside(step)) }, text);
  const radios = [...RATINGS, ""].map((rating) => make("label", {}, make("input", { type: "radio", name: "rating", value: rating, checked: found.rating === rating, onchange: () => setRating(row, rating) }), " " + (rating || "not rated")));
  section.replaceChildren(
    make("div", { class: "walk" },
      make("a", { href: addressOf({ scan: "" }), id: "back" }, "Back to the list"),
      make("span", {}, place < 0 ? "not in the list as it is filtered" : `${place + 1} of ${order.length}`),
      make("span", { class: "files" }, walk(-1, "Previous"), walk(1, "Next"))),
    make("h2", { id: "name", tabindex: "-1" }, title(row)),
    make("p", {}, verdictText(row), data.why[row] ? ": " + data.why[row] : ""),
    make("div", { class: "rate " + found.rating, id: "rate" },
      make("fieldset", {}, make("legend", { class: "hidden" }, "Rating"), ...radios),
      make("label", { class: "why" }, "Reason", make("input", { id: "reason", value: found.reason, list: "reasons", maxlength: 300, placeholder: UNSAID, onchange: () => setReason(row) })),
      make("datalist", { id: "reasons" }, ...["motion", "brain mask", "registration", "not T1-weighted", "artefact", "lesion"].map((value) => make("option", { value })))),
    make("div", { class: "views" }, ...pictures(row), histogram(row)),
    make("p", { class: "notes" }, "Rows: axial, coronal and sagittal slices, from below, behind and left. The subject's right is on the right."),
    make("h3", { id: "numbers-of" }, "Metrics"),
    metricTable(row));
}

function pictures(row) {
  const has = BLOCKS.map((_, bit) => Boolean(data.blocks[row] & (1 << bit)));
  const count = has.filter(Boolean).length, at = (bit) => has.slice(0, bit).filter(Boolean).length;
  const sheet = fileOf(row, ".webp"), made = [];
  if (has[0]) {
    const image = layer(sheet, has[1] ? 1 : 0, count), tick = make("input", { type: "checkbox", id: "mask", checked: true });
    tick.addEventListener("change", () => { image.style.top = -100 * (tick.checked ? 1 : 0) + "%"; });
    made.push(make("figure", { "aria-label": "The scan as it came" }, make("figcaption", {}, "The scan as it came"),
      make("div", { class: "block", role: "img", "aria-label": "Axial, coronal and sagittal slices of the scan" + (has[1] ? ", its brain mask outlined in red" : "; it has no brain mask") }, image),
      has[1] ? make("div", { class: "tools" }, make("label", {}, tick, "Brain mask")) : null));
  }
  if (has[2]) {
    const image = layer(sheet, at(2), count), other = layer("pictures/template.webp", 0, 1), line = layer("pictures/contour.webp", 0, 1);
    const slider = make("input", { type: "range", id: "blend", min: 0, max: 100, value: 0 }), tick = make("input", { type: "checkbox", id: "contour", checked: true });
    const mix = () => { other.style.opacity = slider.value / 100; slider.setAttribute("aria-valuetext", slider.value + " % template"); };
    slider.addEventListener("input", mix);
    tick.addEventListener("change", () => line.classList.toggle("off", !tick.checked));
    mix();
    made.push(make("figure", { "aria-label": "The result and the template" }, make("figcaption", {}, "The result and the template"),
      make("div", { class: "block", role: "img", "aria-label": "The same slices of the result on the template's grid, the template's brain outlined in red" }, image, other, line),
      make("div", { class: "tools" }, make("label", {}, "Scan", slider, "Template"), make("label", {}, tick, "Template's outline"))));
  }
  if (!made.length) made.push(make("p", { class: "blank" }, "No picture could be drawn" + (data.undrawn[row] ? ": " + data.undrawn[row] : ".")));
  return made;
}

function histogram(row) {
  const own = Array.from(atob(data.histograms[row] || ""), (letter) => letter.charCodeAt(0) / data.steps);
  if (!own.length || !data.usual.length) return null;
  const [low, median, high] = data.usual, bins = own.length, width = 480, height = 260, foot = 24;
  const top = Math.max(...high, ...own) * 1.05;
  const point = (density, bin) => `${(((bin + 0.5) / bins) * width).toFixed(1)},${((height - foot) * (1 - density / top)).toFixed(1)}`;
  const mean = own.reduce((sum, density, bin) => sum + (density * (bin + 0.5)) / bins, 0) / own.reduce((sum, density) => sum + density, 0);
  const outside = own.filter((density, bin) => density < low[bin] - 0.05 || density > high[bin] + 0.05).length;
  const text = `Intensities of the brain: mean ${mean.toFixed(2)}; ${outside} of ${bins} bins outside the middle 90 % of the cohort.`;
  return make("figure", { "aria-label": "Intensities of the brain" }, make("figcaption", {}, "Intensities of the brain"),
    make("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": text },
      make("polygon", { class: "band", points: [...high.map(point), ...low.map(point).reverse()].join(" ") }),
      make("polyline", { class: "median", points: median.map(point).join(" ") }),
      make("polyline", { class: "own", points: own.map(point).join(" ") }),
      make("line", { class: "axis", x1: 0, x2: width, y1: height - foot, y2: height - foot }),
      make("text", { x: 2, y: height - 7 }, "0"), make("text", { x: width - 10, y: height - 7 }, "1")),
    make("p", { class: "notes" }, text + " Line: this scan; dashes and band: median and middle 90 % of all."));
}

function metricTable(row) {
  const limits = ([failLow, warnLow, warnHigh, failHigh]) => {
    const outside = (word, low, high) => {
      const sides = [low !== null && "below " + low, high !== null && "above " + high].filter(Boolean);
      return sides.length ? word + " " + sides.join(" and ") : null;
    };
    return [outside("warns", warnLow, warnHigh), outside("fails", failLow, failHigh)].filter(Boolean).join("; ") || "none";
  };
  const body = metrics.map((metric, place) => {
    const flag = flagOf(place, row), z = zOf(place, row), far = z !== null && Math.abs(z) > data.outlier;
    return make("tr", {}, make("th", { scope: "row" }, metric.name),
      make("td", { class: "number " + flag }, number(data.values[place][row]), flag && ", " + flag),
      make("td", { class: "number " + (far ? "warn" : "") }, zText(z), far ? ", far" : ""),
      make("td", { class: "number" }, number(metric.median)), make("td", {}, limits(metric.limits)), make("td", {}, metric.meaning));
  });
  const heads = ["Metric", "This scan", "Robust z", "Cohort's median", "Limits", "Meaning"].map((text, place) => make("th", { scope: "col", class: place > 0 && place < 4 ? "number" : "" }, text));
  return make("div", { class: "wide", tabindex: "0", role: "region", "aria-labelledby": "numbers-of" }, make("table", { "aria-labelledby": "numbers-of" }, make("thead", {}, make("tr", {}, ...heads)), make("tbody", {}, ...body)));
}
