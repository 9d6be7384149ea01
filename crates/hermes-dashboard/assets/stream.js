// One event stream for all pages of a browser, because a browser opens few connections to one host. It runs as a SharedWorker, or
// within each page if the browser has none. A hidden page holds no stream.
"use strict";
(() => {
  // Twice the interval of the keep-alive event `pulse`.
  const SILENCE = 20000;
  const RETRY = 2000;
  // A visible page sends a message every 15 s. A page without messages for this time has crashed.
  const CRASHED = 60000;
  // Pages that change within this time share one new stream.
  const SETTLE = 30;

  // The visible pages, each with its version, its agent and the agent whose log it follows.
  const pages = new Map();
  let base = "";
  let source = null;
  let settling;
  let watchdog;
  let again;

  function postToAll(event, data, id) {
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
    const list = (names) => [...new Set(names.filter(Boolean))].map(encodeURIComponent).join(",");
    const since = Math.min(...all.map((page) => page.since));
    source = new EventSource(base + "api/events?since=" + since + "&logs=" + list(all.map((page) => page.log)) + "&pages=" + list(all.map((page) => page.agent)));
    const events = ["row", "gone", "all", "trouble", "well", "pulse", "log-tail", "log-lines", "log-trouble"];
    for (const name of events) {
      source.addEventListener(name, (event) => { watch(); postToAll(name, JSON.parse(event.data), Number(event.lastEventId)); });
    }
    source.addEventListener("logout", () => { close(); postToAll("logout", null, 0); });
    source.onopen = () => { watch(); postToAll("pulse", null, 0); };
    source.onerror = () => {
      postToAll("lost", null, 0);
      // A browser gives up if the answer was no stream. Then this script tries again.
      if (source && source.readyState === EventSource.CLOSED) retry();
    };
    watch();
  }
  function watch() {
    clearTimeout(watchdog);
    watchdog = setTimeout(() => { postToAll("lost", null, 0); retry(); }, SILENCE);
  }
  function retry() {
    close();
    again = setTimeout(async () => {
      // The error of a stream has no status. The answer to a request has one.
      try {
        const answer = await fetch(base + "api/facts", { headers: { accept: "application/json" } });
        if (answer.status === 401) { postToAll("logout", null, 0); return; }
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
        // A new stream sends the events that the new page missed. The other pages get them again, which changes nothing.
        const known = Math.max(-1, ...[...pages.values()].map((page) => page.since));
        pages.set(port, { since: data.since, agent: data.agent, log: data.log, seen: Date.now() });
        settle(data.since < known || Boolean(data.agent) || pages.size === 1);
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
