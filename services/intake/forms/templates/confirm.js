(() => {
  const form = document.forms[0];
  const kinds = ["pointermove", "pointerdown", "keydown", "wheel"];
  const stop = () => kinds.forEach((kind) => removeEventListener(kind, moved));
  async function moved(event) {
    if (!event.isTrusted || document.visibilityState !== "visible") return;
    // browsers report a pointer that lies where the page appears, and has not moved
    if (event.type === "pointermove" && !event.movementX && !event.movementY) return;
    stop();
    const body = new URLSearchParams({ score: form.dataset.score });
    const told = await fetch(form.action, { method: "POST", body, keepalive: true, redirect: "manual" }).catch(() => 0);
    if (told.type === "opaqueredirect") document.querySelector("[role=status]").textContent = form.dataset.noted;
  }
  kinds.forEach((kind) => addEventListener(kind, moved, { passive: true }));
  form.addEventListener("submit", stop);
})();
