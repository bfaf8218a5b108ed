// The CRM's page. It asks for news every second and a half; what is typed is never overwritten by what arrives.

const POLL_MS = 1500;
const PAGE = 100;
const AUTHOR = "CRM sandbox";
const STATUS = { open: "Open", in_progress: "In progress", waiting: "Waiting", done: "Done", cancelled: "Cancelled" };
const PRIORITY = { urgent: "Urgent", high: "High priority", low: "Low priority" };
const OUTCOME = { resolved: "Resolved", unreachable: "Unreachable", no_action: "No action needed", churned: "Customer has left" };
const NEXT = { open: ["in_progress", "waiting"], in_progress: ["waiting"], waiting: ["in_progress"], done: ["open"], cancelled: [] };

const byId = (id) => document.getElementById(id);
const query = new URLSearchParams(location.search);
const seen = { tenant: query.get("tenant") ?? "", status: query.get("status") ?? "", limit: PAGE, etag: null };
let board = null;
let task = null;
let sending = false;

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) if (value != null) made.setAttribute(name, value);
  made.append(...children.filter((child) => child != null));
  return made;
}

function setText(target, text) {
  if (target.textContent !== text) target.textContent = text;
}

// Children by key: those that stay are changed in place, so that nothing under a finger or a screen reader is replaced.
function keyed(parent, items, keyOf, make, change) {
  const known = new Map([...parent.children].map((child) => [child.dataset.key, child]));
  items.forEach((item, index) => {
    const key = String(keyOf(item));
    const child = known.get(key) ?? make(item);
    known.delete(key);
    child.dataset.key = key;
    change(child, item);
    if (parent.children[index] !== child) parent.insertBefore(child, parent.children[index] ?? null);
  });
  for (const child of known.values()) child.remove();
}

const ago = new Intl.RelativeTimeFormat("en", { numeric: "auto", style: "short" });
const moment = new Intl.DateTimeFormat("en", { dateStyle: "medium", timeStyle: "short" });

function distance(iso) {
  const minutes = Math.round((new Date(iso) - Date.now()) / 60000);
  const size = Math.abs(minutes);
  if (size < 60) return [minutes, "minute"];
  return size < 48 * 60 ? [Math.round(minutes / 60), "hour"] : [Math.round(minutes / 1440), "day"];
}

const closed = (status) => status === "done" || status === "cancelled";

function due(item) {
  if (closed(item.status)) return "";
  const [number, unit] = distance(item.due_at);
  if (!item.overdue) return `due ${ago.format(number, unit)}`;
  return `${ago.format(Math.abs(number), unit).replace(/^in /, "")} overdue`;
}

const isOverdue = (item) => !closed(item.status) && new Date(item.due_at) < Date.now();

function showFilters() {
  const choices = [["", "All", board.counts.total], ...Object.entries(STATUS).map(([key, name]) => [key, name, board.counts[key]])];
  keyed(
    byId("filters"),
    [["legend"], ...choices],
    ([key]) => key,
    ([key]) =>
      key === "legend"
        ? element("legend", { class: "hidden" }, "Status")
        : element("label", {}, element("input", { type: "radio", name: "status", value: key }), element("span")),
    (child, [key, name, count]) => {
      if (key === "legend") return;
      child.firstChild.checked = key === seen.status;
      const text = `${name} ${count}`;
      if (child.lastChild.textContent !== text) child.lastChild.replaceChildren(`${name} `, element("b", {}, String(count)));
    },
  );
}

function makeItem() {
  return element("li", {}, element("a", {},
    element("span", { class: "name" }), element("span", { class: "due" }),
    element("span", { class: "who" }), element("span", { class: "chip" })));
}

function showItem(child, item) {
  const link = child.firstChild;
  const [name, when, who, chip] = link.children;
  link.setAttribute("href", `#${item.external_id}`);
  link.setAttribute("aria-current", String(item.external_id === chosen()));
  setText(name, item.customer ?? "Anonymous");
  setText(when, due(item));
  when.className = item.overdue ? "due overdue" : "due";
  setText(who, item.title);
  setText(chip, item.priority === "urgent" && !closed(item.status) ? `Urgent · ${STATUS[item.status]}` : STATUS[item.status]);
  chip.className = `chip ${item.status}`;
}

