/* Runs before the first paint, so that a chosen theme never flashes the other one. Without a choice: the system's. */
try {
  const chosen = localStorage.getItem("beknown-theme");
  if (chosen) document.documentElement.dataset.theme = chosen;
} catch { /* storage is blocked: the system's theme it is */ }
