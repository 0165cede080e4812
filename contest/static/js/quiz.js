// Shows the plain form one question at a time, saves the whole sheet after every change, keeps it
// on this device until the server has it, and submits the form. The server decides everything.

// Without dialogs (phones before 2022) the plain form is the better page.
if (!window.HTMLDialogElement) throw new Error("plain form");

const $ = (id) => document.getElementById(id);
const form = $("quiz");
const facts = form.dataset;

const DEBOUNCE = 800;
const SPACING = 300; // the server refuses a second sheet within 250 ms
const PATIENCE = 15000;
const LONGEST_WAIT = 30000;
const LARGEST_PREDICTION = 2 ** 31 - 1;

const SUBMIT_LATER = "Chưa nộp được bài. Bài sẽ tự nộp khi nối lại được với máy chủ; bạn để nguyên trang này.";
const TOO_LATE = "Hết giờ khi chưa nối được với máy chủ. Bài của bạn được tự nộp với các câu trả lời đã lưu trên máy chủ.";
const MADE_GOOD = "Thời gian hệ thống gián đoạn được ghi lại để Ban Tổ chức xem xét bù giờ.";
const LONG_TROUBLE = 20000;

function make(tag, text, attributes = {}) {
  const element = document.createElement(tag);
  element.textContent = text;
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

function clockTime(moment) {
  return new Date(moment).toLocaleTimeString("vi-VN", { timeZone: "Asia/Ho_Chi_Minh", hour12: false });
}

// -- The answers on the page

// Browsers may bring back what was ticked before a reload; only the server and the outbox count.
form.reset();

const inputs = [...form.querySelectorAll(".choice input")];
const questions = [...form.querySelectorAll("[data-position]")];
const predictionBox = $("prediction");
const total = questions.length;

function answered(question) {
  return question.querySelector("input:checked") !== null;
}

function answeredCount() {
  return questions.filter(answered).length;
}

function chosenNow() {
  const responses = {};
  for (const input of inputs) {
    if (input.checked) (responses[input.name.slice(1)] ??= []).push(input.value);
  }
  return responses;
}

// null for an empty box, undefined for what is no number.
function predictionNow() {
  const text = predictionBox ? predictionBox.value.replace(/[\s%]/g, "") : "";
  if (!text) return null;
  let value;
  if ("percentage" in predictionBox.dataset) {
    const parts = /^(\d{1,3})(?:[,.](\d{1,5}))?$/.exec(text);
    if (parts) value = Number(parts[1]) * 1e5 + Number((parts[2] || "").padEnd(5, "0"));
    if (value > 1e7) return undefined;
  } else if (/^\d{1,3}(\.\d{3})+$|^\d+$/.test(text)) {
    value = Number(text.replace(/\./g, ""));
  }
  return value <= LARGEST_PREDICTION ? value : undefined;
}

function predictionText(value) {
  if (value === null || value === undefined) return "";
  if (!("percentage" in predictionBox.dataset)) return String(value);
  return `${Math.floor(value / 1e5)},${String(value % 1e5).padStart(5, "0")}`;
}

function contentNow() {
  return { responses: chosenNow(), prediction: predictionNow() ?? null };
}

function showContent({ responses, prediction }) {
  for (const input of inputs) {
    input.checked = (responses[input.name.slice(1)] || []).includes(input.value);
  }
  if (predictionBox) predictionBox.value = predictionText(prediction);
}

function differences(other) {
  const mine = contentNow();
  const labels = (sheet, position) => [...(sheet.responses[position] || [])].sort().join();
  const names = questions
    .map((question) => question.dataset.position)
    .filter((position) => labels(mine, position) !== labels(other, position))
    .map((position) => `câu ${position}`);
  if (predictionBox && mine.prediction !== other.prediction) names.push("câu dự đoán");
  return names;
}

// -- The outbox: what the server may not have yet
// At most two sheets: one that an earlier visit sent without hearing back, to be sent again as it
// was, and the newest. One seq of an editor names one sheet for ever, so a sheet that has been on
// its way is never changed; a newer one takes its place.

const key = `sheet:${facts.attempt}`;
// Made here, because a browser may bring the page itself back from its cache.
const editor = Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) => (byte % 36).toString(36)).join("");
let base = Number(facts.seq); // the newest seq known to be stored
let lastSeq = base;
let queue = [];
let acknowledged = null;
let isKept = true; // the outbox outlives the page

