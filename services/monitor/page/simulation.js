// The result of a simulation, read in the browser alone: what it must say, and its tables.

import { byId, element } from "./elements.js";
import { NONE, exactly, number, plural } from "./words.js";

const LARGEST = 5_000_000; // bytes; a result has a few thousand
const MOST_ROWS = 1_000;

const SIMULATION = { tenant: "text", since: "moment", until: "moment", answers: "number", changed: "number", left_out: "number" };
const SIDE = {
  playbook: "text",
  version: "text",
  mails: "number",
  tasks: "number",
  tasks_per_day: "number",
  tasks_on_busiest_day: "number",
  surveys: "number",
  notices: "number",
  cost: "number",
};
const LINE = { what: "text", today: "number", candidate: "number" };
const EXAMPLE = { response_id: "text", received_at: "moment", today: "text", candidate: "text" };

const IS = {
  text: [(value) => typeof value === "string", "text"],
  number: [Number.isFinite, "a number"],
  moment: [(value) => typeof value === "string" && !Number.isNaN(Date.parse(value)), "a moment such as 2026-05-20T12:00:00Z"],
  record: [(value) => typeof value === "object" && value !== null && !Array.isArray(value), "a mapping"],
  list: [Array.isArray, "a list"],
};

const WORK = [
  ["Mails", "mails"],
  ["Tasks", "tasks"],
  ["Tasks a day", "tasks_per_day"],
  ["Tasks on the busiest day", "tasks_on_busiest_day"],
  ["Survey requests", "surveys"],
  ["Notices", "notices"],
  ["Cost", "cost"],
];
const DIFFERENCE = new Intl.NumberFormat("en-GB", { signDisplay: "exceptZero" });

export function startSimulation(seen) {
  byId("file").addEventListener("change", async (event) => {
    const [file] = event.target.files;
    if (file) await show(file, seen());
  });
  // a file that was written anew under its name is chosen anew
  byId("file").addEventListener("click", (event) => (event.target.value = ""));
}

async function show(file, seen) {
  const [wrong, place] = [byId("wrong"), byId("simulation")];
  wrong.textContent = "";
  try {
    if (file.size > LARGEST) throw new Wrong("it has more than 5 MB");
    place.replaceChildren(...tables(read(await file.text()), seen));
    place.hidden = false;
  } catch (error) {
    place.hidden = true;
    place.replaceChildren();
    const reason = error instanceof Wrong ? error.message : `it cannot be read (${error.message})`;
    wrong.textContent = `${file.name} is no result of a simulation: ${reason}.`;
  }
}

class Wrong extends Error {}

function read(text) {
  let found;
  try {
    found = JSON.parse(text);
  } catch (error) {
    throw new Wrong(text.trim() ? `it is no JSON (${error.message})` : "it is empty");
  }
  must(found, "record", "the whole of it");
  fields(found, SIMULATION, "");
  for (const side of ["today", "candidate"]) {
    part(found, side, "record");
    fields(found[side], SIDE, `${side}.`);
  }
  for (const [name, shape] of [["rules", LINE], ["suppressed", LINE], ["examples", EXAMPLE]]) {
    part(found, name, "list");
    found[name].forEach((one, index) => {
      must(one, "record", `${name}.${index}`);
      fields(one, shape, `${name}.${index}.`);
    });
  }
  return found;
}

function fields(record, shape, path) {
  for (const [name, kind] of Object.entries(shape)) part(record, name, kind, path);
}

function part(record, name, kind, path = "") {
  if (!(name in record)) throw new Wrong(`${path}${name} is missing`);
  must(record[name], kind, `${path}${name}`);
}

function must(value, kind, place) {
  const [holds, words] = IS[kind];
  if (!holds(value)) throw new Wrong(`${place} must be ${words}`);
}

function tables(found, seen) {
  const { today, candidate } = found;
  const rules = found.rules.map((one) => [`${one.rule ?? "no rule"}: ${readable(one.what)}`, one.today, one.candidate]);
  const reasons = found.suppressed.map((one) => [readable(one.what), one.today, one.candidate]);
  return [
    ...opening(found, seen),
    table("Work", WORK.map(([title, name]) => [title, today[name], candidate[name]]), [busiest(today, candidate)]),
    rules.length ? table("Answers by rule", rules) : null,
    reasons.length ? table("Nothing done", reasons) : null,
    ...(found.examples.length ? examples(found.examples) : []),
  ].filter(Boolean);
}

function opening(found, seen) {
  const { today, candidate } = found;
  const when = `from ${exactly(new Date(found.since))} to ${exactly(new Date(found.until))}`;
  const words = [`${plural(found.answers, "answer")} of ${found.tenant}, ${when}: `, element("b", {}, plural(found.changed, "answer"))];
  words.push(` would come to something else by ${called(candidate)} than by ${called(today)}.`);
  const notes = [];
  if (found.left_out) notes.push(`${plural(found.left_out, "later word")} about answers from before left out.`);
  if (seen && seen.tenant !== found.tenant) notes.push(`This page shows another tenant, ${seen.tenant}.`);
  else if (seen?.active?.version.match(/^(v|file-)/) && seen.active.version !== today.version) notes.push(`Another version decides by now: ${seen.active.version}.`);
  return [element("p", {}, ...words), notes.length ? element("p", { class: "aside" }, notes.join(" ")) : null];
}

const called = ({ playbook, version }) => `${playbook} (${version})`;
const readable = (text) => text.replaceAll("_", " ");

function busiest(today, candidate) {
  const cells = [today, candidate].map((side) => element("td", { class: "figure" }, side.busiest_day ?? NONE));
  return element("tr", {}, element("th", { scope: "row" }, "Busiest day"), ...cells, element("td"));
}

function table(title, rows, more = []) {
  const heads = ["Today", "Candidate", "Difference"].map((name) => element("th", { scope: "col", class: "figure" }, name));
  return element(
    "table",
    { class: "compared" },
    element("caption", {}, title),
    element("thead", {}, element("tr", {}, element("th", { scope: "col" }, element("span", { class: "hidden" }, "What")), ...heads)),
    element("tbody", {}, ...rows.slice(0, MOST_ROWS).map(row), ...more),
  );
}

function row([title, today, candidate]) {
  const change = Math.round((candidate - today) * 100) / 100;
  const cells = [number(today), number(candidate)].map((text) => element("td", { class: "figure" }, text));
  const difference = element("td", { class: change ? "figure changed" : "figure" }, DIFFERENCE.format(change).replace("-", "−"));
  return element("tr", {}, element("th", { scope: "row" }, title), ...cells, difference);
}

function examples(found) {
  const items = found.map((one) => {
    const about = element("p", {}, element("code", {}, one.response_id), ` ${[one.band, exactly(new Date(one.received_at))].filter(Boolean).join(", ")}`);
    const change = element("p", {}, one.today, element("span", { class: "arrow", "aria-hidden": "true" }, " → "), element("span", { class: "hidden" }, " would be "), element("b", {}, one.candidate));
    return element("li", {}, about, change);
  });
  return [element("h3", {}, "For example"), element("ol", { class: "changed-answers" }, ...items)];
}
