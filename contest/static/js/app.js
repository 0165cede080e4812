// Text size, countdowns, forms that are sent once, search in long lists. A page without
// this script is complete.

const root = document.documentElement;

const SMALLEST = -1;
const LARGEST = 2;

function setTextSize(size) {
  root.dataset.textSize = String(size);
  for (const button of document.querySelectorAll("[data-text-step]")) {
    const step = Number(button.dataset.textStep);
    button.disabled = (step < 0 && size <= SMALLEST) || (step > 0 && size >= LARGEST);
    if (step === 0) button.setAttribute("aria-pressed", String(size === 0));
  }
}

// Private windows may refuse storage; the choice then lasts for the page.
function textSize() {
  let size = root.dataset.textSize;
  try { size = localStorage.getItem("text-size") ?? size; } catch {}
  return Math.min(LARGEST, Math.max(SMALLEST, Math.round(size) || 0));
}

// Runs before the first paint.
setTextSize(textSize());

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-text-step]");
  if (!button) return;
  const step = Number(button.dataset.textStep);
  const size = step ? Math.min(LARGEST, Math.max(SMALLEST, textSize() + step)) : 0;
  try { localStorage.setItem("text-size", size); } catch {}
  setTextSize(size);
});

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!form.matches("form[data-once]") || event.defaultPrevented) return;
  if (form.dataset.sent) {
    event.preventDefault();
    return;
  }
  form.dataset.sent = "yes";
  // aria-disabled, because a disabled button would not be sent with the form.
  if (event.submitter) event.submitter.setAttribute("aria-disabled", "true");
});
// A page that comes back from the browser's memory may be sent again.
addEventListener("pageshow", (event) => {
  if (!event.persisted) return;
  for (const form of document.querySelectorAll("form[data-sent]")) {
    delete form.dataset.sent;
    for (const button of form.querySelectorAll("[aria-disabled]")) button.removeAttribute("aria-disabled");
  }
});

for (const button of document.querySelectorAll("[data-print]")) {
  button.hidden = false;
  button.addEventListener("click", () => print());
}

// quiz.js keeps answers on this device until the attempt is in or the person chose between two sheets.
function forgetSheet(attempt) {
  try { localStorage.removeItem(`sheet:${attempt}`); } catch {}
}
const result = /^\/attempts\/([^/]+)\/result/.exec(location.pathname);
if (result) forgetSheet(result[1]);
for (const kind of ["click", "submit"]) {
  document.addEventListener(kind, (event) => {
    const chosen = event.target.closest(kind === "click" ? "a[data-forget-sheet]" : "form[data-forget-sheet]");
    if (chosen) forgetSheet(chosen.dataset.forgetSheet);
  });
}

function countdownText(ms) {
  const seconds = Math.max(0, Math.ceil(ms / 1000));
  const days = Math.floor(seconds / 86400);
  const clock = [Math.floor(seconds / 3600) % 24, Math.floor(seconds / 60) % 60, seconds % 60];
  const text = clock.map((part) => String(part).padStart(2, "0")).join(":");
  return days ? `${days} ngày ${text}` : text;
}

// performance.now() and not the phone's clock, which may be wrong or be set.
function startCountdowns() {
  const clocks = [...document.querySelectorAll("[data-countdown-ms]")].map((element) => ({
    element,
    endsAt: performance.now() + Number(element.dataset.countdownMs),
  }));
  if (!clocks.length) return;
  const draw = () => {
    for (const { element, endsAt } of clocks) element.textContent = countdownText(endsAt - performance.now());
  };
  draw();
  setInterval(draw, 1000);
}

function fold(text) {
  return text.normalize("NFD").replace(/[\u0300-\u036f]/g, "").replace(/đ/gi, "d").toLowerCase();
}

// A box above a long <select>; accents need not be typed.
function addSearch(select) {
  const options = [...select.options].map((option) => ({
    option, group: option.parentElement, folded: fold(`${option.textContent} ${option.dataset.also ?? ""}`),
  }));
  const box = document.createElement("input");
  box.type = "search";
  box.className = "select-search input";
  box.autocomplete = "off";
  box.placeholder = select.dataset.search || "Gõ để tìm, không cần dấu";
  box.setAttribute("aria-label", `Tìm trong danh sách: ${select.labels[0]?.textContent.trim() ?? ""}`);
  box.setAttribute("aria-controls", select.id);
  const found = document.createElement("p");
  found.className = "hint";
  found.setAttribute("role", "status");
  box.addEventListener("input", () => {
    const wanted = fold(box.value.trim());
    const chosen = select.value;
    const fits = options.filter(({ option, folded }) => option.value && folded.includes(wanted));
    // Options leave the list altogether: Safari shows hidden ones.
    for (const { option } of options) option.remove();
    for (const { option, group, folded } of options) {
      if (!option.value || folded.includes(wanted)) group.append(option);
    }
    const only = wanted && fits.length === 1 ? fits[0].option.value : chosen;
    if (fits.some(({ option }) => option.value === only)) select.value = only;
    else select.selectedIndex = 0;
    found.textContent = wanted ? (fits.length ? `Có ${fits.length} mục phù hợp.` : "Không có mục nào phù hợp.") : "";
    if (select.value !== chosen) select.dispatchEvent(new Event("change", { bubbles: true }));
  });
  // Enter must not send the form half filled.
  box.addEventListener("keydown", (event) => {
    if (event.key === "Enter") {
      event.preventDefault();
      select.focus();
    }
  });
  select.before(box);
  select.after(found);
}

// What a page waits for is looked for again, less and less often, and not by everybody at once.
function reloadLater() {
  if (!document.querySelector("[data-reload]")) return;
  const name = `reloads:${location.pathname}`;
  const reloads = Number(sessionStorage.getItem(name) || 0);
  sessionStorage.setItem(name, reloads + 1);
  setTimeout(() => location.reload(), Math.min(30000, 1500 * 1.5 ** reloads) * (0.8 + 0.4 * Math.random()));
}

// What few people press is loaded when it is pressed: the module of the address starts there.
function offerModules() {
  for (const section of document.querySelectorAll("[data-module]")) {
    const button = section.querySelector("button");
    button.hidden = false;
    button.addEventListener("click", async () => {
      const { start: begin } = await import(section.dataset.module);
      begin(section, button);
    });
  }
}

function start() {
  setTextSize(textSize());
  offerModules();
  startCountdowns();
  reloadLater();
  for (const select of document.querySelectorAll("select[data-search]")) addSearch(select);
  document.querySelector("[data-focus]")?.focus();
}

if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
else start();
