// Says while one types what the settings mean and what the bank has for them. Without this script the
// button "Xem trước" does it: this asks for the same page and takes its sentences over.

const PAUSE = 400;
const form = document.querySelector("[data-live-form]");
let waiting = 0;
let asked = 0;

async function refresh() {
  const number = ++asked;
  const fields = new FormData(form);
  fields.set("preview", "yes");
  let answer;
  try {
    answer = await fetch(form.action, { method: "POST", body: fields });
  } catch {
    return; // the network is away: what stands there stays
  }
  if (!answer.ok || number !== asked) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  if (number !== asked) return;
  for (const fresh of page.querySelectorAll("[data-live]")) {
    const shown = form.querySelector(`[data-live="${CSS.escape(fresh.dataset.live)}"]`);
    if (!shown || shown.innerHTML === fresh.innerHTML) continue;
    shown.replaceChildren(...fresh.childNodes);
    shown.className = fresh.className;
  }
}

form.addEventListener("input", () => {
  clearTimeout(waiting);
  waiting = setTimeout(refresh, PAUSE);
});
