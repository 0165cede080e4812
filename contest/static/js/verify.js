// The check of a published round in the visitor's own browser: starts the worker that recomputes it
// and says in words what it has found.

const STEPS = {
  files: ({ count }) => `${count} tệp đúng như mã SHA-256 của bản công bố`,
  seed: () => "Hạt giống và bộ câu hỏi đúng như mã đã công bố trước khi vòng thi mở",
  times: ({ count }) => `Thời hạn và thời gian làm bài của ${number(count)} lượt thi`,
  papers: ({ count, all }) =>
    count < all
      ? `${number(count)} đề thi chọn ngẫu nhiên trong ${number(all)}: rút lại và chấm lại đúng`
      : `Tất cả ${number(all)} đề thi: rút lại và chấm lại đúng`,
  counted: ({ count }) => `Lượt được tính của ${number(count)} người`,
  truth: () => "Kết quả câu dự đoán",
  standings: ({ count }) => `Thứ tự và hạng của ${number(count)} người`,
  prizes: ({ count }) => `${number(count)} giải thưởng, kể cả bốc thăm`,
  units: () => "Xếp hạng đơn vị",
};
const ALL = Object.keys(STEPS).length;

function number(value) {
  return new Intl.NumberFormat("vi-VN").format(value);
}

// Starts the check that `section` asks for; its button has been pressed.
export function start(section, button) {
  const result = section.querySelector("[data-verify-result]");
  const list = section.querySelector("[data-verify-steps]");
  const bar = section.querySelector("progress");
  const say = (text, kind) => {
    result.textContent = text;
    result.className = kind ? `notice is-${kind}` : "";
  };
  if (!globalThis.crypto?.subtle || !globalThis.Worker) {
    say("Trình duyệt này không tự kiểm tra được (cần kết nối https). Bạn có thể tải bộ dữ liệu và chạy verify.py.", "warning");
    return;
  }
  button.disabled = true;
  list.replaceChildren();
  bar.hidden = false;
  bar.value = 0;
  say("Đang tải và tính lại…");
  const worker = new Worker(section.dataset.worker);
  let done = 0;
  const finish = (text, kind) => {
    worker.terminate();
    button.disabled = false;
    bar.hidden = true;
    say(text, kind);
  };
  worker.addEventListener("error", () => finish("Việc kiểm tra bị dừng. Bạn hãy thử lại.", "warning"));
  worker.addEventListener("message", ({ data }) => {
    if (data.done) {
      finish("Khớp: trình duyệt của bạn đã tính lại từ đầu và cho đúng kết quả được công bố.", "success");
    } else if (data.offline) {
      finish("Mất kết nối mạng nên chưa tải được bộ dữ liệu. Bạn hãy thử lại.", "warning");
    } else if (data.difference) {
      const { file, row, column, expected, found } = data.difference;
      const where = [file && `tệp ${file}`, row && `dòng ${row}`, column && `cột ${column}`].filter(Boolean).join(", ");
      finish(`Không khớp ở ${where || "bộ dữ liệu"}: tính lại được “${expected}”, bản công bố ghi “${found}”.`, "error");
    } else if (STEPS[data.step]) {
      const item = document.createElement("li");
      item.textContent = STEPS[data.step](data);
      list.append(item);
      done += 1;
      bar.value = done / ALL;
    } else {
      bar.value = (done + (data.part ?? 0)) / ALL;
    }
  });
  worker.postMessage({ base: new URL(section.dataset.base, location.href).href, digest: section.dataset.digest });
}
