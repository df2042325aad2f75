"use strict";
// What is known of the scans, what a person has said of them, and where that is kept.
const data = JSON.parse(document.getElementById("data").textContent);
const [subjects, sessions] = data.keys;
const everyone = subjects.map((_, place) => place);
const metrics = data.metrics;
const RATINGS = ["keep", "unsure", "exclude"];
const UNSAID = "excluded at visual inspection";
const STORE = "ldae-qc " + location.pathname; // of this page alone
const key = (row) => subjects[row] + "\t" + sessions[row]; // of a rating
const title = (row) => subjects[row] + " " + sessions[row];
const rowOf = new Map(everyone.map((row) => [key(row), row]));
const verdict = (row) => data.qc[row] || "none";

// key of a scan -> {rating, reason}; what the workflow has excluded already counts as said
const given = new Map(data.excluded.map(([subject, session, reason]) => [subject + "\t" + session, { rating: "exclude", reason }]));
let said = new Map();
let keeps = true; // whether the browser does
try {
  said = new Map(Object.entries(JSON.parse(localStorage.getItem(STORE) || "{}")));
  localStorage.setItem(STORE, JSON.stringify(Object.fromEntries(said)));
} catch {
  keeps = false;
}

function ratingOf(name) {
  return said.get(name) || given.get(name) || { rating: "", reason: "" };
}

function rate(name, rating, reason) {
  said.set(name, { rating, reason: rating ? reason : "" });
  keep();
}

function keep() {
  try {
    localStorage.setItem(STORE, JSON.stringify(Object.fromEntries(said)));
    keeps = true;
  } catch {
    keeps = false;
  }
}

function allRatings() {
  const names = new Set([...given.keys(), ...said.keys()]);
  return [...names].sort().map((name) => [name, ratingOf(name)]).filter(([, found]) => found.rating);
}

// One line of a table: no tab, no line break; a quote at its beginning would open a quoted cell.
const cell = (text) => {
  const plain = String(text).replace(/\s+/g, " ").trim();
  return plain.includes('"') ? '"' + plain.replaceAll('"', '""') + '"' : plain;
};

function tableOf(columns, rows) {
  return [columns, ...rows].map((row) => row.map(cell).join("\t")).join("\n") + "\n";
}

function excludedTable() {
  const rows = allRatings().filter(([, found]) => found.rating === "exclude");
  return tableOf(["participant_id", "session_id", "reason"], rows.map(([name, found]) => [...name.split("\t"), found.reason || UNSAID]));
}

function ratingsTable() {
  const rows = allRatings().map(([name, found]) => [...name.split("\t"), found.rating, found.reason || "n/a"]);
  return tableOf(["participant_id", "session_id", "rating", "reason"], rows);
}

function readRatings(text) {
  const split = (line) => line.split("\t").map((part) => {
    const quoted = /^"(.*)"$/.exec(part.trim());
    return quoted ? quoted[1].replaceAll('""', '"') : part.trim();
  });
  const lines = text.replace(/^\ufeff/, "").split(/\r?\n/).filter((line) => line.trim());
  const head = split(lines[0] || "");
  const place = (column) => head.indexOf(column);
  if (place("participant_id") < 0 || place("session_id") < 0 || (place("rating") < 0 && place("reason") < 0)) {
    return null;
  }
  const found = { read: 0, strangers: 0 };
  for (const line of lines.slice(1)) {
    const row = split(line);
    const name = row[place("participant_id")] + "\t" + row[place("session_id")];
    const rating = place("rating") < 0 ? "exclude" : row[place("rating")];
    const reason = place("reason") < 0 || row[place("reason")] === "n/a" ? "" : row[place("reason")] || "";
    if (!RATINGS.includes(rating)) continue;
    said.set(name, { rating, reason });
    found.read += 1;
    found.strangers += rowOf.has(name) ? 0 : 1;
  }
  keep();
  return found;
}

function zOf(metric, row) {
  const value = data.values[metric][row];
  const { median, spread } = metrics[metric];
  return value === null || !spread ? null : (value - median) / spread;
}

// "fail", "warn", or "" within the limits; far from the cohort counts as unusual
function flagOf(metric, row) {
  const value = data.values[metric][row];
  if (value === null) return "";
  const [failLow, warnLow, warnHigh, failHigh] = metrics[metric].limits;
  if ((failLow !== null && value < failLow) || (failHigh !== null && value > failHigh)) return "fail";
  if ((warnLow !== null && value < warnLow) || (warnHigh !== null && value > warnHigh)) return "warn";
  return "";
}

// How bad a value is, for the order "worst": towards the limits that there are, else away from the cohort's median.
function badness(metric, row) {
  const value = data.values[metric][row];
  if (value === null) return null;
  const [failLow, warnLow, warnHigh, failHigh] = metrics[metric].limits;
  const low = failLow ?? warnLow, high = failHigh ?? warnHigh;
  if (low !== null && high === null) return -value;
  if (high !== null && low === null) return value;
  return Math.abs(value - metrics[metric].median);
}

// What the list shows, kept in the address of the page.
const EMPTY = { q: "", flag: "", rated: "", metric: "", low: "", high: "", order: "", numbers: "", view: "", page: "1", scan: "", columns: "" };
let view = readAddress();

function readAddress() {
  const found = new URLSearchParams(location.hash.slice(1));
  return Object.fromEntries(Object.entries(EMPTY).map(([name, usual]) => [name, found.get(name) ?? usual]));
}

function addressOf(changes) {
  const wanted = Object.entries({ ...view, ...changes }).filter(([name, value]) => value !== EMPTY[name]);
  return "#" + new URLSearchParams(wanted);
}

function chosen() {
  const words = view.q.toLowerCase().split(/\s+/).filter(Boolean);
  const metric = metrics.findIndex((each) => each.name === view.metric);
  const low = view.low === "" ? -Infinity : Number(view.low), high = view.high === "" ? Infinity : Number(view.high);
  const bounded = metric >= 0 && (view.low !== "" || view.high !== "");
  const rows = everyone.filter((row) => {
    if (view.flag === "lost" ? !data.lost[row] : view.flag && verdict(row) !== view.flag) return false;
    const found = ratingOf(key(row));
    if (view.rated && (found.rating || "none") !== view.rated) return false;
    if (bounded) {
      const value = view.numbers === "z" ? zOf(metric, row) : data.values[metric][row];
      if (value === null || value < low || value > high) return false;
    }
    const text = (title(row) + " " + data.why[row] + " " + found.reason).toLowerCase();
    return words.every((word) => text.includes(word));
  });
  return sorted(rows);
}

const RANK = { fail: 0, warn: 1, pass: 2, none: 3, exclude: 0, unsure: 1, "": 2, keep: 3 };

function sorted(rows) {
  const [column, way] = view.order.split(":");
  const metric = metrics.findIndex((each) => each.name === column);
  const by = {
    qc: (row) => RANK[verdict(row)],
    rating: (row) => RANK[ratingOf(key(row)).rating],
    why: (row) => data.why[row] || null,
  }[column] || (metric < 0 ? null : way === "worst" ? (row) => badness(metric, row) : (row) => data.values[metric][row]);
  if (!by) return way === "down" ? rows.reverse() : rows;
  const values = new Map(rows.map((row) => [row, by(row)]));
  const sign = way === "up" ? 1 : -1;
  return rows.sort((a, b) => {
    const x = values.get(a), y = values.get(b);
    if (x === null || y === null) return x === y ? a - b : x === null ? 1 : -1; // not measured: last
    return (x < y ? -sign : x > y ? sign : 0) || a - b;
  });
}
