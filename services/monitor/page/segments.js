// Segments side by side, and the box in which one is chosen.

import { byId, element, keyed, setText, setVariables } from "./elements.js";
import { NONE, number, plural, points, segmentName, segmentTitle } from "./words.js";

const SHOWN = 12;
const OFFERED = 60;

let sort = { by: "n", descending: true };
let order = [];
let showAll = false;
let filter = "";

export function startSegments(rerender) {
  for (const button of document.querySelectorAll(".segments thead button")) {
    button.addEventListener("click", () => {
      const by = button.dataset.sort;
      sort = { by, descending: sort.by === by ? !sort.descending : by !== "segment" };
      order = [];
      rerender();
    });
  }
  byId("segment-filter").addEventListener("input", (event) => {
    filter = event.target.value.trim().toLowerCase();
    rerender();
  });
  byId("more-segments").addEventListener("click", () => {
    showAll = !showAll;
    rerender();
  });
}

export const sortAnew = () => (order = []);

export function renderSegments(state, choose) {
  const rows = inOrder([...state.segments.values()].filter((row) => row.segment !== "all"));
  const found = rows.filter((row) => segmentTitle(row.segment).toLowerCase().includes(filter));
  const shown = showAll || filter ? found : found.slice(0, SHOWN);
  keyed(byId("segments"), shown, (row) => row.segment, (row) => makeRow(row, choose), (line, row) => changeRow(line, row, state));
  byId("no-segments").hidden = shown.length > 0;
  setText(byId("no-segments"), rows.length ? "No segment has that name." : "Nothing to compare yet.");
  byId("segment-filter").closest("label").hidden = rows.length <= SHOWN && !filter;
  const more = byId("more-segments");
  more.hidden = !!filter || rows.length <= SHOWN;
  setText(more, showAll ? "Show fewer" : `Show all ${number(rows.length)}`);
  for (const header of document.querySelectorAll(".segments thead [aria-sort]")) {
    const sorted = header.firstElementChild.dataset.sort === sort.by;
    header.setAttribute("aria-sort", sorted ? (sort.descending ? "descending" : "ascending") : "none");
  }
}

// Rows keep their places while numbers change; they are sorted anew when somebody asks, or when there are others.
function inOrder(rows) {
  if (order.length !== rows.length) {
    const value = (row) => (sort.by === "segment" ? segmentTitle(row.segment) : (row[sort.by] ?? -Infinity));
    const compare = (a, b) => (value(a) < value(b) ? -1 : value(a) > value(b) ? 1 : a.segment < b.segment ? -1 : 1);
    order = [...rows].sort((a, b) => (sort.descending ? compare(b, a) : compare(a, b))).map((row) => row.segment);
  }
  const place = new Map(order.map((segment, index) => [segment, index]));
  return rows.sort((a, b) => place.get(a.segment) - place.get(b.segment));
}

function makeRow(row, choose) {
  const { key, value } = segmentName(row.segment);
  const button = element("button", { type: "button" }, element("small", {}, `${key} `), value);
  button.addEventListener("click", () => choose({ segment: row.segment }));
  const bar = element("span", { class: "mini", role: "img" }, element("span", { class: "range" }), element("span", { class: "point" }));
  return element(
    "tr",
    {},
    element("th", { scope: "row" }, button),
    element("td", { class: "figure" }),
    element("td", { class: "figure" }),
    element("td", {}, bar),
  );
}

function changeRow(line, row, state) {
  const [, n, nps, interval] = line.children;
  line.toggleAttribute("aria-current", row.segment === state.choice.segment);
  setText(n, number(row.n));
  setText(nps, row.nps == null ? NONE : points(row.nps));
  nps.classList.toggle("unsure", !row.enough);
  const bar = interval.firstElementChild;
  bar.hidden = row.nps == null;
  if (row.nps == null) return;
  setVariables(bar, { nps: row.nps, low: row.low, high: row.high });
  bar.setAttribute("aria-label", `between ${points(row.low)} and ${points(row.high)}`);
}

// An editable combobox with a list, as the ARIA Authoring Practices describe it.
export function startChooser(state, choose) {
  const input = byId("segment");
  const list = byId("segment-list");
  let active = -1;

  const options = () => [...list.children];
  const close = () => {
    list.hidden = true;
    active = -1;
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
    input.value = segmentTitle(state.choice.segment);
  };
  const point = (index) => {
    active = index;
    options().forEach((option, place) => option.setAttribute("aria-selected", String(place === index)));
    options()[index]?.scrollIntoView({ block: "nearest" });
    if (options()[index]) input.setAttribute("aria-activedescendant", options()[index].id);
  };
  const open = (words = "") => {
    const found = [...state.segments.values()]
      .filter((row) => segmentTitle(row.segment).toLowerCase().includes(words.toLowerCase()))
      .sort((a, b) => (b.segment === "all") - (a.segment === "all") || b.n - a.n)
      .slice(0, OFFERED);
    list.replaceChildren(...found.map(makeOption));
    list.hidden = !found.length;
    input.setAttribute("aria-expanded", String(found.length > 0));
    point(words && found.length ? 0 : -1);
  };
  const take = (option) => {
    if (option) choose({ segment: option.dataset.segment });
    close();
  };

  input.addEventListener("focus", () => input.select());
  input.addEventListener("click", () => open());
  input.addEventListener("input", () => open(input.value.trim()));
  input.addEventListener("blur", close);
  input.addEventListener("keydown", (event) => {
    const last = options().length - 1;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      if (list.hidden) open();
      else point(event.key === "ArrowDown" ? Math.min(active + 1, last) : Math.max(active - 1, 0));
    } else if (event.key === "Enter" && !list.hidden) {
      take(options()[active]);
    } else if (event.key === "Escape") {
      close();
    }
  });
  list.addEventListener("mousedown", (event) => {
    event.preventDefault(); // the box keeps the focus
    take(event.target.closest("li"));
  });
}

function makeOption(row, index) {
  const attributes = { role: "option", id: `segment-${index}`, "aria-selected": "false", "data-segment": row.segment };
  return element("li", attributes, segmentTitle(row.segment), element("small", {}, plural(row.n, "answer")));
}
