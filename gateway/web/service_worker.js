// Rangkiang: caches the offline page and its files, but no other page; shows the card that a member has kept on this
// device, and erases it at sign-out; and shows push notices for which the member has subscribed on this device.
"use strict";
const NAME = "shell-__VERSION__";
const OFFLINE = "/offline";
const FILES = __FILES__;
// static/card.js stores a card under this and the member's mark.
const CARD = "card-";
const eraseCards = async () => {
  const names = (await caches.keys()).filter((name) => name.startsWith(CARD));
  await Promise.all(names.map((name) => caches.delete(name)));
};
self.addEventListener("install", (event) => {
  // Without cookies, so that the cached page is the same for all users of the device.
  const requests = [OFFLINE, ...FILES].map((path) => new Request(path, { credentials: "omit" }));
  event.waitUntil(caches.open(NAME).then((cache) => cache.addAll(requests)).then(() => self.skipWaiting()));
});
self.addEventListener("activate", (event) => {
  const others = (names) => Promise.all(names.filter((name) => name !== NAME && !name.startsWith(CARD)).map((name) => caches.delete(name)));
  event.waitUntil(Promise.all([
    caches.keys().then(others),
    // The browser sends the request while it starts this worker.
    self.registration.navigationPreload?.enable(),
  ]).then(() => self.clients.claim()));
});
const kept = (path) => caches.match(path, { ignoreVary: true });
const open = async (event) => {
  try {
    return (await event.preloadResponse) || (await fetch(event.request));
  } catch {
    const isAccount = new URL(event.request.url).pathname.startsWith("/account");
    return (isAccount && (await kept("/account/card"))) || (await kept(OFFLINE)) || Response.error();
  }
};
self.addEventListener("fetch", (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.method === "POST" && url.pathname === "/sign-out") event.waitUntil(eraseCards());
  if (request.method !== "GET" || url.origin !== location.origin) return;
  if (request.mode === "navigate") event.respondWith(open(event));
  else if (url.pathname.startsWith("/static/")) {
    event.respondWith(kept(url.pathname).then((file) => file || fetch(request)));
  }
});
self.addEventListener("push", (event) => {
  let notice = {};
  try {
    notice = event.data.json() || {};
  } catch { /* browsers require a notification for each message */ }
  const { title, body, tag, lang, url } = notice;
  const options = { body: body || "", tag, lang, icon: "/icons/192.png", data: { url } };
  event.waitUntil(self.registration.showNotification(title || "Perpustakaan", options));
});
self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  const account = new URL("/account", location.origin);
  let target = account;
  try {
    target = new URL(event.notification.data.url || account);
  } catch { /* no valid URL */ }
  event.waitUntil(self.clients.openWindow((target.origin === location.origin ? target : account).href));
});
