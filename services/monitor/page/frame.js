// What every page has around it: light or dark, the version, the tenants and the way to the other page.

import { byId, element } from "./elements.js";

export function startTheme(repaint = () => {}) {
  byId("theme").addEventListener("click", () => {
    const dark = document.documentElement.dataset.theme
      ? document.documentElement.dataset.theme === "dark"
      : matchMedia("(prefers-color-scheme: dark)").matches;
    const chosen = dark ? "light" : "dark";
    document.documentElement.dataset.theme = chosen;
    try {
      localStorage.setItem("theme", chosen);
    } catch {
      // storage is closed to us: it holds until the page is closed
    }
    repaint();
  });
}

export async function tellVersion() {
  const { version } = await (await fetch("/version")).json();
  byId("version").textContent = version;
}

export function showTenants(tenants, chosen) {
  const select = byId("tenant");
  const known = JSON.stringify(tenants);
  if (select.dataset.known !== known) {
    select.dataset.known = known;
    select.replaceChildren(...tenants.map(({ tenant, title }) => element("option", { value: tenant }, title)));
  }
  if (chosen) select.value = chosen;
}

// The other page shows the same tenant.
export function linkAcross(tenant) {
  const link = byId("across");
  link.href = `${link.pathname}?${new URLSearchParams({ tenant })}`;
}
