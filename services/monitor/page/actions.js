// What playbooks do, as words and colours.

import { element } from "./elements.js";

const ACTIONS = { perk: "Perk", offer: "Offer", outreach: "Task", survey_request: "Survey", notify: "Notice", none: "Nothing" };
const OUTCOMES = { held: "Waits", none: "Nothing", suppressed: "Not contacted", withdrawn: "Taken back", closed: "Closed" };

const known = (word) => /^[a-z_]+$/.test(word);

export function pill(action) {
  return element("span", { class: known(action) ? `pill ${action}` : "pill" }, ACTIONS[action] ?? action);
}

// What an answer came to: its action, or why there is none.
export function came({ rule, action, outcome }) {
  const what = outcome === "action" ? pill(action) : element("span", { class: "pill" }, OUTCOMES[outcome] ?? outcome);
  return element("span", { class: "came" }, what, element("span", {}, rule ?? "no rule"));
}
