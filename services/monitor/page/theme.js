// Sets light or dark before the first paint where somebody has chosen; else the system decides.
try {
  const chosen = localStorage.getItem("theme");
  if (chosen) document.documentElement.dataset.theme = chosen;
} catch {
  // storage is closed to us: the system decides
}