function recallOutbox() {
  try {
    const { sheets } = JSON.parse(localStorage.getItem(key)) || { sheets: [] };
    // What was never sent becomes this visit's, but keeps its base: the server may have moved on.
    return sheets
      .filter((sheet) => sheet.shape === facts.shape)
      .map((sheet) => (sheet.attempted ? sheet : { ...sheet, editor }));
  } catch {
    return [];
  }
}

function keepOutbox() {
  try {
    if (queue.length) localStorage.setItem(key, JSON.stringify({ attempt: facts.attempt, sheets: queue }));
    else localStorage.removeItem(key);
    isKept = true;
  } catch {
    isKept = false; // a private window, or a full phone: then only the page and the server have the answers
  }
}

function whereKept() {
  return isKept
    ? "Câu trả lời vẫn được giữ trên máy này và sẽ tự gửi lại."
    : "Câu trả lời vẫn còn trên trang này và sẽ tự gửi lại; bạn đừng đóng hay tải lại trang.";
}

function stage() {
  let tail = queue[queue.length - 1];
  if (!tail || tail.attempted) {
    if (tail && tail.editor === editor) queue.pop();
    tail = { seq: ++lastSeq, base, editor, shape: facts.shape, attempted: false };
    queue.push(tail);
  }
  Object.assign(tail, contentNow());
  keepOutbox();
  return tail;
}

// The server holds this seq now: what has not been sent yet builds on it.
function buildOn(seq) {
  base = seq;
  lastSeq = Math.max(lastSeq, seq);
  for (const sheet of queue) {
    if (sheet.attempted) continue;
    sheet.base = base;
    if (sheet.seq <= base) sheet.seq = ++lastSeq;
  }
  keepOutbox();
}

// -- Sending

let inFlight = null;
let timer = 0;
let notBefore = 0;
let failures = 0;
let failingSince = 0;
let paused = false; // waits for the person: a question is open, sign in, reload
let closed = false; // the attempt takes no more answers
let submitting = false; // the person or the clock wants it in
let leaving = false; // the form is on its way

function schedule(delay) {
  clearTimeout(timer);
  timer = setTimeout(send, Math.max(delay, notBefore - performance.now()));
}

function put(sheet, signal) {
  const { attempted, ...body } = sheet;
  sheet.attempted = true;
  keepOutbox();
  return fetch(facts.save, {
    method: "PUT",
    keepalive: true, // a page that is being closed still sends
    signal,
    headers: { "Content-Type": "application/json", Accept: "application/json", "X-CSRFToken": facts.csrf },
    body: JSON.stringify(body),
  });
}

async function send(again = null) {
  const sheet = queue[0] || again;
  if (!sheet || inFlight || paused || closed || leaving) return;
  clearTimeout(timer);
  inFlight = sheet;
  const abort = new AbortController();
  const limit = setTimeout(() => abort.abort(), PATIENCE);
  let response;
  let answer;
  try {
    response = await put(sheet, abort.signal);
    answer = await response.json().catch(() => null);
  } catch { /* no network */ }
  clearTimeout(limit);
  if (inFlight !== sheet) return; // the page has begun anew meanwhile
  inFlight = null;
  notBefore = performance.now() + SPACING;
  if (leaving) return;
  understand(sheet, response, answer);
}

