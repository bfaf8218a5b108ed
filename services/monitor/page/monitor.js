// Keeps the page in step with the monitor: one stream of changes in, each section drawn when its part has changed.

import { byId } from "./elements.js";
import { renderDays, repaint, startDays } from "./days.js";
import { linkAcross, showTenants, startTheme, tellVersion } from "./frame.js";
import { renderAlerts, renderAnswers, renderBecame, renderConnection, renderLine, renderTasks, startLoop } from "./loop.js";
import { renderScore, renderWindows } from "./score.js";
import { renderSegments, sortAnew, startChooser, startSegments } from "./segments.js";
import { newestFirst, segmentTitle } from "./words.js";

const BACK_AFTER_MS = 3_000;
const CLOCK_MS = 10_000;
const LISTED = 50;

const asked = new URLSearchParams(location.search);
const state = {
  connected: false,
  complete: false,
  version: 0,
  skew: 0,
  tenants: [],
  choice: { tenant: asked.get("tenant"), segment: asked.get("segment") ?? "all", window: asked.get("window") },
  windows: new Map(),
  segments: new Map(),
  answers: new Map(),
  days: null,
  became: { answers: 0, places: [] },
  tasks: { open: 0, overdue: 0, next: [] },
  alerts: [],
  pipeline: { groups: [], dead_letters: 0, left_out: {} },
  reasons: [],
};
let stream = null;
let resolved = false;

const now = () => new Date(Date.now() + state.skew);

function open() {
  stream?.close();
  resolved = Boolean(state.choice.tenant && state.choice.window);
  stream = new EventSource(`/events?${query()}`);
  stream.addEventListener("tenants", (event) => showTenants(JSON.parse(event.data).tenants, state.choice.tenant));
  stream.addEventListener("view", (event) => take(JSON.parse(event.data)));
  stream.addEventListener("open", () => connected(true));
  stream.addEventListener("error", () => {
    connected(false);
    // what was chosen for us must stay chosen; and a stream that was refused does not come back by itself
    if (!resolved || stream.readyState === EventSource.CLOSED) {
      stream.close();
      setTimeout(open, BACK_AFTER_MS);
    }
  });
}

function query() {
  const chosen = Object.entries(state.choice).filter(([name, value]) => value && !(name === "segment" && value === "all"));
  return new URLSearchParams(chosen).toString();
}

function connected(is) {
  state.connected = is;
  renderConnection(state);
}

function take(change) {
  if (change.whole) for (const part of ["windows", "segments", "answers"]) state[part].clear();
  state.skew = new Date(change.now) - Date.now();
  state.version = change.version;
  state.complete = change.complete;
  state.reasons = change.reasons;
  state.choice = { ...change.choice };
  for (const score of change.windows ?? []) state.windows.set(score.window.name, score);
  for (const row of change.segments ?? []) state.segments.set(row.segment, row);
  for (const answer of change.answers ?? []) state.answers.set(answer.id, answer);
  for (const part of ["days", "became", "tasks", "alerts", "pipeline"]) if (part in change) state[part] = change[part];
  if (change.whole) {
    document.body.classList.remove("waiting");
    sortAnew();
    remember();
  }
  forgetOld();
  render(change);
}

function forgetOld() {
  const oldest = [...state.answers.values()].sort(newestFirst).slice(LISTED);
  for (const answer of oldest) state.answers.delete(answer.id);
}

function render(change) {
  renderConnection(state);
  if (change.windows) renderWindows(state, choose);
  renderScore(state);
  if (change.segments) renderSegments(state, choose);
  if ("days" in change) renderDays(state);
  if (change.answers) renderAnswers(state, now());
  if (change.became) renderBecame(state);
  if (change.tasks) renderTasks(state, now());
  if (change.alerts) renderAlerts(state);
  if (change.pipeline) renderLine(state);
  if (document.activeElement !== byId("segment")) byId("segment").value = segmentTitle(state.choice.segment);
}

function choose(choice) {
  Object.assign(state.choice, choice);
  remember();
  open();
  if (!choice.window) return;
  renderWindows(state, choose); // every window is here already; the segments in it come with the stream
  renderScore(state);
  renderDays(state);
}

// The address says what is shown, so that it can be handed on; never the access token it may have been opened with.
function remember() {
  const search = query();
  history.replaceState(null, "", search ? `?${search}` : location.pathname);
  byId("tenant").value = state.choice.tenant;
  if (state.choice.tenant) linkAcross(state.choice.tenant);
}

renderWindows(state, choose);
renderScore(state);
startTheme(repaint);
startDays(() => renderDays(state));
startSegments(() => renderSegments(state, choose));
startChooser(state, choose);
startLoop(() => renderAnswers(state, now()));
byId("tenant").addEventListener("change", (event) => choose({ tenant: event.target.value, segment: "all", window: null }));
setInterval(() => {
  renderAnswers(state, now());
  renderTasks(state, now());
}, CLOCK_MS);
open();
tellVersion();
