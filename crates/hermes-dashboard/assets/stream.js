// One event stream for all pages of a browser, which has few connections for one host. Runs as a SharedWorker; where there is none,
// within each page. A page that is hidden holds no stream.
"use strict";
(() => {
  // Twice the time after which a quiet stream says that it is alive.
  const SILENCE = 20000;
  const RETRY = 2000;
  // A page that is shown says so every 15 s. One that says nothing for so long has crashed.
  const CRASHED = 60000;
  // Pages that change at one moment make one stream.
  const SETTLE = 30;

  // For each page that is shown: the version of what it shows, and the agent whose log it follows.
  const pages = new Map();
  let base = "";
  let source = null;
  let settling;
  let watchdog;
  let again;

  function tellAll(event, data, id) {
    for (const [port, page] of pages) {
      if (id > page.since) page.since = id;
      if (!event.startsWith("log-") || page.log === data.name) port.postMessage({ event, data, id });
    }
  }
  function close() {
    if (source) source.close();
    source = null;
    clearTimeout(watchdog);
    clearTimeout(again);
  }
  function settle(renew) {
    if (pages.size === 0) { clearTimeout(settling); close(); return; }
    if (!renew && source) return;
    clearTimeout(settling);
    settling = setTimeout(open, SETTLE);
  }
  function open() {
    close();
    if (pages.size === 0) return;
    const all = [...pages.values()];
    const followed = new Set(all.map((page) => page.log).filter(Boolean));
    const since = Math.min(...all.map((page) => page.since));
    source = new EventSource(base + "api/events?since=" + since + "&logs=" + [...followed].map(encodeURIComponent).join(","));
    const events = ["row", "gone", "all", "trouble", "well", "pulse", "log-tail", "log-lines", "log-trouble"];
    for (const name of events) {
      source.addEventListener(name, (event) => { watch(); tellAll(name, JSON.parse(event.data), Number(event.lastEventId)); });
    }
    source.addEventListener("logout", () => { close(); tellAll("logout", null, 0); });
    source.onopen = () => { watch(); tellAll("pulse", null, 0); };
    source.onerror = () => {
      tellAll("lost", null, 0);
      // A browser gives up where the answer was no stream: then it is for us to try again.
      if (source && source.readyState === EventSource.CLOSED) retry();
    };
    watch();
  }
  function watch() {
    clearTimeout(watchdog);
    watchdog = setTimeout(() => { tellAll("lost", null, 0); retry(); }, SILENCE);
  }
  function retry() {
    close();
    again = setTimeout(async () => {
      // A stream says nothing of why it was refused; a request does.
      try {
        const answer = await fetch(base + "api/facts", { headers: { accept: "application/json" } });
        if (answer.status === 401) { tellAll("logout", null, 0); return; }
      } catch { /* still lost */ }
      open();
    }, RETRY);
  }

  function attach(port) {
    port.onmessage = ({ data }) => {
      if (data.kind === "hide") {
        pages.delete(port);
        settle(false);
      } else if (data.kind === "here") {
        const page = pages.get(port);
        if (page) page.seen = Date.now();
      } else {
        base = data.base;
        // What was sent before the page was there is sent again, to all: it is the same for them.
        const known = Math.max(-1, ...[...pages.values()].map((page) => page.since));
        pages.set(port, { since: data.since, log: data.log, seen: Date.now() });
        settle(data.since < known || Boolean(data.log) || pages.size === 1);
      }
    };
  }
  setInterval(() => {
    for (const [port, page] of pages) if (Date.now() - page.seen > CRASHED) pages.delete(port);
    settle(false);
  }, CRASHED / 3);

  if (typeof document === "undefined") globalThis.onconnect = (event) => attach(event.ports[0]);
  else globalThis.hermesStream = attach;
})();
