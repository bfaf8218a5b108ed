// The loop: the newest answers, what becomes of them, open tasks, alerts, and how the line itself fares.

import { byId, command, element, keyed, setText, setVariables } from "./elements.js";
import { NONE, ago, channelName, due, exactly, newestFirst, number, percent, plural, segmentTitle, shellWord } from "./words.js";

const FEW = 8;
const MANY = 50;
const FEW_TASKS = 7;
const GROUPS = {
  intake: "Taking answers in",
  "scoring.tally": "Counting them",
  "scoring.people": "Counting people",
  "scoring.windows": "Scoring",
  routing: "Deciding",
  delivery: "Sending mail",
  outreach: "Opening tasks",
};
const STAGES = [
  ["mail", "Mails"],
  ["task", "Tasks"],
  ["told", "Told"],
  ["not_contacted", "Not contacted"],
];
const METRICS = { csat: "CSAT", ces: "CES", review: "Review" };

let listed = FEW;
let started = false;

export function startLoop(rerender) {
  byId("more-answers").addEventListener("click", () => {
    listed = listed === FEW ? MANY : FEW;
    rerender();
  });
}

export function renderAnswers(state, now) {
  const newest = [...state.answers.values()].sort(newestFirst).slice(0, MANY);
  const list = byId("answers");
  keyed(list, newest.slice(0, listed), (answer) => answer.id, makeAnswer, (item, answer) => changeAnswer(item, answer, now));
  started = true;
  const more = byId("more-answers");
  more.hidden = newest.length <= FEW;
  setText(more, listed === FEW ? "Show more" : "Show fewer");
  let empty = byId("no-answers");
  if (!newest.length && !empty) list.after((empty = element("p", { class: "empty", id: "no-answers" }, "They appear here as they arrive.")));
  else if (newest.length) empty?.remove();
}

function makeAnswer() {
  const parts = [element("span", { class: "badge" }), element("span", { class: "what" }), element("time"), element("span", { class: "steps" })];
  return element("li", started ? { class: "fresh" } : {}, element("details", {}, element("summary", {}, ...parts)));
}

function changeAnswer(item, answer, now) {
  const details = item.firstElementChild;
  const summary = details.firstElementChild;
  const [badge, what, time, steps] = summary.children;
  time.dateTime = answer.at;
  setText(time, ago(new Date(answer.at), now));
  const content = JSON.stringify(answer);
  if (item.dataset.content === content) return;
  item.dataset.content = content;
  badge.className = `badge ${answer.band ?? ""}`;
  badge.textContent = answer.score ?? answer.rating ?? NONE;
  what.replaceChildren(channelName(answer.channel), element("small", {}, aside(answer)));
  steps.replaceChildren(...answer.steps.flatMap(stepWords));
  const segments = Object.entries(answer.segments).map(([key, value]) => segmentTitle(`${key}=${value}`));
  const about = element("div", { class: "more-about" }, element("span", {}, [exactly(new Date(answer.at)), ...segments].join(" · ")), command(`nps trace ${shellWord(answer.id)}`));
  details.replaceChildren(summary, about);
}

function aside(answer) {
  const marks = [answer.touchpoint, METRICS[answer.metric], answer.test && "test", answer.history && "from the past"];
  if (answer.op === "retracted" || answer.op === "excluded") marks.push(answer.op);
  else if (answer.op === "updated") marks.push("edited");
  return marks.filter(Boolean).map((mark) => ` · ${mark}`).join("");
}

function stepWords(step, index) {
  const words = element("span", { class: step.tone }, step.text);
  if (!index) return [words];
  return [element("span", { class: "arrow", "aria-hidden": "true" }, "→"), element("span", { class: "hidden" }, " then "), words];
}

export function renderBecame(state) {
  const { answers, places } = state.became;
  setText(byId("became-scope"), answers ? `of the newest ${number(answers)}` : "");
  const sum = (place) => places.filter((one) => one.place === place).reduce((total, one) => total + one.number, 0);
  const waiting = sum("waiting");
  const stages = [
    ["accepted", "Accepted", answers, accepted(waiting, sum("nothing"), answers)],
    ...STAGES.map(([place, title]) => [place, title, sum(place), places.filter((one) => one.place === place)]),
  ];
  keyed(byId("became"), stages, ([key]) => key, makeStage, (stage, [, title, total, rows]) => {
    setText(stage.children[0], number(total));
    setText(stage.children[1], title);
    keyed(stage.children[2], rows, (row) => row.state, () => element("li", {}, element("span"), element("b")), (line, row) => {
      line.className = row.tone;
      setVariables(line, { share: total ? row.number / total : 0 });
      setText(line.children[0], row.text.charAt(0).toUpperCase() + row.text.slice(1));
      setText(line.children[1], number(row.number));
    });
  });
}

