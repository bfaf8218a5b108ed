// The page of the playbook: asks how it stands every few seconds, and draws what has changed.

import { came, pill } from "./actions.js";
import { byId, command, element, keyed, setText, setVariables } from "./elements.js";
import { linkAcross, showTenants, startTheme, tellVersion } from "./frame.js";
import { startSimulation } from "./simulation.js";
import { exactly, number, percent, plural, shellWord } from "./words.js";

const EVERY_MS = 5_000;
const SOON_MS = 500; // while the monitor reads
const PATIENCE_MS = 4_000;
const OUTCOMES = [
  ["action", "acted", "good"],
  ["told", "told", "good"],
  ["held", "waiting", "waiting"],
  ["none", "nothing to do", "quiet"],
  ["suppressed", "not contacted", "quiet"],
  ["withdrawn", "taken back", "quiet"],
  ["closed", "closed", "quiet"],
];

const state = { tenant: new URLSearchParams(location.search).get("tenant"), seen: null, turn: 0, pace: SOON_MS };
let timer = 0;

async function ask() {
  clearTimeout(timer);
  const turn = ++state.turn;
  try {
    const [seen, { tenants }] = await Promise.all([json(`/v1/playbook?${query()}`), json("/v1/tenants")]);
    if (turn !== state.turn) return; // somebody has chosen another tenant meanwhile
    take(seen);
    showTenants(tenants, state.tenant);
  } catch (error) {
    if (turn === state.turn) away(error);
  }
  // a page that nobody looks at asks again once it is looked at
  if (turn === state.turn) timer = setTimeout(() => document.hidden || ask(), state.pace);
}

async function json(path) {
  const answer = await fetch(path, { signal: AbortSignal.timeout(PATIENCE_MS) });
  const body = await answer.json();
  if (answer.ok) return body;
  const [fault] = body.errors ?? [];
  throw new Refused(fault ? `${fault.field}: ${fault.reason}` : body.detail);
}

class Refused extends Error {}

const query = () => new URLSearchParams(state.tenant ? { tenant: state.tenant } : {});

function take(seen) {
  state.tenant = seen.tenant;
  state.pace = seen.complete || seen.kafka_away ? EVERY_MS : SOON_MS;
  history.replaceState(null, "", `?${query()}`);
  linkAcross(seen.tenant);
  const reading = !seen.complete;
  const words = seen.kafka_away ? "Kafka is away" : reading ? "Reading" : "Up to date";
  connection(seen.kafka_away ? "away" : reading ? "waiting" : "live", words);
  const missing = seen.missing.length ? `Topics are missing: ${seen.missing.join(", ")}. The services make them when they start.` : "";
  notice(seen.kafka_away ? `${seen.kafka_away}. What is shown may be old.` : missing);
  if (!seen.complete) return; // what was seen before stays, also while a monitor that was started anew still reads
  state.seen = seen;
  render(seen);
}

function away(error) {
  state.pace = EVERY_MS;
  if (error instanceof Refused) {
    connection("away", "Refused");
    notice(error.message);
    return;
  }
  connection("away", "Away");
  const since = state.seen ? ` This is how it stood on ${exactly(new Date(state.seen.now))}.` : "";
  notice(`The monitor does not answer; this page tries again every few seconds.${since}`);
}

function connection(name, words) {
  byId("connection").dataset.state = name;
  setText(byId("connection-text"), words);
}

function notice(text) {
  byId("notice").hidden = !text;
  setText(byId("notice"), text);
}

function render({ active, counted, suppressed, held, shadow }) {
  renderAbout(active, counted);
  renderRules(active);
  renderBesides(active, counted);
  renderTerms(active);
  renderReasons(suppressed, held);
  redraw("policy", active?.policy ?? [], (lines) => lines.flatMap(policyLine));
  byId("no-policy").hidden = Boolean(active?.policy.length);
  renderTrial(shadow);
}

// Draws a place anew if what it shows has changed: nothing under a finger or a screen reader is replaced for nothing.
function redraw(id, shown, make) {
  const place = byId(id);
  const content = JSON.stringify(shown);
  if (place.dataset.content === content) return;
  place.dataset.content = content;
  place.replaceChildren(...make(shown));
}

