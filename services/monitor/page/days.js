// Answers by day and band: a chart, the same day by day with arrow keys, and the same as a table.

import { byId, element, setText } from "./elements.js";
import { longDay, number, percent, plural, segmentTitle, shortDay } from "./words.js";

const DAY_S = 86_400;
const BANDS = ["promoters", "passives", "detractors"];
const NAMES = { promoters: "Promoters", passives: "Passives", detractors: "Detractors" };
const CLASSES = { promoters: "promoter", passives: "passive", detractors: "detractor" };
const WIDEST_BAR = 34;

let plot = null;
let days = [];
let measure = "answers";

export function startDays(rerender) {
  for (const input of byId("measure").querySelectorAll("input")) {
    input.addEventListener("change", () => {
      measure = input.value;
      rerender();
    });
  }
  byId("days-table").addEventListener("toggle", renderTable);
  const chart = byId("chart");
  chart.addEventListener("keydown", step);
  chart.addEventListener("blur", hide);
  new ResizeObserver(() => plot?.setSize(size())).observe(chart);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", repaint);
}

export function renderDays(state) {
  if (!state.days) {
    days = [];
    say("Reading the days.");
    return;
  }
  const whole = state.days;
  const kept = Math.min(whole.promoters.length, Math.max(7, daysIn(state.windows.get(state.choice.window)?.window)));
  const first = Date.parse(whole.first) / 1000;
  days = whole.promoters
    .map((_, index) => ({
      at: first + index * DAY_S,
      promoters: whole.promoters[index],
      passives: whole.passives[index],
      detractors: whole.detractors[index],
    }))
    .slice(-kept);
  const scope = whole.segment === "all" ? "" : `, ${segmentTitle(whole.segment)}`;
  setText(byId("days-title"), `Answers by day${scope}`);
  draw();
  renderTable();
}

const daysIn = (window) => (window?.start ? Math.ceil((new Date(window.end) - new Date(window.start)) / 1000 / DAY_S) : Infinity);
const total = (day) => day.promoters + day.passives + day.detractors;

// Stacked from below: detractors, passives, promoters. The tallest is drawn first and the others over it.
function stacked() {
  const upTo = (...bands) => days.map((day) => {
    const sum = bands.reduce((found, band) => found + day[band], 0);
    return measure === "share" ? (total(day) ? (100 * sum) / total(day) : null) : sum;
  });
  return [days.map((day) => day.at), upTo(...BANDS), upTo("passives", "detractors"), upTo("detractors")];
}

function draw() {
  if (!days.some(total)) {
    say(`Nobody has answered in the last ${plural(days.length, "day")}.`);
    return;
  }
  const data = stacked();
  if (plot && plot.days === days.length && plot.measure === measure) {
    plot.setData(data);
    return;
  }
  stop();
  const chart = byId("chart");
  chart.replaceChildren();
  plot = new uPlot(options(), data, chart);
  plot.days = days.length;
  plot.measure = measure;
  plot.tip = element("div", { class: "tip", hidden: true });
  plot.over.append(plot.tip);
}

function say(words) {
  stop();
  byId("chart").replaceChildren(element("p", { class: "empty" }, words));
}

function stop() {
  plot?.destroy();
  plot = null;
}

export function repaint() {
  if (!plot) return;
  plot.days = 0;
  draw();
}

function size() {
  const { clientWidth, clientHeight } = byId("chart");
  return { width: clientWidth, height: clientHeight };
}

// Colours may depend on the scheme; the legend's swatches know what they come to.
function colour(name) {
  return getComputedStyle(document.querySelector(`.legend .${name}`)).backgroundColor;
}

function options() {
  const { color, fontFamily } = getComputedStyle(document.querySelector(".legend"));
  const line = getComputedStyle(document.querySelector(".panel")).borderTopColor;
  const bars = uPlot.paths.bars({ size: [0.72, WIDEST_BAR], radius: 0.12 });
  const axis = { stroke: color, font: `12px ${fontFamily}`, ticks: { show: false } };
  const points = { show: false };
  return {
    ...size(),
    padding: [10, 6, 0, 0],
    legend: { show: false },
    tzDate: (at) => uPlot.tzDate(new Date(at * 1000), "UTC"),
    cursor: { y: false, points, drag: { x: false, y: false } },
    scales: {
      x: { time: true, range: (_plot, low, high) => [low - DAY_S / 2, high + DAY_S / 2] },
      y: { range: (_plot, _low, high) => [0, measure === "share" ? 100 : Math.max(4, high * 1.08)] },
    },
    axes: [
      { ...axis, grid: { show: false }, size: 30, space: 74, incrs: [1, 2, 7, 14, 28].map((count) => count * DAY_S), values: (_plot, ats) => ats.map((at) => shortDay(at * 1000)) },
      { ...axis, grid: { stroke: line, width: 1 }, size: 44, space: 46, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 100_000, 1_000_000], values: (_plot, values) => values.map((value) => (measure === "share" ? `${value} %` : number(value))) },
    ],
    series: [{}, ...BANDS.map((band) => ({ paths: bars, fill: colour(CLASSES[band]), width: 0, points }))],
    hooks: { setCursor: [showTip] },
  };
}

function showTip(shown) {
  const { idx, left } = shown.cursor;
  const day = days[idx];
  if (!shown.tip) return;
  shown.tip.hidden = idx == null || left < 0 || !day;
  if (shown.tip.hidden) return;
  const lines = BANDS.map((band) =>
    element("span", {}, element("i", { class: CLASSES[band] }), NAMES[band], element("em", {}, `${number(day[band])} · ${percent(day[band], total(day))}`)),
  );
  shown.tip.replaceChildren(element("b", {}, `${longDay(day.at * 1000)} · ${plural(total(day), "answer")}`), ...lines);
  const at = shown.valToPos(day.at, "x");
  const room = shown.over.clientWidth - shown.tip.offsetWidth;
  shown.tip.style.transform = `translate(${Math.max(0, Math.min(room, at < room - 20 ? at + 16 : at - shown.tip.offsetWidth - 16))}px, 0)`;
}

function step(event) {
  const moves = { ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity };
  if (!(event.key in moves) || !plot || !days.length) return;
  event.preventDefault();
  const from = plot.cursor.idx ?? days.length;
  const index = Math.max(0, Math.min(days.length - 1, from + moves[event.key]));
  const day = days[index];
  plot.setCursor({ left: plot.valToPos(day.at, "x"), top: 0 });
  const words = BANDS.map((band) => `${number(day[band])} ${NAMES[band].toLowerCase()}`).join(", ");
  byId("chart-day").textContent = `${longDay(day.at * 1000)}: ${words}`;
}

function hide() {
  plot?.setCursor({ left: -10, top: -10 });
}

function renderTable() {
  const table = byId("days-table");
  if (!table.open) return;
  const head = ["Day", ...BANDS.map((band) => NAMES[band]), "Answers"].map((text, column) =>
    element("th", { scope: "col", class: column ? "figure" : null }, text),
  );
  const rows = [...days].reverse().map((day) =>
    element(
      "tr",
      {},
      element("th", { scope: "row" }, longDay(day.at * 1000)),
      ...[...BANDS.map((band) => day[band]), total(day)].map((count) => element("td", { class: "figure" }, number(count))),
    ),
  );
  table.querySelector(".scroller").replaceChildren(
    element("table", {}, element("caption", { class: "hidden" }, "Answers by day and band, newest day first"), element("thead", {}, element("tr", {}, ...head)), element("tbody", {}, ...rows)),
  );
}
