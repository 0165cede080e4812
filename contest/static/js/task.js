// Follows a task: asks how far it is every second, and shows the page anew when it is over. Without
// this script the page shows how far it was when it was asked for.

const EVERY_MS = 1_000;
const place = document.querySelector("[data-task-url]");
const bar = place.querySelector("progress");
const label = place.querySelector(".progress-label").lastElementChild;

async function follow() {
  try {
    const response = await fetch(place.dataset.taskUrl, { headers: { Accept: "application/json" } });
    if (response.status === 401 || response.status === 404) return;
    if (response.ok) {
      const far = await response.json();
      if (far.is_over) return location.reload();
      bar.max = far.total || 1;
      bar.value = far.done;
      if (label.textContent !== far.text) label.textContent = far.text;
    }
  } catch {
    // No network: the next turn tries again.
  }
  setTimeout(follow, EVERY_MS);
}

setTimeout(follow, EVERY_MS);