function renderAbout(active, counted) {
  setText(byId("flow-title"), active ? `Playbook ${active.name}` : "No playbook");
  redraw("about", [active?.version, active?.since, Boolean(active?.text)], () => about(active));
  setText(byId("counted"), counted.answers ? `Figures are of ${scope(counted)}${share(active, counted)}.` : "No answer has arrived yet.");
}

function about(active) {
  if (!active) return ["This tenant has none in the business file, and none was activated."];
  const version = element("b", { class: "version" }, active.version);
  const unread = active.text ? ". The monitor cannot read it: here it is as it was written." : "";
  if (active.since) return [version, `, active since ${exactly(new Date(active.since))}${unread}`];
  return active.version.startsWith("file-") ? [version, `, of the business file${unread}`] : [`Of the business file${unread}`];
}

function scope({ answers, since }) {
  const newest = answers === 1 ? "the newest answer" : `the newest ${number(answers)} answers`;
  return `${newest}, since ${exactly(new Date(since))}, each by its newest decision`;
}

function share(active, { by_active: by, decided }) {
  if (!decided || !/^(v|file-)/.test(active?.version ?? "")) return "";
  return `; ${active.version} made ${by === decided ? "all" : percent(by, decided)} of these`;
}

function renderRules(active) {
  const rules = active?.rules ?? [];
  const largest = Math.max(1, ...rules.map(total));
  keyed(byId("rules"), rules, (rule) => rule.name, makeRule, (card, rule) => changeRule(card, rule, largest));
  byId("rules").hidden = !rules.length;
  const written = byId("written");
  written.hidden = !active?.text;
  setText(written, active?.text ?? "");
}

const total = ({ counts }) => Object.values(counts).reduce((sum, one) => sum + one, 0);

function makeRule() {
  const numbers = element("div", { class: "numbers" }, element("b"), element("span", { class: "bar" }), element("small"));
  return element("li", {}, element("div", { class: "rule" }), numbers);
}

function changeRule(card, rule, largest) {
  const [said, numbers] = card.children;
  const { counts, ...text } = rule;
  if (said.dataset.content !== JSON.stringify(text)) {
    said.dataset.content = JSON.stringify(text);
    said.replaceChildren(...ruleWords(rule));
  }
  const [figure, bar, words] = numbers.children;
  setText(figure, number(total(rule)));
  card.classList.toggle("idle", !total(rule));
  const parts = OUTCOMES.filter(([outcome]) => counts[outcome]);
  setText(words, parts.map(([outcome, word]) => `${number(counts[outcome])} ${word}`).join(", ") || "never of late");
  keyed(bar, parts, ([outcome]) => outcome, ([, , tone]) => element("i", { class: tone }), (part, [outcome]) => {
    setVariables(part, { share: counts[outcome] / largest });
  });
}

function ruleWords(rule) {
  const goesOn = rule.then === "continue" ? element("span", { class: "goes-on" }, "and goes on") : null;
  const priority = rule.priority ? element("small", {}, `priority ${rule.priority}`) : null;
  const does = element("p", { class: "does" }, element("span", { class: "arrow", "aria-hidden": "true" }, "→"), pill(rule.action));
  if (goesOn) does.append(goesOn);
  if (rule.details.length) does.append(element("span", { class: "details" }, rule.details.join(" · ")));
  const always = rule.when.trim() === "true";
  const when = always ? element("p", { class: "when" }, "every answer") : element("code", { class: "when" }, rule.when);
  return [element("h2", {}, `${rule.name} `, priority), when, does];
}

function renderBesides(active, counted) {
  const waiting = counted.answers - counted.decided;
  const lines = [
    ["unmatched", "No rule matched", active?.no_rule_matched ?? 0],
    ["unasked", "Decided before any rule was asked: tests, the past, what was taken back", active?.no_rule_asked ?? 0],
    ["others", `${active?.text ? "By its rules, or those" : "Rules"} of earlier playbooks: ${names(active)}`, active?.others.answers ?? 0],
    ["waiting", "Waiting for a decision", waiting],
  ];
  drawLines("besides", lines.filter(([, , one]) => one).map(([reason, text, one]) => ({ reason, text, number: one })), counted.answers);
}

