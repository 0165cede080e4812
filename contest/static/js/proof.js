// Proof of work before a form is sent: the ALTCHA widget works unseen while somebody fills in the form.
// It is loaded at the first touch. Where it can't run, the form goes as it is, into the slow lane.

const PATIENCE = 60_000;
const WORDS = {
  verifying: "Đang kiểm tra chống máy tự động… Bạn cứ điền tiếp.",
  waiting: "Đang kiểm tra, xin chờ vài giây; phiếu tự gửi khi xong.",
  verified: "Đã kiểm tra xong.",
  error: "Chưa kiểm tra được; bạn vẫn có thể bấm gửi.",
};

class Proof {
  constructor(box) {
    this.box = box;
    this.form = box.closest("form");
    this.state = "idle";
    for (const kind of ["focusin", "input", "pointerdown"]) {
      this.form.addEventListener(kind, () => this.begin(), { once: true });
    }
    this.form.addEventListener("submit", (event) => this.hold(event));
    // The browser's memory shows a page whose proof was used.
    addEventListener("pageshow", (event) => {
      if (!event.persisted || !this.widget) return;
      this.state = "idle";
      this.widget.reset();
      this.begin();
    });
    // A form that was refused and comes back, or one with nothing to fill in, need not be touched.
    const isEmpty = !this.form.querySelector("input:not([type=hidden]), select, textarea");
    if (isEmpty || document.querySelector("[data-focus]")) this.begin();
  }

  say(text) {
    this.box.querySelector("[data-proof-state]").textContent = text;
  }

  async begin() {
    if (this.state === "working" || this.state === "verified") return;
    this.state = "working";
    this.say(WORDS[this.held ? "waiting" : "verifying"]);
    try {
      if (!isSecureContext) throw new Error("no Web Crypto without HTTPS");
      this.widget ??= await this.makeWidget();
      await this.widget.verify();
    } catch {
      this.change("error");
    }
  }

  async makeWidget() {
    await import(this.box.dataset.widget);
    // Of this page's own address, as the security policy wants it.
    $altcha.algorithms.set("PBKDF2/SHA-256", () => new Worker(this.box.dataset.worker));
    const widget = document.createElement("altcha-widget");
    const ready = new Promise((resolve) => { widget.addEventListener("load", resolve, { once: true }); });
    widget.addEventListener("statechange", (event) => this.change(event.detail.state));
    widget.hidden = true; // its words are ours to say
    widget.setAttribute("challenge", this.box.dataset.proof);
    widget.setAttribute("display", "invisible");
    widget.setAttribute("language", "vi");
    widget.setAttribute("configuration", JSON.stringify({
      minDuration: 0, hideLogo: true, hideFooter: true, humanInteractionSignature: false, timeout: PATIENCE,
    }));
    this.box.append(widget);
    await ready;
    return widget;
  }

  change(state) {
    if (state === "verified") this.state = "verified";
    else if (state === "error" || state === "expired") this.state = "failed";
    else return;
    this.say(this.state === "verified" ? WORDS.verified : state === "error" ? WORDS.error : "");
    if (state === "expired") this.begin();
    else if (this.held) this.send();
  }

  // Keeps the form back until there is a proof, or there will be none.
  hold(event) {
    if (this.state === "verified" || this.isLast) return;
    event.preventDefault();
    this.held = event.submitter ?? this.form.querySelector("button[type=submit]");
    this.say(WORDS.waiting);
    if (this.state === "failed") this.send();
    else this.begin();
  }

  send() {
    const button = this.held;
    this.held = null;
    this.isLast = true;
    setTimeout(() => { this.form.requestSubmit ? this.form.requestSubmit(button) : this.form.submit(); });
  }
}

for (const box of document.querySelectorAll("[data-proof]")) new Proof(box);
