// The score: five windows side by side, the number with what it is worth, and the answers behind it.

import { byId, command, element, keyed, setText, setVariables } from "./elements.js";
import { NONE, number, percent, plural, points, signed, spanName, windowName } from "./words.js";

const SHIPPED = [
  ["24h", "24 hours"],
  ["7d", "7 days"],
  ["30d", "30 days"],
  ["90d", "90 days"],
  ["all_time", "All time"],
];
const BANDS = [
  ["detractor", "Detractors", "0–6"],
  ["passive", "Passives", "7–8"],
  ["promoter", "Promoters", "9–10"],
];
const bandOf = (score) => (score >= 9 ? "promoter" : score >= 7 ? "passive" : "detractor");
const QUIET_MS = 20_000;

let announcedAt = 0;
let announced = "";

export function renderWindows(state, choose) {
  const scores = [...state.windows.values()].sort((a, b) => order(a.window) - order(b.window));
  const items = scores.length
    ? scores.map((score) => ({ name: score.window.name, label: windowName(score.window), score }))
    : SHIPPED.map(([name, label]) => ({ name, label, score: null }));
  keyed(byId("windows"), [{ name: "legend" }, ...items], (item) => item.name, (item) => makeWindow(item, choose), (card, item) =>
    changeWindow(card, item, state.choice.window),
  );
}

// those that follow the calendar come last
function order(window) {
  const span = window.start ? new Date(window.end) - new Date(window.start) : Number.MAX_SAFE_INTEGER / 4;
  return window.kind === "calendar" ? span + Number.MAX_SAFE_INTEGER / 2 : span;
}

function makeWindow(item, choose) {
  if (item.name === "legend") return element("legend", { class: "hidden" }, "Window");
  const input = element("input", { type: "radio", name: "window", value: item.name });
  input.addEventListener("change", () => choose({ window: item.name }));
  const [name, value, detail] = ["name", "value", "detail"].map((line) => element("span", { class: line }));
  detail.append(element("span"), element("span", { class: "word" }));
  return element("label", {}, input, name, value, detail);
}

function changeWindow(card, item, chosen) {
  if (item.name === "legend") return;
  const [input, name, value, detail] = card.children;
  input.checked = item.name === chosen;
  setText(name, item.label);
  setText(value, item.score?.nps == null ? NONE : points(item.score.nps));
  const n = item.score?.n ?? 0;
  setText(detail.children[0], n ? number(n) : "");
  setText(detail.children[1], n ? (n === 1 ? " answer" : " answers") : "");
}

export function renderScore(state) {
  const score = state.windows.get(state.choice.window);
  const answered = score?.n > 0;
  byId("score").classList.toggle("none", !answered);
  setText(byId("nps"), answered ? points(score.nps) : NONE);
  document.title = answered ? `${points(score.nps)} · NPS` : "NPS, live";
  renderVerdict(score);
  renderScale(answered ? score : null);
  renderFacts(answered ? score : null);
  renderHistogram(score);
  renderBands(score);
  renderSilence(state, answered);
  announce(score, answered);
}

function renderVerdict(score) {
  const line = byId("verdict");
  if (!score?.n) {
    line.replaceChildren(score && score.window.kind !== "all_time" ? "No answers in this window." : "No answers yet.");
    return;
  }
  const verdict = score.verdict;
  if (!verdict) {
    line.replaceChildren("Every answer since the first one.");
    return;
  }
  const before = `the ${spanName(score.window)} before`;
  if (verdict.delta == null) {
    line.replaceChildren(`Nothing to compare with: no answers in ${before}.`);
    return;
  }
  const margin = verdict.margin == null ? "" : ` ± ${points(verdict.margin)}`;
  const change = `${signed(verdict.delta)}${margin}`;
  const [words, tone] = { up: ["Up", "up"], down: ["Down", "down"] }[verdict.direction] ?? ["No evidence of a change", ""];
  line.replaceChildren(element("b", { class: tone }, words), `: ${change} against ${before}.`);
}

