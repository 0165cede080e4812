// Shows an item beside its form as it is typed. Without this script the button "Xem trước" does it.

const form = document.querySelector("[data-item-form]");
const preview = form.querySelector("[data-item-preview]");
const parts = (name) => [...preview.querySelectorAll(`[data-preview="${name}"]`)];

// The few tags that are allowed are left out here; the server shows them.
function plain(text) {
  return text.replace(/<br\s*\/?>|<\/?(p|li)>/gi, " ").replace(/<\/?[a-z]+>/gi, "").replace(/\s+/g, " ").trim();
}

// As the server does: options left empty are left out, and the letters move up.
function written() {
  return parts("option")
    .map((_, place) => ({
      text: plain(form.elements[`option_${place}`].value),
      isRight: form.elements[`is_right_${place}`].checked,
      isPinned: form.elements[`is_pinned_${place}`].checked,
    }))
    .filter((option) => option.text);
}

function draw() {
  const options = written();
  parts("stem")[0].textContent = plain(form.elements.stem.value);
  parts("picture")[0].hidden = Boolean(form.elements.is_picture_removed?.checked);
  parts("hint")[0].hidden = form.elements.kind.value !== "multiple";
  parts("option").forEach((row, place) => {
    const option = options[place];
    row.hidden = !option;
    row.classList.toggle("is-key", Boolean(option?.isRight));
    row.querySelector('[data-preview="text"]').textContent = option?.text ?? "";
    row.querySelector('[data-preview="key"]').hidden = !option?.isRight;
    row.querySelector('[data-preview="pinned"]').hidden = !option?.isPinned;
  });
}

form.addEventListener("input", draw);