function showList() {
  const { counts } = board;
  showFilters();
  const open = counts.open + counts.in_progress + counts.waiting;
  setText(byId("summary"), `${open} to do${counts.overdue ? `, ${counts.overdue} overdue` : ""}`);
  const items = board.tasks.map((item) => ({ ...item, overdue: isOverdue(item) }));
  keyed(byId("tasks"), items, (item) => item.external_id, makeItem, showItem);
  byId("empty").hidden = items.length > 0;
  setText(byId("empty"), seen.status ? `No task is ${STATUS[seen.status].toLowerCase()}.` : "No tasks yet. An answer from a detractor makes one.");
  byId("more").hidden = board.total <= items.length;
  keyed(byId("tenant"), ["", ...board.tenants], (name) => name,
    (name) => element("option", { value: name }, name || "All tenants"), () => {});
  byId("tenant").value = seen.tenant;
  keyed(byId("owners"), [...new Set(board.tasks.map((item) => item.owner).filter(Boolean))].sort(), (name) => name,
    (name) => element("option", { value: name }), () => {});
  const banner = byId("banner");
  banner.hidden = !(board.duplicates || board.missing);
  banner.className = board.duplicates ? "banner bad" : "banner";
  setText(banner, board.duplicates
    ? `${board.duplicates} tasks are here twice: see /api/duplicates.`
    : `Changes stay here: ${board.missing} is not set.`);
}

const chosen = () => (/^#CRM-\d+$/.test(location.hash) ? location.hash.slice(1) : null);

function facts(target, pairs) {
  const shown = pairs.filter(([, value]) => value != null && value !== "");
  const text = JSON.stringify(shown.map(([name, value]) => [name, value.textContent ?? value]));
  if (target.dataset.shown === text) return;
  target.dataset.shown = text;
  target.replaceChildren(...shown.flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, value)]));
}

const linked = (scheme, value) => (value ? element("a", { href: `${scheme}:${value}` }, value) : null);
const time = (iso) => (iso ? element("time", { datetime: iso }, moment.format(new Date(iso))) : null);

function showTask() {
  byId("none").hidden = task !== null;
  byId("task").hidden = task === null;
  document.title = `${task ? `${task.external_id} · ` : ""}Tasks · CRM sandbox`;
  if (!task) return;
  const overdue = isOverdue(task);
  setText(byId("title"), task.title);
  const chips = [[STATUS[task.status], task.status], [closed(task.status) ? null : PRIORITY[task.priority], ""],
    [due({ ...task, overdue }), overdue ? "overdue" : ""], [task.owner, ""], [task.outcome && OUTCOME[task.outcome], ""],
    [task.reason && `because: ${task.reason.replaceAll("_", " ")}`, ""], [task.late ? "late" : null, ""]].filter(([text]) => text);
  keyed(byId("chips"), chips, ([text]) => text, ([text]) => element("span", {}, text), (child, [, kind]) => (child.className = `chip ${kind}`));
  byId("comment").hidden = !task.comment;
  setText(byId("comment"), task.comment ?? "");
  for (const button of document.querySelectorAll("[data-status]")) button.hidden = !NEXT[task.status].includes(button.dataset.status);
  byId("done").hidden = closed(task.status);
  showFeedback();
  const { customer } = task;
  facts(byId("customer"), [
    ["Name", customer.name], ["E-mail", linked("mailto", customer.email)], ["Phone", linked("tel", customer.phone)],
    ["Customer", customer.customer_id], ["Account", customer.account_id], ["Time zone", customer.timezone],
    ["Language", customer.locale], ...(Object.keys(customer).length ? [] : [["Who", "Nobody in particular: the answer was anonymous"]]),
  ]);
  facts(byId("facts"), [
    ["Score", task.score == null ? null : `${task.score} of 10`], ["Rating", task.rating == null ? null : String(task.rating)],
    ["Channel", task.channel], ["Touchpoint", task.touchpoint],
    ["Segments", Object.entries(task.segments).map(([key, value]) => `${key}: ${value}`).join(", ")],
    ["Due", time(task.due_at)], ["Created", time(task.created_at)], ["Closed", time(task.closed_at)],
    ["Tenant", task.tenant], ["Answer", task.response_id], ["Task", task.task_id],
    ["Here", `${task.external_id}, version ${task.version}`],
  ]);
  keyed(byId("notes"), [...task.notes].reverse().map((note, index, all) => ({ ...note, key: all.length - index })), (note) => note.key,
    () => element("li", {}, element("p"), element("small")),
    (child, note) => {
      setText(child.firstChild, note.text);
      setText(child.lastChild, [note.author, moment.format(new Date(note.at))].filter(Boolean).join(", "));
    });
}