function understand(sheet, response, answer) {
  const status = response?.status || 0;
  const wait = 1000 * response?.headers.get("Retry-After") || 0;
  if (status === 200 && typeof answer?.stored === "boolean") {
    recovered(answer.stored);
    setClock(answer.remaining_ms);
    if (over && answer.remaining_ms > 5000) {
      // The deadline was moved while the page could not hear of it.
      over = submitting = form.inert = false;
    }
    if (answer.stored) stored(sheet, answer);
    else stale(sheet, answer);
  } else if (status === 401) {
    stop(`Bạn cần đăng nhập lại để lưu bài. ${isKept ? "Câu trả lời vẫn được giữ trên máy này." : "Câu trả lời chỉ còn trên trang này: bạn đăng nhập ở một thẻ khác rồi quay lại đây."}`, "Đăng nhập", facts.login);
  } else if (status === 403 || status === 404) {
    // A new session, or somebody else's on this device: the answers wait for their owner.
    stop("Phiên làm việc đã thay đổi. Câu trả lời vẫn được giữ trên máy này; bạn vui lòng tải lại trang.", "Tải lại", location.href);
  } else if (status === 409) {
    end(answer || {});
  } else if (status === 429) {
    notBefore = performance.now() + (wait || 1000);
    schedule(0);
  } else if (status >= 400 && status < 500) {
    refused();
  } else if (queue.length) {
    // No network, a busy server, or a hotspot's own page in between.
    if (!failures) failingSince = performance.now();
    failures += 1;
    const longest = Math.min(LONGEST_WAIT, 1000 * 2 ** Math.min(failures - 1, 5));
    notBefore = performance.now() + Math.max(wait, longest / 2) + (Math.random() * longest) / 2;
    schedule(0);
    saveState(navigator.onLine ? "Chưa lưu được" : "Mất mạng", "waiting");
    sayTrouble(status);
  }
}

// What is known of the trouble, and no more: a phone without a network knows it; whether an answer that
// did not come is the network's or the server's fault, it does not.
function sayTrouble(status) {
  let what = "Chưa nối được với máy chủ: mạng yếu hoặc hệ thống đang tạm gián đoạn.";
  if (!navigator.onLine) what = "Mất mạng.";
  else if (status) what = "Máy chủ đang bận.";
  if (over) {
    say(TOO_LATE);
    return;
  }
  const parts = [what, submitting ? `${whereKept()} ${SUBMIT_LATER}` : whereKept()];
  if (navigator.onLine && performance.now() - failingSince > LONG_TROUBLE) parts.push(MADE_GOOD);
  say(parts.join(" "));
}

function recovered(isStored) {
  const long = failures && performance.now() - failingSince > LONG_TROUBLE;
  failures = 0;
  say("");
  if (long && isStored) note("Đã nối lại được với máy chủ; câu trả lời của bạn đã được lưu.");
}

function stored(sheet, answer) {
  acknowledged = sheet;
  queue = queue.filter((other) => other.seq !== sheet.seq || other.editor !== sheet.editor);
  buildOn(answer.seq);
  if (queue.length) {
    schedule(0);
    return;
  }
  saved(answer);
  if (submitting) submitForm();
}

function stale(sheet, answer) {
  const theirs = answer.sheet;
  if (theirs.editor === sheet.editor && answer.seq > sheet.seq) {
    // A late answer: the same page has stored a newer sheet.
    queue = queue.filter((other) => other !== sheet);
    buildOn(answer.seq);
    if (sheet.editor !== editor && !queue.length) showContent(theirs);
    else if (!queue.length && differences(theirs).length) stage();
    if (queue.length) schedule(0);
    else saved(answer);
    redraw();
    return;
  }
  const different = differences(theirs);
  const useTheirs = () => {
    queue = [];
    showContent(theirs);
    buildOn(answer.seq);
    saved(answer);
    redraw();
    if (submitting) submitForm();
  };
  const keepMine = () => {
    queue = [];
    buildOn(answer.seq);
    stage();
    schedule(0);
  };
  if (!different.length) {
    useTheirs();
    return;
  }
  // Past the deadline nobody is there to choose; the server keeps what it has.
  if (over) {
    submitForm();
    return;
  }
  submitting = false;
  const theirCount = Object.values(theirs.responses).filter((labels) => labels.length).length;
  ask("Bài đã được lưu từ thiết bị khác", [
    `Trên thiết bị kia: ${theirCount}/${total} câu đã trả lời, lưu lúc ${clockTime(answer.saved_at)}.`,
    `Trên máy này: ${answeredCount()}/${total} câu đã trả lời.`,
    `Khác nhau ở ${different.join(", ")}.`,
  ], [
    { label: "Dùng bài đã lưu trên thiết bị kia", run: useTheirs, quiet: true },
    { label: "Giữ câu trả lời trên máy này", run: keepMine, quiet: true },
  ]);
}

