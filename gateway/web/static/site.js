// Rangkiang: keys, copying, sharing. Pages work without this file.
(() => {
  "use strict";
  const stored = (name, value) => {
    try {
      if (value === undefined) return localStorage.getItem(name);
      localStorage.setItem(name, value);
    } catch { /* storage is not available */ }
    return null;
  };

  // Keys: / focuses the search box, j and k select hits. WCAG 2.1.4 requires a way to turn them off.
  const keysOff = () => stored("keys") === "off";
  const links = () => [...document.querySelectorAll(".hit :is(h2, h3) a, .headings > li > a, .standing a")];
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || keysOff()) return;
    if (event.target.closest("input, textarea, select, [contenteditable]")) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    if (event.key === "/") {
      const field = document.getElementById("q");
      if (!field) return;
      event.preventDefault();
      field.focus();
      field.select();
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

  // Alt+N adds a book, from every page of a cataloguer.
  const newBook = document.querySelector("[data-new-book]");
  if (newBook) {
    document.addEventListener("keydown", (event) => {
      if (!event.altKey || event.ctrlKey || event.metaKey || event.code !== "KeyN" || event.defaultPrevented) return;
      event.preventDefault();
      newBook.click();
    });
  }

  // Parts of a page that are loaded later.
  for (const part of document.querySelectorAll("[data-load]")) {
    fetch(part.dataset.load).then(async (reply) => {
      if (reply.ok) part.innerHTML = await reply.text();
    }).catch(() => { /* the part has a link to the same content */ });
  }

  // Suggestions: the search box becomes a combobox with a list (WAI-ARIA). Choosing an option opens its page.
  const box = document.getElementById("q");
  const list = document.getElementById("suggestions");
  if (box && list && window.fetch) {
    const said = document.getElementById("suggested");
    let timer, request, active = -1;
    const options = () => [...list.children];
    for (const [name, value] of [["role", "combobox"], ["aria-autocomplete", "list"], ["aria-controls", list.id], ["aria-expanded", "false"]]) {
      box.setAttribute(name, value);
    }
    const choose = (at) => {
      active = at;
      options().forEach((option, place) => option.setAttribute("aria-selected", String(place === at)));
      const option = options()[at];
      if (!option) return box.removeAttribute("aria-activedescendant");
      box.setAttribute("aria-activedescendant", option.id);
      option.scrollIntoView({ block: "nearest" });
    };
    const show = (open) => {
      list.hidden = !open;
      box.setAttribute("aria-expanded", String(open));
      if (!open) choose(-1);
    };
    const close = () => {
      clearTimeout(timer);
      if (request) request.abort();
      show(false);
      said.textContent = "";
    };
    const suggest = async () => {
      if (request) request.abort();
      request = new AbortController();
      try {
        const reply = await fetch(`/suggest?q=${encodeURIComponent(box.value)}`, { signal: request.signal });
        if (!reply.ok) return close();
        list.innerHTML = await reply.text();
      } catch { return; }
      const count = options().length;
      if (document.activeElement !== box) return;
      show(count > 0);
      said.textContent = count ? (count === 1 ? list.dataset.one : list.dataset.many.replace("{n}", count)) : "";
    };
    const open = (option) => { location.href = option.dataset.href; };
    box.addEventListener("input", () => {
      clearTimeout(timer);
      choose(-1);
      if (box.value.trim().length < 2) close();
      else timer = setTimeout(suggest, 150);
    });
    box.addEventListener("keydown", (event) => {
      if (event.isComposing) return;
      const all = options();
      if ((event.key === "ArrowDown" || event.key === "ArrowUp") && all.length && !event.altKey) {
        event.preventDefault();
        if (list.hidden) show(true);
        // Between the last and the first option, no option is active.
        const places = all.length + 1;
        choose((active + 1 + (event.key === "ArrowDown" ? 1 : places - 1)) % places - 1);
      } else if (event.key === "Enter" && active >= 0 && !list.hidden) {
        event.preventDefault();
        open(all[active]);
      } else if (["Home", "End", "ArrowLeft", "ArrowRight"].includes(event.key)) {
        choose(-1); // the key moves the caret in the text
      } else if (event.key === "Escape" && !list.hidden) {
        event.preventDefault();
        close();
      }
    });
    box.addEventListener("blur", close);
    list.addEventListener("pointerdown", (event) => event.preventDefault()); // keeps the focus in the box
    list.addEventListener("click", (event) => {
      const option = event.target.closest("[role=option]");
      if (option) open(option);
    });
    addEventListener("pagehide", close);
  }

  const help = document.querySelector("[data-keys]");
  if (help && matchMedia("(hover: hover) and (pointer: fine)").matches) {
    const turn = help.querySelector("[data-keys-off]");
    const say = () => { turn.textContent = keysOff() ? turn.dataset.on : turn.dataset.off; };
    turn.addEventListener("click", () => { stored("keys", keysOff() ? "on" : "off"); say(); });
    say();
    help.hidden = false;
  }

  // Screen readers announce the result of an action.
  const announce = (text) => {
    const place = document.querySelector(".announcement");
    place.textContent = "";
    setTimeout(() => { place.textContent = text; }, 50);
  };
  const mark = (element) => {
    element.classList.add("done");
    setTimeout(() => element.classList.remove("done"), 2000);
  };

  // Copy buttons: only if the browser allows copying; otherwise one touch selects the text.
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

  // A slip prints as it opens; its tab, which the desk opened, closes after that.
  if (document.querySelector("[data-print-now]")) {
    addEventListener("afterprint", () => { if (history.length === 1) window.close(); });
    addEventListener("load", () => print());
  }

  // Sharing: the device's share sheet if available; otherwise the link is copied, and ways to send it are shown.
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

  // The offline page in place of another page: reload the other page when the server is available.
  if (document.querySelector("[data-offline]") && location.pathname !== "/offline") {
    const retry = () => fetch("/api/v1/health/live").then((reply) => { if (reply.ok) location.reload(); }, () => {});
    addEventListener("online", retry);
    setInterval(retry, 10000);
  }

  // A card on this device is that of the member who is signed in, until the sign-out; the offline page links it.
  if (window.caches) {
    const cards = async () => (await caches.keys()).filter((name) => name.startsWith("card-"));
    const erase = async (kept) => (await cards()).forEach((name) => { if (name !== kept) caches.delete(name); });
    const { own } = document.body.dataset;
    if (own) erase(`card-${own}`);
    document.querySelector("form[action='/sign-out']")?.addEventListener("submit", () => { erase(""); });
    const link = document.querySelector("[data-kept-card]");
    if (link) cards().then((names) => { link.hidden = !names.length; });
  }

  // Browsers allow service workers only over https and on localhost. This one caches only the offline page.
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