function showFeedback(problem) {
  const feedback = byId("feedback");
  feedback.className = problem || task.trouble ? "feedback bad" : "feedback";
  if (problem) setText(feedback, problem);
  else if (task.trouble) setText(feedback, `Saved here. ${task.trouble}.`);
  else if (task.unsent) setText(feedback, "Saved. Telling nps-loop…");
  else if (feedback.dataset.saved === task.external_id) setText(feedback, "Saved, and nps-loop knows.");
  else setText(feedback, "");
}

async function loadTask({ focus = false } = {}) {
  const wanted = chosen();
  document.body.toggleAttribute("data-open", wanted !== null);
  if (!wanted) {
    task = null;
    showTask();
    return;
  }
  const answer = await fetch(`/api/tasks/${wanted}`);
  if (wanted !== chosen()) return;
  const before = task?.external_id;
  task = answer.ok ? await answer.json() : null;
  if (task && before !== task.external_id) {
    byId("note").reset();
    byId("owner").reset();
    delete byId("feedback").dataset.saved;
  }
  showTask();
  if (!answer.ok) setText(byId("none"), "This task is no longer here.");
  if (focus && task) {
    byId("detail").scrollTop = 0;
    if (matchMedia("(max-width: 820px)").matches) scrollTo(0, 0);
    byId("title").focus({ preventScroll: true });
  }
}

async function change(changes) {
  if (sending || !task) return false;
  sending = true;
  try {
    const answer = await fetch(`/api/tasks/${task.external_id}/changes`, {
      method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ ...changes, author: AUTHOR }),
    });
    const told = await answer.json();
    if (!answer.ok) {
      showFeedback(told.detail ?? "That did not work.");
      return false;
    }
    task = told;
    byId("feedback").dataset.saved = task.external_id;
    showTask();
    refresh();
    return true;
  } catch {
    showFeedback("The sandbox does not answer. Nothing was changed.");
    return false;
  } finally {
    sending = false;
  }
}

async function refresh() {
  const wanted = new URLSearchParams({ tenant: seen.tenant, status: seen.status, limit: seen.limit });
  const asked = String(wanted);
  const headers = seen.etag && seen.asked === asked ? { "If-None-Match": seen.etag } : {};
  try {
    const answer = await fetch(`/api/tasks?${wanted}`, { headers });
    connection("live", "Live");
    if (answer.status === 304) return;
    if (!answer.ok) throw new Error(answer.status);
    board = await answer.json();
    seen.etag = answer.headers.get("ETag");
    seen.asked = asked;
    showList();
    if (task || chosen()) await loadTask();
  } catch {
    connection("away", "Away, trying again");
  }
}

function connection(state, text) {
  byId("connection").dataset.state = state;
  setText(byId("connection"), text);
}

function choose(changes) {
  Object.assign(seen, { limit: PAGE }, changes);
  const kept = new URLSearchParams(Object.entries({ tenant: seen.tenant, status: seen.status }).filter(([, value]) => value));
  history.replaceState(null, "", `${location.pathname}${kept.size ? `?${kept}` : ""}${location.hash}`);
  refresh();
}

byId("filters").addEventListener("change", (event) => choose({ status: event.target.value }));
byId("tenant").addEventListener("change", (event) => choose({ tenant: event.target.value }));
byId("more").addEventListener("click", () => choose({ limit: seen.limit + PAGE }));
byId("task").addEventListener("click", (event) => {
  const { status } = event.target.dataset;
  if (status) change({ status });
});
byId("done").addEventListener("submit", (event) => {
  event.preventDefault();
  change({ status: "done", outcome: new FormData(event.target).get("outcome") });
});
for (const name of ["note", "owner"]) {
  byId(name).addEventListener("submit", async (event) => {
    event.preventDefault();
    const value = new FormData(event.target).get(name).trim();
    if (value && (await change({ [name]: value }))) event.target.reset();
  });
}
byId("note").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.metaKey || event.ctrlKey)) byId("note").requestSubmit();
});
addEventListener("hashchange", async () => {
  const before = task?.external_id;
  await loadTask({ focus: true });
  if (board) showList();
  if (!chosen() && before) document.querySelector(`#tasks a[href="#${before}"]`)?.focus();
});
document.addEventListener("visibilitychange", () => document.hidden || refresh());

async function watch() {
  if (!document.hidden) await refresh();
  setTimeout(watch, POLL_MS);
}
await loadTask();
watch();
