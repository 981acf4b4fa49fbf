// The desk: scans are queued and sent one after the other, each with its own key, so that none is lost or done twice.
// Scans that wait are in localStorage too, without names and typed texts, so that a reload or a power cut loses none.
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
  const LONGEST_WAIT = 12 * 3600 * 1000;
  let isWorking = false;
  let isPaused = false;
  let isRestoring = true;
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

  // Storage: an entry for each page, which holds a lock of the same name while it lives. A page takes over the entries
  // of its account and branch whose pages are gone.
  const PREFIX = "desk-scans/";
  const OWN_PREFIX = `${PREFIX}${form.dataset.account}/${field("branch").value}/`;
  const OWN = OWN_PREFIX + newKey();
  let isStored = true;
  const isNumber = (text) => !/\s/.test(text) && /\d/.test(text);
  const storable = ({ mode, member, key, at, fields, shown }) => {
    if (mode) return { mode, member };
    const typed = !fields || fields.some(([name, value]) => ["reason", "title", "author"].includes(name) || (name === "code" && value && !isNumber(value)));
    return { key, at, fields: typed ? null : fields, shown: isNumber(shown) ? shown : "" };
  };
  const store = () => {
    try {
      if (!queue.length) localStorage.removeItem(OWN);
      else localStorage.setItem(OWN, JSON.stringify({ member: field("member").value, mode: field("mode").value, scans: queue.map(storable) }));
      isStored = queue.every((act) => act.mode || storable(act).fields);
    } catch {
      isStored = false;
    }
  };
  const isFresh = (scan) => scan.mode || Math.abs(Date.now() - scan.at) < LONGEST_WAIT;
  const heldEntries = () => {
    const held = [];
    try {
      for (const name of Object.keys(localStorage).filter((each) => each.startsWith(PREFIX))) {
        const entry = JSON.parse(localStorage.getItem(name));
        if (name.startsWith(OWN_PREFIX)) held.push([name, entry]);
        else if (!entry.scans.some((scan) => !scan.mode && isFresh(scan))) localStorage.removeItem(name);
        else held.push([null, entry]);
      }
    } catch { /* storage is not available */ }
    return held;
  };
  const whenFree = async (name, act) => {
    if (!navigator.locks) return act();
    try {
      await navigator.locks.request(name, { signal: AbortSignal.timeout(2000) }, act);
    } catch { /* another page works on these scans */ }
  };

  const restore = async () => {
    const page = { member: field("member").value, mode: field("mode").value };
    const typed = queue.splice(0);
    const held = heldEntries();
    for (const [name] of held) {
      if (name) await whenFree(name, () => takeOver(name));
    }
    if (queue.length) {
      const entry = line("waiting", form.dataset.waiting, "");
      queue.push({ fields: [["act", "finish"], ["mode", page.mode]], key: newKey(), at: Date.now(), shown: "", entry, tries: 0, isReport: true });
      place(entry);
      if (page.member) queue.push(newAct([["act", "member"], ["code", page.member]], ""));
    }
    if (held.some(([name]) => !name)) place(line("look", form.dataset.others, ""));
    queue.push(...typed);
    isRestoring = false;
    store();
    work();
  };
  const takeOver = (name) => {
    const { member, mode, scans } = JSON.parse(localStorage.getItem(name)) || { scans: [] };
    if (scans.length) queue.push({ mode, member });
    for (const scan of scans) queue.push(scan.mode ? scan : Object.assign(newAct(scan.fields, scan.shown), { key: scan.key, at: scan.at, isOld: true }));
    store();
    localStorage.removeItem(name);
  };

  const newAct = (fields, shown) => {
    const act = { fields, key: newKey(), at: Date.now(), shown, entry: line("waiting", form.dataset.waiting, shown), tries: 0 };
    place(act.entry);
    return act;
  };
  const enqueue = (fields, shown) => {
    queue.push(newAct(fields.filter(([name]) => name !== "csrf" && name !== "key"), shown));
    store();
    if (isPaused) resume();
    else work();
  };
  const isFinish = (act) => (act.fields || []).some(([name, value]) => name === "act" && value === "finish");
  const replayed = { all: 0, refused: 0 };

  const work = async () => {
    if (isWorking || isPaused || isRestoring) return;
    isWorking = true;
    while (queue.length && !isPaused) {
      const act = queue[0];
      if (act.mode) {
        if (act.member !== undefined) field("member").value = act.member;
        setMode(act.mode);
        queue.shift();
        store();
        continue;
      }
      if (!act.fields || !isFresh(act)) {
        // Without the scan before, the borrower is not known.
        if (act.fields) field("member").value = "";
        show(act, line("refused", act.fields ? form.dataset.expired : form.dataset.typed, act.shown));
        queue.shift();
        store();
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
        store();
      }
    }
    isWorking = false;
  };

  // Returns "done", "again" (the result is unknown, or try later) or "ended" (the session has ended).
  const send = async (act) => {
    const body = new URLSearchParams();
    for (const [name, value] of act.fields) body.append(name, value);
    for (const name of ["mode", "member", "branch"]) if (!body.has(name)) body.append(name, field(name).value);
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
    if (queue.slice(1).some(isFinish)) return "done";
    const panel = document.getElementById("borrower");
    const hadFocus = panel.contains(document.activeElement);
    panel.replaceWith(document.importNode(part.getElementById("borrower"), true));
    if (hadFocus) box.focus();
    return "done";
  };

  const show = (act, entry) => {
    for (const old of list.querySelectorAll("[data-reason]")) if (!old.value) old.closest("form").remove();
    beep(entry.dataset.tone);
    const { tone } = entry.dataset;
    if (act.isOld) {
      if (!isFinish(act)) replayed.all += 1;
      if (tone !== "done") replayed.refused += 1;
    } else if (queue.slice(1).some(isFinish)) {
      // The borrower has left: of what nobody has seen yet, only a scan that was not done stays, without its details.
      if (tone === "done") act.entry.remove();
      else act.entry.replaceWith(line(tone, entry.querySelector(".word").textContent, act.shown));
      return;
    }
    if (act.isReport) {
      const { all, refused } = replayed;
      const words = [form.dataset.replayed.replace("{n}", all)];
      if (refused) words.push(form.dataset.look.replace("{n}", refused));
      act.entry.replaceWith(line(refused ? "look" : "done", words.join(" "), ""));
    } else {
      act.entry.replaceWith(entry);
    }
  };
  // Nothing of a borrower stays on the page, except scans that wait.
  const clear = () => {
    const kept = new Set(queue.map((act) => act.entry));
    for (const entry of [...list.children]) if (!kept.has(entry) && entry.id !== "paused") entry.remove();
    document.getElementById("borrower").replaceChildren();
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
    document.getElementById("paused")?.remove();
    const notice = line("refused", form.dataset.ended, "");
    const signIn = document.createElement("a");
    signIn.className = "button";
    signIn.href = "/sign-in?back=%2Fdesk";
    signIn.textContent = form.dataset.signIn;
    const again = document.createElement("button");
    again.type = "button";
    again.className = "button";
    again.textContent = form.dataset.again;
    again.addEventListener("click", resume);
    const ways = document.createElement("p");
    ways.className = "keys-row";
    ways.append(signIn, again);
    notice.append(ways);
    notice.id = "paused";
    place(notice);
    beep("refused");
    act.tries = 0;
  };

  // After a new sign-in, the forms of this page need the token of the new session. Scans wait for their own account.
  const resume = async () => {
    try {
      const response = await fetch(location.pathname, { headers: { Accept: "text/html" }, redirect: "manual" });
      const fresh = new DOMParser().parseFromString(response.ok ? await response.text() : "", "text/html").getElementById("scan");
      if (!fresh) return;
      if (fresh.dataset.account !== form.dataset.account) {
        document.querySelector("#paused .word").textContent = form.dataset.other;
        return;
      }
      field("csrf").value = fresh.elements.namedItem("csrf").value;
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
    if (isFinish({ fields })) return finish();
    enqueue(fields, button ? button.textContent.trim() : "");
    // Remove the choices, so that the same choice is not sent twice.
    if (list.contains(event.target)) (event.target.closest(".choices") || event.target).remove();
    box.focus();
  });

  const finish = () => {
    box.value = "";
    box.focus();
    enqueue([["act", "finish"]], "");
    clear();
  };
  // Queued scans keep the mode in which they were scanned.
  const turnTo = (mode) => {
    if (queue.length) queue.push({ mode });
    else setMode(mode);
    store();
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
      } else {
        clear();
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
    if (!isStored) event.preventDefault();
  });

  // The address of the page and its links do not keep the borrower, for the browser's history.
  const opened = new URLSearchParams(location.search).get("member");
  if (opened) {
    const withoutMember = (address) => address.replace(/member(=|%3D)[0-9a-z-]+(&|%26)?/i, "");
    history.replaceState(null, "", withoutMember(location.pathname + location.search).replace(/\?$/, ""));
    for (const link of document.querySelectorAll(":is(header, footer, .place) a")) link.setAttribute("href", withoutMember(link.getAttribute("href")));
  }
  navigator.locks?.request(OWN, () => new Promise(() => { /* until the page is gone */ }));
  restore();
})();
