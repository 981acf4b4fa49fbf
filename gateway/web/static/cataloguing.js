// Pages of cataloguing, which work without this file: headings of a record are completed from the catalogue's lists,
// what is typed is kept as a draft, and the progress of a task is followed.
(() => {
  "use strict";
  const WAIT = 200;
  let timer, request;
  for (const box of document.querySelectorAll("[data-headings]")) {
    const list = document.getElementById(`headings-${box.dataset.headings}`);
    if (!list) continue;
    box.setAttribute("list", list.id);
    box.addEventListener("input", () => {
      clearTimeout(timer);
      if (box.value.trim().length < 2) return;
      timer = setTimeout(async () => {
        if (request) request.abort();
        request = new AbortController();
        try {
          const reply = await fetch(`/catalogue/headings?kind=${box.dataset.headings}&q=${encodeURIComponent(box.value)}`, { signal: request.signal });
          if (reply.ok) list.innerHTML = await reply.text();
        } catch { /* without completions the text is typed */ }
      }, WAIT);
    });
  }

  // What is typed is kept as a draft on the server, so that a closed browser loses nothing.
  const form = document.querySelector("form[data-draft]");
  if (form) {
    const state = document.getElementById("draft-state");
    const PAUSE = 3000;
    let pause, changed = false, sent = false;
    const keep = async (keepalive) => {
      clearTimeout(pause);
      if (!changed || sent) return;
      changed = false;
      const body = new URLSearchParams(new FormData(form));
      body.set("act", "draft");
      body.set("part", "1");
      try {
        const reply = await fetch(form.action, { method: "POST", body, keepalive, redirect: "manual" });
        if (reply.status !== 204) throw new Error(String(reply.status));
        const time = new Date().toLocaleTimeString(document.documentElement.lang, { hour: "2-digit", minute: "2-digit" });
        state.textContent = `${form.dataset.saved} ${time}`;
      } catch {
        changed = true;
        state.textContent = form.dataset.failed;
      }
    };
    form.addEventListener("input", () => {
      changed = true;
      clearTimeout(pause);
      pause = setTimeout(keep, PAUSE, false);
    });
    form.addEventListener("submit", () => { sent = true; clearTimeout(pause); });
    document.addEventListener("visibilitychange", () => { if (document.hidden) keep(true); });
  }

  // Only the progress of a task is replaced, so that focus and refusals stay. At its end, the report is shown.
  const task = document.querySelector("[data-follow]");
  if (task) {
    const progress = document.getElementById("progress");
    const timer = setInterval(async () => {
      if (document.hidden) return;
      try {
        const reply = await fetch(location.pathname, { headers: { Accept: "text/html" }, redirect: "manual" });
        if (!reply.ok) return;
        const fresh = new DOMParser().parseFromString(await reply.text(), "text/html").getElementById("task");
        const now = fresh.querySelector("#progress");
        if (now) {
          if (now.innerHTML !== progress.innerHTML) progress.innerHTML = now.innerHTML;
          return;
        }
        clearInterval(timer);
        const hadFocus = task.contains(document.activeElement);
        task.replaceWith(fresh);
        if (hadFocus) fresh.focus();
      } catch { /* the next one may have an answer */ }
    }, 3000);
  }
})();