// The server cannot read this sheet. The next change is a new sheet and gets its own try.
function refused() {
  queue = [];
  stage();
  saveState("Chưa lưu được", "stuck");
  say("Máy chủ chưa nhận được câu trả lời. Câu trả lời vẫn được giữ trên máy này; bạn vui lòng tải lại trang. Nếu vẫn vậy, bạn báo Ban Tổ chức.", "Tải lại", location.href);
}

function end(answer) {
  closed = true;
  clearTimeout(timer);
  queue = [];
  keepOutbox();
  const when = answer.saved_at ? ` lúc ${clockTime(answer.saved_at)}` : "";
  const texts = {
    submitted: ["Bài này đã được nộp", "Câu trả lời chọn sau khi nộp không được tính."],
    deadline_passed: ["Đã hết giờ làm bài", `Bài của bạn được chấm với các câu trả lời đã lưu${when}.`],
    voided: ["Lượt thi này đã được hủy", "Ban Tổ chức đã hủy lượt thi này. Bạn xem lý do ở trang kết quả."],
  };
  const [title, text] = texts[answer.code] || texts.submitted;
  ask(title, [answer.stored ? "Câu trả lời của bạn đã được lưu đầy đủ." : text], [{ label: "Xem kết quả", href: facts.result }]);
}

// After the page was out of sight: the clock may have stood still, the attempt gone on elsewhere.
let lookedAt = -Infinity;
async function lookAgain() {
  if (closed || leaving || performance.now() - lookedAt < 5000) return;
  lookedAt = performance.now();
  if (queue.length) {
    schedule(0);
  } else if (acknowledged) {
    send(acknowledged);
  } else {
    // Nothing was saved from here, so there is no sheet to ask with.
    try {
      const response = await fetch(location.href);
      if (!response.ok) return;
      const page = new DOMParser().parseFromString(await response.text(), "text/html");
      const fresh = page.getElementById("quiz");
      if (queue.length || inFlight) return;
      if (!fresh || Number(fresh.dataset.seq) !== base) location.reload();
      else setClock(Number(fresh.dataset.remainingMs));
    } catch { /* the next change will tell */ }
  }
}

// -- What the page says

const bar = $("save-state");
const alertBox = $("quiz-alert");

function saveState(text, state = "") {
  bar.textContent = text;
  bar.className = `save-state${state ? ` is-${state}` : ""}`;
}

function saved(answer) {
  saveState(`Đã lưu lúc ${clockTime(answer.saved_at)}`, "saved");
}

function announce(text) {
  $("announce").textContent = text;
}

// Trouble stays until it is mended; a note goes by itself.
let trouble = "";
function say(text, label = "", href = "") {
  if (text === trouble) return;
  trouble = text;
  show(text);
  if (label) alertBox.append(" ", make("a", label, { href }));
}

function note(text) {
  if (trouble) {
    announce(text);
    return;
  }
  show(text);
  setTimeout(() => trouble || show(""), 10000);
}

function show(text) {
  alertBox.hidden = !text;
  alertBox.replaceChildren(text);
  announce(text);
}

function stop(text, label, href) {
  paused = true;
  saveState("Chưa lưu được", "stuck");
  say(text, label, href);
}