function accepted(waiting, nothing, answers) {
  const rows = [{ state: "decided", text: "decided", tone: "good", number: answers - waiting }];
  if (waiting) rows.push({ state: "waiting", text: "waiting for a decision", tone: "waiting", number: waiting });
  if (nothing) rows.push({ state: "nothing", text: "no rule asks for anything", tone: "quiet", number: nothing });
  return rows;
}

function makeStage() {
  return element("div", { class: "stage" }, element("span", { class: "total" }), element("span", { class: "title" }), element("ul"));
}

export function renderTasks(state, now) {
  const { open, overdue, next } = state.tasks;
  const late = overdue ? `, ${number(overdue)} overdue` : "";
  setText(byId("tasks-count"), open ? `${number(open)}${late}` : "");
  keyed(byId("tasks"), next.slice(0, FEW_TASKS), (task) => task.task_id, makeTask, (item, task) => changeTask(item, task, now));
  let empty = byId("no-tasks");
  if (!open && !empty) byId("tasks").after((empty = element("p", { class: "empty", id: "no-tasks" }, "Nobody waits to be called back.")));
  else if (open) empty?.remove();
}

function makeTask() {
  return element("li", {}, element("span", { class: "badge" }), element("span", { class: "what" }), element("time"), element("small"));
}

function changeTask(item, task, now) {
  const [badge, what, time, about] = item.children;
  const score = task.score ?? task.rating;
  badge.className = `badge ${task.score == null ? "" : task.score >= 9 ? "promoter" : task.score >= 7 ? "passive" : "detractor"}`;
  setText(badge, score == null ? NONE : String(score));
  setText(what, [channelName(task.channel), task.touchpoint].filter(Boolean).join(" · "));
  const owned = task.owned ? task.status.replace("_", " ") : "nobody has it yet";
  setText(about, [task.priority, owned, task.late && "late"].filter(Boolean).join(", "));
  const moment = new Date(task.due_at);
  time.dateTime = task.due_at;
  setText(time, due(moment, now));
  item.classList.toggle("overdue", moment < now);
}

export function renderAlerts(state) {
  const alerts = byId("alerts");
  alerts.hidden = !state.alerts.length;
  alerts.replaceChildren(
    ...state.alerts.map((alert) => {
      const [news, ...figures] = alert.text.split(": ");
      const since = element("time", { datetime: alert.opened_at }, exactly(new Date(alert.opened_at)));
      return element("p", {}, element("b", {}, news), figures.length ? `: ${figures.join(": ")}` : "", " ", element("small", {}, "since ", since));
    }),
  );
}

export function renderLine(state) {
  const { groups, rebuilt, dead_letters: dead, latest, kafka_away: away, left_out: leftOut } = state.pipeline;
  const behind = groups.reduce((sum, group) => sum + group.lag, 0);
  setText(byId("line-state"), away ? "Kafka is away" : behind ? `${plural(behind, "record")} to read` : groups.length ? "up to date" : "");
  keyed(byId("line"), groups, (group) => group.group, () => element("li", {}, element("span"), element("small")), (item, group) => {
    item.className = group.lag ? "behind" : group.started ? "" : "idle";
    setText(item.children[0], GROUPS[group.group] ?? group.group);
    setText(item.children[1], group.lag ? `${number(group.lag)} to read` : group.started ? "up to date" : "nothing yet");
  });
  const lines = [];
  if (rebuilt != null) lines.push(element("b", {}, `Counts are being rebuilt: ${percent(rebuilt, 1)} of all answers read. `));
  if (dead) lines.push(element("b", {}, plural(dead, "dead letter")), latest ? `, the last on ${latest.topic}: ${latest.reason}` : "");
  else lines.push("No dead letters: everything that came could be read.");
  for (const [what, count] of Object.entries(leftOut)) lines.push(` ${number(count)} ${what} found no room on this page.`);
  byId("letters").replaceChildren(...lines);
}

export function renderConnection(state) {
  const [name, words] = connection(state);
  const shown = byId("connection");
  shown.dataset.state = name;
  setText(byId("connection-text"), words);
}

function connection(state) {
  if (!state.connected) return state.version ? ["away", "Reconnecting"] : ["waiting", "Connecting"];
  if (state.pipeline.kafka_away) return ["away", "Kafka is away"];
  return state.complete ? ["live", "Live"] : ["waiting", "Reading"];
}