function renderScale(score) {
  const scale = byId("scale");
  const parts = { range: score?.interval, point: score, target: score?.target };
  for (const [name, there] of Object.entries(parts)) scale.querySelector(`.${name}`).hidden = !there;
  if (!score) {
    scale.setAttribute("aria-label", "Scale from −100 to 100, empty");
    return;
  }
  const { low, high } = score.interval ?? { low: score.nps, high: score.nps };
  setVariables(scale, { nps: score.nps, low, high, goal: score.target?.value ?? 0 });
  const target = score.target ? `; the target is ${points(score.target.value)}` : "";
  const label = `NPS ${points(score.nps)}, between ${points(low)} and ${points(high)}, on a scale from −100 to 100${target}`;
  scale.setAttribute("aria-label", label);
}

function renderFacts(score) {
  const facts = [];
  if (score) {
    facts.push([element("b", {}, plural(score.n, "answer"))]);
    if (score.interval) {
      const { low, high, level } = score.interval;
      facts.push(["Between ", element("b", {}, `${points(low)} and ${points(high)}`), ` with ${Math.round(level * 100)} % confidence`]);
    }
    if (!score.enough && score.needed) facts.push([`${plural(score.needed, "more answer")} until that is precise enough`]);
    if (score.target) facts.push(targetWords(score));
  }
  byId("facts").replaceChildren(...facts.map((fact) => element("li", {}, ...fact)));
}

function targetWords(score) {
  const off = Math.round(score.distance);
  const where = off === 0 ? "On" : `${points(Math.abs(off))} ${off > 0 ? "above" : "below"}`;
  return [element("b", {}, where), ` the target of ${points(score.target.value)}, ${score.target.source}`];
}

function renderHistogram(score) {
  const counts = score?.histogram ?? new Array(11).fill(0);
  const most = Math.max(1, ...counts);
  const items = counts.map((count, value) => ({ count, value }));
  keyed(byId("histogram"), items, (item) => item.value, makeBar, (bar, { count, value }) => {
    bar.className = count ? bandOf(value) : "zero";
    setText(bar.children[0], number(count));
    setVariables(bar, { share: count / most });
    bar.setAttribute("aria-label", `${value}: ${plural(count, "answer")}`);
  });
}

function makeBar({ value }) {
  const part = (name, text = "") => element("span", { class: name, "aria-hidden": "true" }, text);
  return element("li", {}, part("count"), part("bar"), part("label", String(value)));
}

function renderBands(score) {
  const counts = { promoter: score?.promoters ?? 0, passive: score?.passives ?? 0, detractor: score?.detractors ?? 0 };
  keyed(byId("bands"), BANDS, ([band]) => band, makeBand, (item, [band]) => {
    setText(item.querySelector(".share"), percent(counts[band], score?.n));
  });
}

function makeBand([band, title, range]) {
  const name = element("span", {}, `${title} `, element("small", {}, range));
  return element("li", {}, element("i", { class: band, "aria-hidden": "true" }), name, element("span", { class: "share" }, NONE));
}

function renderSilence(state, answered) {
  const silence = byId("silence");
  const shown = answered ? [] : state.reasons;
  silence.hidden = !shown.length;
  byId("histogram-figure").hidden = !!shown.length;
  const key = JSON.stringify(shown);
  if (silence.dataset.shown === key) return;
  silence.dataset.shown = key;
  silence.replaceChildren(
    ...shown.flatMap((reason) => [element("p", {}, reason.text), reason.command ? command(reason.command) : null]).filter(Boolean),
  );
}

function announce(score, answered) {
  const text = answered ? `NPS ${points(score.nps)}, ${windowName(score.window)}` : "";
  const now = Date.now();
  if (!text || text === announced || now - announcedAt < QUIET_MS) return;
  announced = text;
  announcedAt = now;
  byId("announcement").textContent = text;
}