function names(active) {
  return (active?.others.rules ?? []).map(({ name, answers }) => `${name} (${number(answers)})`).join(", ");
}

function drawLines(id, lines, whole) {
  keyed(byId(id), lines, (line) => line.reason, () => element("li", {}, element("span"), element("b")), (item, line) => {
    setVariables(item, { share: whole ? line.number / whole : 0 });
    setText(item.children[0], line.text.charAt(0).toUpperCase() + line.text.slice(1));
    setText(item.children[1], number(line.number));
  });
}

function renderReasons(suppressed, held) {
  const sum = (lines) => lines.reduce((all, line) => all + line.number, 0);
  setText(byId("reasons-count"), suppressed.length ? plural(sum(suppressed), "answer") : "");
  drawLines("suppressed", suppressed, sum(suppressed));
  byId("no-suppressed").hidden = suppressed.length > 0;
  drawLines("held", held, sum(held));
  byId("waiting").hidden = !held.length;
}

function renderTerms(active) {
  const { blocks = [], keywords = [] } = active ?? {};
  byId("terms-details").hidden = !blocks.length && !keywords.length;
  redraw("terms", [blocks, keywords], () => [
    ...blocks.flatMap(({ name, when }) => [term(`blocks.${name}`), element("dd", {}, element("code", {}, when))]),
    ...keywords.flatMap(({ name, words }) => [term(`"${name}"`), element("dd", {}, words.join(", "))]),
  ]);
}

const term = (name) => element("dt", {}, element("code", {}, name));

function policyLine({ name, texts, condition }) {
  const said = texts.map((text) => element("p", {}, text));
  if (condition) said.push(element("code", {}, condition));
  return [element("dt", {}, name), element("dd", {}, ...said)];
}

function renderTrial(shadow) {
  setText(byId("trial-about"), shadow ? `${shadow.name ?? "playbook"} ${shadow.version}, since ${exactly(new Date(shadow.since))}` : "");
  setText(byId("trial-sum"), shadow ? trialSum(shadow) : "");
  redraw("differences", shadow?.rows ?? [], (rows) => rows.map(difference));
  byId("no-trial").hidden = Boolean(shadow);
  redraw("no-trial", [state.tenant], () => [
    element("p", {}, "No playbook is on trial. One that is decides beside the active one, and only its decisions are recorded:"),
    command(`nps playbook shadow summer.yaml${ofTenant()}`),
  ]);
}

function trialSum({ decided, differing, rows }) {
  if (!decided) return "It has decided about none of these answers yet.";
  const shown = rows.reduce((sum, row) => sum + row.number, 0);
  const rest = differing > shown ? ` The most frequent differences are shown; ${plural(differing - shown, "answer")} differ otherwise.` : "";
  const sum = differing ? `${number(differing)} would come to something else (${percent(differing, decided)})` : "all would come to the same";
  return `It decided about ${number(decided)} of these answers: ${sum}.${rest}`;
}

function difference({ from, to, number: answers, response_ids: ids }) {
  const change = element("p", { class: "change" }, came(from), element("span", { class: "arrow", "aria-hidden": "true" }, "→"), element("span", { class: "hidden" }, " would be "), came(to));
  const examples = element("p", { class: "examples" }, ...ids.flatMap((id) => [element("code", {}, `nps why ${shellWord(id)}${ofTenant()}`)]));
  return element("li", {}, change, element("b", { class: "figure" }, number(answers), element("span", { class: "hidden" }, " answers")), examples);
}

const ofTenant = () => (state.tenant && state.tenant !== "default" ? ` --tenant ${state.tenant}` : "");

function advise() {
  redraw("simulate", [state.tenant], () => [
    element("p", {}, "What would a playbook have made of the answers there are? Try it, and open the result here:"),
    command(`nps playbook simulate spring.yaml${ofTenant()} --json > result.json`),
  ]);
}

startTheme();
startSimulation(() => state.seen);
byId("tenant").addEventListener("change", (event) => {
  state.tenant = event.target.value;
  advise();
  ask();
});
document.addEventListener("visibilitychange", () => document.hidden || ask());
ask().then(advise);
advise();
tellVersion();