// A question that must be answered; nothing is sent until it is.
function ask(title, lines, actions) {
  const dialog = $("ask");
  $("map").close();
  paused = true;
  $("ask-title").textContent = title;
  $("ask-text").replaceChildren(...lines.map((line) => make("p", line)));
  $("ask-actions").replaceChildren(...actions.map(({ label, href, run, quiet }) => {
    const style = { class: `button button-wide${quiet ? " button-quiet" : ""}` };
    if (href) return make("a", label, { ...style, href });
    const button = make("button", label, { ...style, type: "button" });
    button.addEventListener("click", () => {
      dialog.close();
      paused = false;
      run();
    });
    return button;
  }));
  if (!dialog.open) dialog.showModal();
}
$("ask").addEventListener("cancel", (event) => event.preventDefault());

// -- The clock

const clock = $("clock");
let endsAt = 0;
let over = false;
let warnings;
// The deadline may have been moved while the page was quiet: ask shortly before the end, not all
// in the same second.
const askAt = 5 + 10 * Math.random();
let asked = false;

// Not by the phone's clock, which may be wrong or be set.
function setClock(remaining, since = performance.now()) {
  if (!Number.isFinite(remaining)) return;
  endsAt = since + remaining;
  warnings = [300, 60].filter((seconds) => remaining > seconds * 1000);
  if (remaining > 30000) asked = false;
  tick();
}

function tick() {
  const left = Math.max(0, Math.ceil((endsAt - performance.now()) / 1000));
  const parts = [Math.floor(left / 60) % 60, left % 60];
  if (left >= 3600) parts.unshift(Math.floor(left / 3600));
  const text = parts.map((part) => String(part).padStart(2, "0")).join(":");
  if (clock.textContent !== text) clock.textContent = text;
  $("quiz-bar").classList.toggle("is-late", left <= 60);
  if (left <= warnings[0]) {
    const minutes = warnings.shift() / 60;
    note(`Còn ${minutes} phút.${minutes === 1 ? " Khi hết giờ, bài sẽ tự nộp." : ""}`);
  }
  if (left <= askAt && !asked) {
    asked = true;
    lookedAt = -Infinity;
    lookAgain();
  }
  if (left === 0 && !over && !closed) timeIsUp();
}

function timeIsUp() {
  over = true;
  form.inert = true;
  $("map").close();
  const count = answeredCount();
  say(`Hết giờ. Đang nộp bài của bạn với ${count}/${total} câu đã trả lời.`);
  // Thousands may run out of time together.
  setTimeout(submit, 2000 * Math.random());
}

// -- Submission

function submit() {
  if (closed || leaving) return;
  submitting = true;
  if (failures || !navigator.onLine) {
    // The form would end on the browser's error page; a save that arrives shows the way.
    stage();
    if (!failures) failingSince = performance.now();
    sayTrouble(0);
    schedule(0);
  } else {
    submitForm();
  }
}

function submitForm() {
  if (closed || leaving) return;
  clearTimeout(timer);
  const sheet = stage();
  sheet.attempted = true;
  keepOutbox();
  leaving = true;
  for (const name of ["seq", "base", "editor"]) form.elements[name].value = sheet[name];
  if (predictionBox) predictionBox.value = predictionText(sheet.prediction);
  form.action = facts.submit;
  form.inert = true;
  saveState("Đang nộp bài…");
  form.submit();
  setTimeout(stayHere, 2 * PATIENCE);
}

// The form did not get through.
function stayHere() {
  leaving = submitting = false;
  inFlight = null;
  form.inert = over;
  saveState("Chưa nộp được", "stuck");
  say("Chưa nộp được bài. Câu trả lời vẫn được giữ trên máy này; bạn bấm Nộp bài lần nữa.");
  if (over) submit();
}

// -- One screen at a time

const screens = [...form.querySelectorAll("[data-screen]")];
const review = screens.length - 1;
const place = `place:${facts.attempt}`;
let at = 0;
let flags = new Set();

