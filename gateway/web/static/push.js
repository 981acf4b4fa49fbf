// Rangkiang: notices on this device (Push API). The browser asks for permission only after a click on the button.
(() => {
  "use strict";
  const part = document.querySelector("[data-push]");
  const form = part?.querySelector("form[data-add]");
  if (!form) return;
  const button = form.querySelector("button");
  const show = (name) => {
    for (const each of part.querySelectorAll("[data-when]")) each.hidden = each.dataset.when !== name;
  };
  if (!navigator.serviceWorker || !window.PushManager || !window.Notification) return show("unsupported");
  show(Notification.permission === "denied" ? "denied" : "");
  form.hidden = false;

  const current = async () => (await navigator.serviceWorker.getRegistration())?.pushManager.getSubscription();
  const mark = async (subscription) => {
    const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(subscription.endpoint));
    return [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  };
  const subscribe = async () => {
    await navigator.serviceWorker.register("/sw.js");
    const { pushManager } = await navigator.serviceWorker.ready;
    const options = { userVisibleOnly: true, applicationServerKey: form.dataset.add };
    try {
      return await pushManager.subscribe(options);
    } catch (problem) {
      // The browser has a subscription with an earlier key of the library.
      const old = await pushManager.getSubscription();
      if (!old) throw problem;
      await old.unsubscribe();
      return pushManager.subscribe(options);
    }
  };

  button.addEventListener("click", async (event) => {
    event.preventDefault();
    button.disabled = true;
    try {
      const answer = await Notification.requestPermission();
      // A member who closes the prompt has not refused, and can click again.
      if (answer !== "granted") return show(answer === "denied" ? "denied" : "");
      const { endpoint, keys } = (await subscribe()).toJSON();
      for (const [name, value] of Object.entries({ endpoint, ...keys })) {
        if (form.elements[name]) form.elements[name].value = value;
      }
      form.submit();
    } catch {
      show("failed");
    } finally {
      button.disabled = false;
    }
  });

  // Mark the entry of this browser; removing the entry also ends the browser's subscription.
  (async () => {
    const subscription = await current();
    if (!subscription) return;
    const own = part.querySelector(`[data-mark="${await mark(subscription)}"]`);
    if (!own) return;
    own.querySelector("[data-here]").hidden = false;
    form.hidden = true;
    own.querySelector("form").addEventListener("submit", async (event) => {
      event.preventDefault();
      await subscription.unsubscribe().catch(() => {});
      event.target.submit();
    });
  })().catch(() => {});
})();
