// Makes and changes elements. Text only ever goes in as text.

export const byId = (id) => document.getElementById(id);

export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) made.setAttribute(name, "");
    else if (value !== false && value != null) made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child != null));
  return made;
}

export function setText(target, text) {
  if (target.textContent !== text) target.textContent = text;
}

export function setVariables(target, variables) {
  for (const [name, value] of Object.entries(variables)) target.style.setProperty(`--${name}`, value);
}

// Children by key: those that stay are changed in place, so that nothing under a finger or a screen reader is replaced.
export function keyed(parent, items, keyOf, make, change) {
  const known = new Map([...parent.children].map((child) => [child.dataset.key, child]));
  items.forEach((item, index) => {
    const key = String(keyOf(item));
    let child = known.get(key);
    known.delete(key);
    if (!child) {
      child = make(item);
      child.dataset.key = key;
    }
    change(child, item);
    if (parent.children[index] !== child) parent.insertBefore(child, parent.children[index] ?? null);
  });
  for (const child of known.values()) child.remove();
}

export function command(text) {
  const code = element("code", {}, text);
  const copy = element("button", { type: "button", class: "plain", "aria-label": `Copy: ${text}` }, "Copy");
  copy.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text);
      copy.textContent = "Copied";
      setTimeout(() => (copy.textContent = "Copy"), 1600);
    } catch {
      getSelection().selectAllChildren(code); // no clipboard without https: the text is selected instead
    }
  });
  return element("div", { class: "command" }, code, copy);
}
