// Keeps the place in the line fresh and opens the paper when it is this person's turn. The person
// pressed start; still, nobody's clock begins behind their back: a page out of sight waits for them.

const box = document.getElementById("waiting");
const form = document.getElementById("start");
const LONGEST_WAIT = 60;
const TITLE = document.title;
let failures = 0;
let isCalled = false;

function write(id, text) {
  const place = document.getElementById(id);
  if (place.textContent !== text) place.textContent = text;
}

function plan(seconds) {
  setTimeout(look, seconds * 1000);
}

function begin() {
  if (document.hidden) {
    document.title = `Đến lượt bạn! ${TITLE}`;
    return;
  }
  form.requestSubmit ? form.requestSubmit() : form.submit();
}

// Asked again later and later, each page at a moment of its own, so that the server can get up.
function fail(response) {
  failures += 1;
  const longest = Math.min(LONGEST_WAIT, 4 * 2 ** Math.min(failures, 4));
  const asked = Number(response?.headers.get("Retry-After")) || 0;
  write("waiting-note", "Máy chủ đang bận hoặc mất mạng. Chỗ của bạn vẫn được giữ; trang tự thử lại.");
  plan(Math.max(asked, longest / 2) + (Math.random() * longest) / 2);
}

async function look() {
  let response;
  let answer;
  try {
    response = await fetch(box.dataset.place, { headers: { Accept: "application/json" } });
    if (response.ok) answer = await response.json();
  } catch { /* no network */ }
  if (response?.status === 404) {
    // The ticket is lost, or was for another visit: the page itself knows better.
    location.reload();
    return;
  }
  if (!answer) {
    fail(response);
    return;
  }
  if (failures) write("waiting-note", "Đã nối lại được với máy chủ. Chỗ của bạn vẫn như cũ.");
  failures = 0;
  if (answer.called) {
    isCalled = true;
    write("ahead", "0 người");
    write("when", "đến lượt bạn");
    form.hidden = false;
    begin();
    return;
  }
  write("ahead", `${answer.ahead.toLocaleString("vi-VN")} người`);
  write("when", answer.when);
  plan(answer.look_in);
}

document.addEventListener("visibilitychange", () => {
  if (!isCalled || document.hidden) return;
  document.title = TITLE;
  begin();
});
write("at-the-turn", "Khi đến lượt, bài thi tự mở nếu trang này đang hiện trên màn hình; nếu không, trang chờ bạn quay lại.");
plan(Number(box.dataset.lookIn));
