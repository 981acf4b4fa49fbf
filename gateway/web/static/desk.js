// The desk: scans are queued and sent one after the other, each with its own key, so that none is lost or done twice.
// The page works without this file, one form at a time.
(() => {
  "use strict";
  const form = document.getElementById("scan");
  if (!form) return;
  const box = document.getElementById("code");
  const list = document.getElementById("outcomes");
  const queue = [];
  const MOST_SHOWN = 60;
  const RETRY_SECONDS = [1, 2, 4, 8];
  let isWorking = false;
  let isPaused = false;
  document.body.classList.add("live");
  document.getElementById("keys").hidden = false;

  // Not crypto.randomUUID, which needs https or localhost.
  const newKey = () => [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  const wait = (seconds) => new Promise((resolve) => setTimeout(resolve, seconds * 1000));

  // Sounds: short and high for done, long and low for refused.
  const sound = document.getElementById("sound");
  let audio = null;
  const stored = (value) => {
    try {
      if (value === undefined) return localStorage.getItem("desk-sound");
      localStorage.setItem("desk-sound", value);
    } catch { /* storage is not available */ }
    return null;
  };
  sound.setAttribute("aria-pressed", String(stored() !== "off"));
  sound.addEventListener("click", () => {
    const isOn = sound.getAttribute("aria-pressed") !== "true";
    sound.setAttribute("aria-pressed", String(isOn));
    stored(isOn ? "on" : "off");
    box.focus();
  });
  const TONES = { done: [[880, 0, 0.08]], look: [[660, 0, 0.1], [660, 0.15, 0.1]], refused: [[220, 0, 0.2], [180, 0.22, 0.35]] };
  const beep = (tone) => {
    if (sound.getAttribute("aria-pressed") !== "true" || !window.AudioContext) return;
    try {
      audio ||= new AudioContext();
      for (const [pitch, start, length] of TONES[tone] || []) {
        const source = audio.createOscillator();
        const volume = audio.createGain();
        volume.gain.value = 0.15;
        source.frequency.value = pitch;
        source.connect(volume).connect(audio.destination);
        source.start(audio.currentTime + start);
        source.stop(audio.currentTime + start + length);
      }
    } catch { /* sound is not available */ }
  };

  const field = (name) => form.elements.namedItem(name);
  const line = (tone, word, code) => {
    const entry = document.createElement("li");
    entry.className = `outcome ${tone}`;
    entry.dataset.tone = tone;
    const heading = document.createElement("p");
    heading.className = "word";
    heading.textContent = word;
    const number = document.createElement("p");
    number.className = "call";
    number.textContent = code;
    entry.append(heading, number);
    return entry;
  };
  const place = (entry) => {
    list.prepend(entry);
    while (list.children.length > MOST_SHOWN) list.lastElementChild.remove();
  };

  const enqueue = (fields, shown) => {
    const act = { fields, key: newKey(), entry: line("waiting", form.dataset.waiting, shown), tries: 0 };
    place(act.entry);
    queue.push(act);
    if (isPaused) resume();
    else work();
  };

  const work = async () => {
    if (isWorking || isPaused) return;
    isWorking = true;
    while (queue.length && !isPaused) {
      const act = queue[0];
      if (act.mode) {
        setMode(act.mode);
        queue.shift();
        continue;
      }
      const state = await send(act);
      if (state === "again") {
        if (act.tries === 2) {
          act.entry.querySelector(".word").textContent = form.dataset.away;
          beep("look");
        }
        await wait(RETRY_SECONDS[Math.min(act.tries++, RETRY_SECONDS.length - 1)]);
      } else if (state === "ended") {
        pause(act);
      } else {
        queue.shift();
      }
    }
    isWorking = false;
  };

  // Returns "done", "again" (the result is unknown, or try later) or "ended" (the session has ended).
  const send = async (act) => {
    const body = new URLSearchParams();
    for (const [name, value] of act.fields) if (name !== "csrf" && name !== "key") body.append(name, value);
    if (!body.has("mode")) body.append("mode", field("mode").value);
    if (!body.has("member")) body.append("member", field("member").value);
    body.append("csrf", field("csrf").value);
    body.append("key", act.key);
    body.append("part", "1");
    let response;
    let text;
    try {
      response = await fetch("/desk", { method: "POST", body, headers: { Accept: "text/html" }, redirect: "manual" });
      text = response.type === "opaqueredirect" ? "" : await response.text();
    } catch {
      return "again";
    }
    if ([429, 502, 503, 504].includes(response.status)) return "again";
    if (response.type === "opaqueredirect" || response.status === 401) return "ended";
    const part = new DOMParser().parseFromString(text, "text/html");
    if (part.body.dataset.member === undefined) {
      if (response.status === 403) return "ended";
      const reason = part.querySelector("main p:not(.status)");
      show(act, line("refused", form.dataset.failed, `${act.entry.lastElementChild.textContent} ${reason ? reason.textContent : ""}`));
      return "done";
    }
    show(act, document.importNode(part.querySelector("li.outcome"), true));
    field("member").value = part.body.dataset.member;
    setMode(part.body.dataset.mode);
    const panel = document.getElementById("borrower");
    const hadFocus = panel.contains(document.activeElement);
    panel.replaceWith(document.importNode(part.getElementById("borrower"), true));
    if (hadFocus) box.focus();
    return "done";
  };

  const show = (act, entry) => {
    for (const old of list.querySelectorAll("[data-reason]")) if (!old.value) old.closest("form").remove();
    act.entry.replaceWith(entry);
    beep(entry.dataset.tone);
  };

  const setMode = (mode) => {
    if (field("mode").value === mode) return;
    field("mode").value = mode;
    for (const link of document.querySelectorAll("[data-mode]")) {
      if (link.dataset.mode === mode) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
    for (const hint of document.querySelectorAll("[data-hint]")) hint.hidden = hint.dataset.hint !== mode;
  };

  const pause = (act) => {
    isPaused = true;
    const notice = line("refused", form.dataset.ended, "");
    const again = document.createElement("button");
    again.type = "button";
    again.className = "button";
    again.textContent = form.dataset.again;
    again.addEventListener("click", resume);
    notice.append(again);
    notice.id = "paused";
    place(notice);
    beep("refused");
    act.tries = 0;
  };

  // After a new sign-in, the forms of this page need the token of the new session.
  const resume = async () => {
    try {
      const response = await fetch(location.pathname, { headers: { Accept: "text/html" }, redirect: "manual" });
      const fresh = new DOMParser().parseFromString(response.ok ? await response.text() : "", "text/html").querySelector("#scan [name=csrf]");
      if (!fresh) return;
      field("csrf").value = fresh.value;
    } catch {
      return;
    }
    document.getElementById("paused")?.remove();
    isPaused = false;
    box.focus();
    work();
  };

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const code = box.value.trim();
    box.value = "";
    box.focus();
    if (code) enqueue([["code", code]], code);
  });

  document.addEventListener("submit", (event) => {
    if (!event.target.matches("form[data-desk]")) return;
    event.preventDefault();
    const button = event.submitter;
    const fields = [...new FormData(event.target, button)];
    enqueue(fields, button ? button.textContent.trim() : "");
    // Remove the choices, so that the same choice is not sent twice.
    if (list.contains(event.target)) (event.target.closest(".choices") || event.target).remove();
    box.focus();
  });

  const finish = () => {
    box.value = "";
    box.focus();
    enqueue([["act", "finish"]], "");
  };
  // Queued scans keep the mode in which they were scanned.
  const turnTo = (mode) => {
    if (queue.length) queue.push({ mode });
    else setMode(mode);
    box.focus();
  };
  const keys = {
    u: () => { turnTo("lend"); if (field("member").value || queue.length) finish(); },
    k: () => turnTo("return"),
    b: () => turnTo("read_here"),
    o: () => list.querySelector("[data-reason]")?.focus(),
    c: () => document.getElementById("slip")?.click(),
    t: () => list.querySelector("[data-fast-add]")?.focus(),
  };

  window.addEventListener("keydown", (event) => {
    if (event.altKey && !event.ctrlKey && !event.metaKey) {
      const act = keys[event.key.toLowerCase()] || keys[event.code.replace("Key", "").toLowerCase()];
      if (act) {
        event.preventDefault();
        event.stopImmediatePropagation();
        act();
      }
      return;
    }
    if (event.ctrlKey || event.metaKey) return;
    if (event.key === "Escape") {
      event.preventDefault();
      event.stopImmediatePropagation();
      if (document.activeElement !== box || box.value) {
        box.value = "";
        box.focus();
      } else if (field("member").value || queue.length) {
        finish();
      }
    } else if (event.key === "Tab" && !event.shiftKey && event.target === box && box.value) {
      // Some scanners end a code with Tab. In an empty box, Tab moves the focus.
      event.preventDefault();
      form.requestSubmit();
    } else if (event.key.length === 1 && !event.target.closest("input, textarea, select") && (event.key !== " " || event.target === document.body)) {
      // A scan that begins while another element has the focus goes into the box.
      event.stopImmediatePropagation();
      box.focus();
    }
  }, true);

  for (const link of document.querySelectorAll("a[data-mode]")) {
    link.addEventListener("click", (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      turnTo(link.dataset.mode);
    });
  }
  window.addEventListener("beforeunload", (event) => {
    if (queue.length) event.preventDefault();
  });
})();
