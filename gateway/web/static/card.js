// Rangkiang: the member's card is stored on this device by choice, and shown by the service worker without a connection.
(() => {
  "use strict";
  const part = document.querySelector("[data-card]");
  const name = `card-${part.dataset.card}`;
  const isCopy = "copy" in part.dataset;
  const status = part.querySelector("[data-status]");
  const show = (state) => {
    for (const each of part.querySelectorAll("[data-when]")) each.hidden = each.dataset.when !== state;
  };
  const say = (event) => { status.textContent = status.dataset[event]; status.hidden = false; };
  if (!window.caches || !navigator.serviceWorker) return show("unsupported");

  const keep = async () => {
    await navigator.serviceWorker.register("/sw.js");
    await navigator.serviceWorker.ready;
    const reply = await fetch("/account/card/device", { cache: "no-store" });
    if (!reply.ok || reply.redirected) throw new Error(`status ${reply.status}`);
    // Another member may have signed in since this page was opened.
    if (!(await reply.clone().text()).includes(part.dataset.card)) throw new Error("another member's card");
    const cache = await caches.open(name);
    await cache.addAll(part.dataset.files.split(" "));
    await cache.put("/account/card", reply);
  };
  const turn = async (act, event, state) => {
    try {
      await act();
      show(state);
      say(event);
    } catch {
      say("failed");
    }
  };
  part.querySelector("[data-keep]")?.addEventListener("click", () => turn(keep, "kept", "kept"));
  part.querySelector("[data-erase]")?.addEventListener("click", () => {
    turn(() => caches.delete(name), "erased", isCopy ? "" : "absent");
  });
  caches.has(name).then((isKept) => {
    show(isKept ? "kept" : isCopy ? "" : "absent");
    // The card may have changed since: another end of the membership, another number.
    if (isKept && !isCopy) keep().catch(() => {});
  });
})();
