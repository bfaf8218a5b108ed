// Looks for news every two seconds, and puts fresh parts of the page in place of old ones. The page works without it.
"use strict";

const PARTS = ["counts", "list", "state", "events"];
const EVERY_MS = 2000;

async function changed() {
  const answer = await fetch("/sandbox/changes", { headers: { Accept: "application/json" } });
  return answer.ok ? String(await answer.json()) : document.documentElement.dataset.changes;
}

function focused(part) {
  return part.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
}

function replace(fresh) {
  for (const id of PARTS) {
    const [old, next] = [document.getElementById(id), fresh.getElementById(id)];
    if (!old || !next || old.innerHTML === next.innerHTML) continue;
    const [at, scrolled] = [focused(old), old.scrollTop];
    old.replaceChildren(...next.childNodes);
    old.scrollTop = scrolled;
    if (at) old.querySelector(`a[href="${CSS.escape(at)}"]`)?.focus({ preventScroll: true });
  }
}

function tell(before, after) {
  const more = after - before;
  if (more > 0) document.getElementById("news").textContent = more === 1 ? "One more mail" : `${more} more mails`;
}

function total() {
  return Number(document.querySelector("#counts b").textContent.replaceAll(",", ""));
}

async function look() {
  try {
    const root = document.documentElement;
    if (document.hidden || (await changed()) === root.dataset.changes) return;
    const answer = await fetch(location.href);
    if (!answer.ok) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    const before = total();
    replace(fresh);
    tell(before, total());
    root.dataset.changes = fresh.documentElement.dataset.changes;
  } catch {
    // the sandbox restarts: the next look will find it
  }
}

setInterval(look, EVERY_MS);
