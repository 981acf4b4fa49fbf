// Rangkiang: keys, copying, sharing. Pages are whole without it.
(() => {
  "use strict";
  const stored = (name, value) => {
    try {
      if (value === undefined) return localStorage.getItem(name);
      localStorage.setItem(name, value);
    } catch { /* a browser that keeps nothing */ }
    return null;
  };

  // Keys: / searches, j and k walk through hits; WCAG 2.1.4 wants a way to turn them off.
  const keysOff = () => stored("keys") === "off";
  const links = () => [...document.querySelectorAll(".hit :is(h2, h3) a, .headings > li > a, .standing a")];
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || keysOff()) return;
    if (event.target.closest("input, textarea, select, [contenteditable]")) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    if (event.key === "/") {
      const box = document.getElementById("q");
      if (!box) return;
      event.preventDefault();
      box.focus();
      box.select();
    } else if (event.key === "j" || event.key === "k") {
      const all = links();
      const at = all.indexOf(document.activeElement);
      const next = all[event.key === "j" ? at + 1 : at < 0 ? all.length - 1 : at - 1];
      if (next) {
        next.focus();
        next.scrollIntoView({ block: "center", behavior: "auto" });
      }
    }
  });

  const help = document.querySelector("[data-keys]");
  if (help && matchMedia("(hover: hover) and (pointer: fine)").matches) {
    const turn = help.querySelector("[data-keys-off]");
    const say = () => { turn.textContent = keysOff() ? turn.dataset.on : turn.dataset.off; };
    turn.addEventListener("click", () => { stored("keys", keysOff() ? "on" : "off"); say(); });
    say();
    help.hidden = false;
  }

  // What has been done is announced to those who do not see it.
  const announce = (text) => {
    const place = document.querySelector(".announcement");
    place.textContent = "";
    setTimeout(() => { place.textContent = text; }, 50);
  };
  const mark = (element) => {
    element.classList.add("done");
    setTimeout(() => element.classList.remove("done"), 2000);
  };

  // Copying: only where the browser lets us; elsewhere the text can be selected with one touch.
  if (navigator.clipboard) {
    for (const button of document.querySelectorAll("[data-copy]")) {
      button.hidden = false;
      button.addEventListener("click", async () => {
        await navigator.clipboard.writeText(button.parentElement.querySelector(".copied").textContent);
        mark(button);
        announce(button.dataset.done);
      });
    }
  }

  for (const button of document.querySelectorAll("[data-print]")) {
    button.hidden = false;
    button.addEventListener("click", () => print());
  }

  // Sharing: the phone's own sheet, where there is one; else the link is copied, and the ways to send it are shown.
  for (const each of document.querySelectorAll("[data-share]")) {
    const data = { title: each.dataset.title || document.title, url: each.dataset.share };
    if (each.matches("button")) {
      if (!navigator.share) continue;
      each.hidden = false;
      each.addEventListener("click", () => { navigator.share(data).catch(() => {}); });
      continue;
    }
    each.querySelector("summary").addEventListener("click", (event) => {
      if (navigator.share) {
        event.preventDefault();
        navigator.share(data).catch(() => {});
      } else if (!each.open && navigator.clipboard) {
        navigator.clipboard.writeText(data.url).then(() => { mark(each); announce(each.dataset.done); }, () => {});
      }
    });
  }
  const close = () => {
    for (const each of document.querySelectorAll(".acts details[open]")) each.open = false;
  };
  for (const each of document.querySelectorAll(".acts details")) {
    each.addEventListener("toggle", () => {
      if (each.open) each.querySelector(".copyable").scrollIntoView({ block: "nearest", behavior: "auto" });
    });
  }
  document.addEventListener("click", (event) => { if (!event.target.closest(".acts")) close(); });
  document.addEventListener("keydown", (event) => {
    const opened = event.key === "Escape" && document.querySelector(".acts details[open]");
    if (!opened) return;
    const inside = opened.contains(document.activeElement);
    close();
    if (inside) opened.querySelector("summary").focus();
  });

  // A page that the service worker shows in the place of another: that one is opened as soon as it can be.
  if (document.querySelector("[data-offline]") && location.pathname !== "/offline") {
    const retry = () => fetch("/api/v1/health/live").then((reply) => { if (reply.ok) location.reload(); }, () => {});
    addEventListener("online", retry);
    setInterval(retry, 10000);
  }

  // Browsers offer service workers on https and on this machine alone; this one keeps no pages.
  if (navigator.serviceWorker && !navigator.connection?.saveData) {
    addEventListener("load", () => {
      (window.requestIdleCallback || setTimeout)(() => navigator.serviceWorker.register("/sw.js").catch(() => {}));
    });
  }
  addEventListener("beforeinstallprompt", (event) => {
    const button = document.querySelector("[data-install]");
    if (!button) return;
    event.preventDefault();
    button.hidden = false;
    button.addEventListener("click", () => event.prompt());
  });
})();
