// Rangkiang: a page that says that the device is offline, and the files which it needs; never a page of anybody.
"use strict";
const NAME = "shell-__VERSION__";
const OFFLINE = "/offline";
const FILES = __FILES__;
self.addEventListener("install", (event) => {
  // Without cookies: what is kept is the same for everybody on the device.
  const requests = [OFFLINE, ...FILES].map((path) => new Request(path, { credentials: "omit" }));
  event.waitUntil(caches.open(NAME).then((cache) => cache.addAll(requests)).then(() => self.skipWaiting()));
});
self.addEventListener("activate", (event) => {
  const others = (names) => Promise.all(names.filter((name) => name !== NAME).map((name) => caches.delete(name)));
  event.waitUntil(Promise.all([
    caches.keys().then(others),
    // The request goes out while this file is being started.
    self.registration.navigationPreload?.enable(),
  ]).then(() => self.clients.claim()));
});
const kept = (path) => caches.match(path, { ignoreVary: true });
const open = async (event) => {
  try {
    return (await event.preloadResponse) || (await fetch(event.request));
  } catch {
    return (await kept(OFFLINE)) || Response.error();
  }
};
self.addEventListener("fetch", (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.method !== "GET" || url.origin !== location.origin) return;
  if (request.mode === "navigate") event.respondWith(open(event));
  else if (FILES.includes(url.pathname)) {
    event.respondWith(kept(url.pathname).then((file) => file || fetch(request)));
  }
});