function recallPlace() {
  try {
    const kept = JSON.parse(sessionStorage.getItem(place));
    at = Math.min(Math.max(0, kept.at), review) || 0;
    flags = new Set(kept.flags);
  } catch { /* the first visit */ }
}

function keepPlace() {
  try {
    sessionStorage.setItem(place, JSON.stringify({ at, flags: [...flags] }));
  } catch { /* then a reload begins at the first question */ }
}

function screenName(screen) {
  if (screen.dataset.position) return `Câu ${screen.dataset.position}`;
  return screen.id === "review" ? "Xem lại" : "Câu dự đoán";
}

function go(index, focus = true) {
  at = Math.min(Math.max(0, index), review);
  redraw();
  keepPlace();
  if (!focus) return;
  scrollTo(0, 0);
  screens[at].querySelector("[tabindex='-1']").focus({ preventScroll: true });
}

function redraw() {
  const screen = screens[at];
  const position = screen.dataset.position;
  screens.forEach((other) => { other.hidden = other !== screen; });
  // The next question's picture is there before the question is, however slow the line.
  for (const image of screens[at + 1]?.querySelectorAll("img") ?? []) image.loading = "eager";
  $("where").textContent = position ? `Câu ${position}/${total}` : screenName(screen);
  $("quiz-progress").value = answeredCount();
  $("previous").disabled = at === 0;
  $("next").hidden = at === review;
  $("submit-button").hidden = at !== review;
  $("next").firstElementChild.textContent = at === review - 1 ? "Xem lại" : "Tiếp";
  $("flag").hidden = !position;
  $("flag").setAttribute("aria-pressed", String(flags.has(position)));
  if (at === review) drawReview();
  if ($("map").open) drawMap();
}

function jump(screen) {
  const name = screenName(screen);
  const marks = [name];
  const button = make("button", screen.dataset.position || name, { type: "button" });
  const done = screen.dataset.position ? answered(screen) : Number.isInteger(predictionNow());
  button.classList.toggle("is-answered", done);
  marks.push(done ? "đã trả lời" : "chưa trả lời");
  if (flags.has(screen.dataset.position)) {
    button.classList.add("is-flagged");
    marks.push("đã đánh dấu");
  }
  if (screen === screens[at]) button.setAttribute("aria-current", "step");
  button.setAttribute("aria-label", marks.join(", "));
  button.addEventListener("click", () => {
    $("map").close();
    go(screens.indexOf(screen));
  });
  const item = document.createElement("li");
  item.append(button);
  if (!screen.dataset.position) item.className = "is-wide";
  return item;
}

function drawMap() {
  $("map-list").replaceChildren(...screens.slice(0, -1).map(jump));
}

function drawReview() {
  const open = questions.filter((question) => !answered(question));
  const flagged = questions.filter((question) => flags.has(question.dataset.position));
  const list = (some) => {
    const jumps = make("ol", "", { class: "map" });
    jumps.append(...some.map(jump));
    return jumps;
  };
  const names = (some) => some.map((question) => `câu ${question.dataset.position}`).join(", ");
  const parts = [make("p", `Bạn đã trả lời ${total - open.length}/${total} câu.`)];
  if (open.length) {
    const which = open.length <= 6 ? `: ${names(open)}` : "";
    parts.push(make("p", `Còn ${open.length} câu chưa trả lời${which}.`, { class: "missing" }), list(open));
  }
  if (flagged.length) parts.push(make("p", `Bạn đã đánh dấu để xem lại: ${names(flagged)}.`), list(flagged));
  if (predictionBox && predictionNow() === null) parts.push(make("p", "Bạn chưa trả lời câu dự đoán.", { class: "missing" }));
  if (predictionNow() === undefined) parts.push(make("p", "Câu dự đoán chưa phải là một số, nên chưa được tính.", { class: "missing" }));
  $("review-text").replaceChildren(...parts);
}

// -- What the person does

function changed() {
  if (closed || leaving || over) return;
  stage();
  if (!paused && !failures) saveState("Đang lưu…");
  redraw();
  schedule(DEBOUNCE);
}

