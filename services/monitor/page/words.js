// Numbers, times and names as people read them. NPS is rounded here and nowhere else.

const NUMBER = new Intl.NumberFormat("en-GB");
const DAY = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", timeZone: "UTC" });
const LONG_DAY = new Intl.DateTimeFormat("en-GB", { weekday: "short", day: "numeric", month: "short", timeZone: "UTC" });
const MONTH = new Intl.DateTimeFormat("en-GB", { month: "short", year: "numeric", timeZone: "UTC" });
const DATE = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric" });
const MOMENT = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "short" });

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY_MS = 24 * HOUR;

export const NONE = "–";

export const number = (value) => NUMBER.format(value);

export const plural = (value, one, many = `${one}s`) => `${number(value)} ${value === 1 ? one : many}`;

export function points(value) {
  const rounded = Math.round(value);
  return rounded < 0 ? `−${-rounded}` : String(Math.abs(rounded));
}

export const signed = (value) => (Math.round(value) > 0 ? `+${points(value)}` : points(value));

export function percent(part, whole) {
  if (!whole) return NONE;
  const share = (100 * part) / whole;
  if (share > 0 && share < 1) return "<1 %";
  return share < 100 && share > 99 ? ">99 %" : `${Math.round(share)} %`;
}

export const shortDay = (moment) => DAY.format(moment);
export const longDay = (moment) => LONG_DAY.format(moment);
export const exactly = (moment) => MOMENT.format(moment);

export function ago(moment, now) {
  const past = now - moment;
  if (past < MINUTE) return "just now";
  if (past < HOUR) return `${Math.floor(past / MINUTE)} min ago`;
  if (past < DAY_MS) return `${Math.floor(past / HOUR)} h ago`;
  if (past < 14 * DAY_MS) return `${plural(Math.floor(past / DAY_MS), "day")} ago`;
  return DATE.format(moment);
}

export function due(moment, now) {
  const left = moment - now;
  const span = Math.abs(left);
  const words =
    span < HOUR ? `${Math.floor(span / MINUTE)} min` : span < 2 * DAY_MS ? `${Math.floor(span / HOUR)} h` : plural(Math.floor(span / DAY_MS), "day");
  return left < 0 ? `${words} overdue` : `in ${words}`;
}

// How long a window is, as in "the month before".
export const spanName = (window) => (window.kind === "calendar" ? window.name.split(".")[0] : windowName(window));

export function windowName(window) {
  if (window.kind === "all_time") return "All time";
  if (window.kind === "calendar") return periodName(...window.name.split("."));
  const hours = Math.round((new Date(window.end) - new Date(window.start)) / HOUR);
  return hours <= 48 ? plural(hours, "hour") : plural(Math.round(hours / 24), "day");
}

function periodName(kind, label) {
  const [year, part] = [label.slice(0, 4), label.slice(5)];
  if (kind === "week") return `Week ${Number(part.slice(1))}`;
  if (kind === "quarter") return `${part} ${year}`;
  if (kind === "month") return MONTH.format(new Date(`${label}-01T00:00:00Z`));
  return kind === "day" ? DAY.format(new Date(`${label}T00:00:00Z`)) : year;
}

const readable = (text) => text.replaceAll("_", " ");
const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);

export function segmentName(segment) {
  if (segment === "all") return { key: "", value: "All answers" };
  const [key, ...rest] = segment.split("=");
  const value = rest.join("=");
  return { key: capital(readable(key)), value: key === "channel" ? channelName(value) : value };
}

export function segmentTitle(segment) {
  const { key, value } = segmentName(segment);
  return key ? `${key}: ${value}` : value;
}

const SPELT = { sms: "SMS", nps_platform: "NPS platform", "": "Unknown channel" };

export const channelName = (channel) => SPELT[channel ?? ""] ?? capital(readable(channel));

// An id may be any text that somebody else chose: in a command it must stay one word.
export function shellWord(text) {
  const quoted = /^[\w.:@/-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
  return text.startsWith("-") ? `-- ${quoted}` : quoted;
}

// The newest first: by when each was received, then by the order of arrival.
export function newestFirst(one, other) {
  const [at, order] = one.place;
  const [otherAt, otherOrder] = other.place;
  return at === otherAt ? otherOrder - order : at < otherAt ? 1 : -1;
}
