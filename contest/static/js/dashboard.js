// Keeps the figures of an open dashboard fresh: one small request every ten seconds, none while the
// page is hidden. Without this script the page shows the figures of the moment it was asked for.

const EVERY_MS = 10_000;
const page = document.querySelector("[data-figures-url]");
let timer = 0;

async function refresh() {
  const response = await fetch(page.dataset.figuresUrl, { headers: { Accept: "application/json" } });
  // Signed out, or the round is gone: the page stays as it is, and asking again would not help.
  if (response.status === 401 || response.status === 404) return false;
  if (!response.ok) return true;
  const { figures, alerts } = await response.json();
  for (const place of document.querySelectorAll("[data-figure]")) {
    const text = figures[place.dataset.figure];
    if (text !== undefined && place.textContent !== text) place.textContent = text;
  }
  // Only when they differ, or a screen reader would read the same alerts out every time.
  const shown = document.querySelector("[data-alerts]");
  const fresh = document.createElement("template");
  fresh.innerHTML = alerts;
  if (fresh.content.textContent.trim() !== shown.textContent.trim()) shown.replaceChildren(fresh.content);
  return true;
}

async function tick() {
  let goOn = true;
  try {
    goOn = await refresh();
  } catch {
    // No network: the next turn tries again.
  }
  if (goOn) plan();
}

function plan() {
  clearTimeout(timer);
  if (!document.hidden) timer = setTimeout(tick, EVERY_MS);
}

if (page) {
  document.addEventListener("visibilitychange", plan);
  plan();
}