form.addEventListener("change", changed);
if (predictionBox) {
  const hintId = predictionBox.getAttribute("aria-describedby") || "";
  predictionBox.addEventListener("input", changed);
  predictionBox.addEventListener("change", () => {
    const wrong = predictionNow() === undefined;
    $("prediction-error").hidden = !wrong;
    predictionBox.setAttribute("aria-invalid", String(wrong));
    predictionBox.setAttribute("aria-describedby", [hintId, wrong ? "prediction-error" : ""].join(" ").trim());
  });
}
// Enter in the prediction box would send the form; the buttons are the only way.
form.addEventListener("submit", (event) => {
  event.preventDefault();
  go(at + 1);
});

$("previous").addEventListener("click", () => go(at - 1));
$("next").addEventListener("click", () => go(at + 1));
$("submit-button").addEventListener("click", submit);
$("to-review").addEventListener("click", () => {
  $("map").close();
  go(review);
});
$("flag").addEventListener("click", () => {
  const { position } = screens[at].dataset;
  if (!flags.delete(position)) flags.add(position);
  redraw();
  keepPlace();
});
$("map-button").addEventListener("click", () => {
  $("map").showModal();
  drawMap();
  $("map-list").querySelector("[aria-current]")?.focus();
});
$("map").addEventListener("click", (event) => {
  if (event.target === $("map") || event.target.closest("[data-close]")) $("map").close();
});

document.addEventListener("keydown", (event) => {
  if (event.altKey || event.ctrlKey || event.metaKey || over || document.querySelector("dialog[open]")) return;
  if (event.target === predictionBox) return;
  // Left and right would change the answer of a focused radio button; here they turn the page.
  if (event.key === "ArrowLeft" || event.key === "ArrowRight") {
    event.preventDefault();
    go(at + (event.key === "ArrowLeft" ? -1 : 1));
    return;
  }
  const which = event.key.length === 1 ? "12345678".indexOf(event.key) : -1;
  const letter = event.key.length === 1 ? "abcdefgh".indexOf(event.key.toLowerCase()) : -1;
  const option = screens[at].querySelectorAll(".choice input")[Math.max(which, letter)];
  if (!option) return;
  event.preventDefault();
  option.focus();
  option.click();
});

addEventListener("online", () => {
  notBefore = 0;
  if (queue.length) schedule(500 * Math.random());
});
addEventListener("offline", () => {
  if (!queue.length) return;
  saveState("Mất mạng", "waiting");
  sayTrouble(0);
});
document.addEventListener("visibilitychange", () => {
  if (document.hidden) {
    if (queue.length && !inFlight) send();
  } else {
    // Perhaps the person has signed in elsewhere meanwhile.
    if (!$("ask").open) paused = false;
    lookAgain();
  }
});
addEventListener("pagehide", () => {
  const sheet = queue[0];
  if (sheet && sheet !== inFlight && !paused && !closed && !leaving) put(sheet).catch(() => {});
});
addEventListener("pageshow", (event) => {
  if (!event.persisted) return;
  if (queue.length && !leaving) {
    inFlight = null;
    lookAgain();
  } else {
    location.reload();
  }
});

// -- Start

document.body.classList.add("is-live");
for (const id of ["map-button", "quiz-progress", "quiz-foot"]) $(id).hidden = false;
const [navigation] = performance.getEntriesByType("navigation");
// After "Back" the browser may show the page as it was; the server knows better.
if (navigation?.type === "back_forward") location.reload();
queue = recallOutbox();
if (queue.length) {
  const last = queue[queue.length - 1];
  lastSeq = Math.max(lastSeq, last.seq);
  showContent(last);
  saveState("Đang lưu…");
  schedule(0);
}
recallPlace();
go(at, false);
// From the moment the page began to arrive, which on a slow line is long ago.
setClock(Number(facts.remainingMs), navigation?.responseStart);
setInterval(tick, 250);
