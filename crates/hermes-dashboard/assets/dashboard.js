// Updates the pages and submits their forms without a new page. Every page also works without this script.
"use strict";
(() => {
  const body = document.body;
  const base = body.dataset.base;
  // Longer than the time-out of the stream itself (stream.js).
  const SILENCE = 30000;

  // --- Messages ---------------------------------------------------------------------------------
  const told = document.getElementById("told");
  function tell(lines, bad) {
    const box = document.createElement("div");
    box.className = "banner " + (bad ? "bad" : "good");
    for (const line of lines) {
      const p = document.createElement("p");
      p.textContent = line;
      box.append(p);
    }
    if (bad) {
      const close = document.createElement("button");
      close.type = "button";
      close.textContent = "Close";
      close.addEventListener("click", () => box.remove());
      box.append(close);
    } else {
      setTimeout(() => box.remove(), 6000);
    }
    told.replaceChildren(box);
  }
  function tellFailure(failure) {
    const lines = [failure.error || "The action failed."];
    for (const cause of failure.causes || []) lines.push("because: " + cause);
    if (failure.hint) lines.push("Hint: " + failure.hint);
    for (const line of (failure.log || []).slice(-5)) lines.push("log: " + line);
    tell(lines, true);
  }

  // --- Streams and lost connections -------------------------------------------------------------
  const banner = document.getElementById("connection");
  let lastWord = Date.now();
  const troubles = new Map();
  function showTroubles() {
    // A deleted agent explains all other problems of its page.
    const first = troubles.get("gone") || troubles.values().next().value;
    const text = first || "";
    if (banner.textContent !== text) banner.textContent = text;
    banner.hidden = !first;
    body.classList.toggle("old", Boolean(first));
  }
  function lost() {
    const since = new Date(lastWord).toLocaleTimeString();
    troubles.set("lost", "The connection to the dashboard is lost. This page shows the state at " + since + ". Trying again…");
    showTroubles();
  }
  function alive() {
    lastWord = Date.now();
    if (troubles.delete("lost")) showTroubles();
  }
  // The handlers of this page for the events of the stream (stream.js), which all pages of the browser share.
  const handlers = {
    pulse: () => {},
    lost,
    logout: () => location.assign(base + "login"),
  };
  function listen(version, log) {
    let since = Number(version);
    let port = null;
    let watchdog;
    function take({ data: { event, data, id } }) {
      if (document.hidden) return;
      if (event !== "lost") alive();
      watch();
      if (id > since) since = id;
      const handle = handlers[event];
      if (handle) handle(data);
    }
    function connect() {
      const within = () => {
        const channel = new MessageChannel();
        globalThis.hermesStream(channel.port1);
        return channel.port2;
      };
      try {
        const worker = new SharedWorker(body.dataset.stream);
        // If the worker cannot be loaded, this page opens a stream of its own.
        worker.onerror = () => { if (port === worker.port) use(within()); };
        use(worker.port);
      } catch {
        use(within());
      }
    }
    function use(fresh) {
      port = fresh;
      port.onmessage = take;
      shown();
    }
    function shown() {
      if (document.hidden) {
        clearTimeout(watchdog);
        port.postMessage({ kind: "hide" });
      } else {
        watch();
        port.postMessage({ kind: "show", base, since, log });
      }
    }
    function watch() {
      clearTimeout(watchdog);
      watchdog = setTimeout(() => { lost(); shown(); }, SILENCE);
    }
    connect();
    setInterval(() => { if (!document.hidden) port.postMessage({ kind: "here" }); }, 15000);
    document.addEventListener("visibilitychange", shown);
    window.addEventListener("pagehide", () => { clearTimeout(watchdog); port.postMessage({ kind: "hide" }); });
    window.addEventListener("pageshow", (event) => { if (event.persisted) shown(); });
  }

  // Replaces an element that may hold the focus. Keeps the focus on the same button, or on one near it.
  function replacing(old, replace) {
    const focused = old.contains(document.activeElement) ? document.activeElement : null;
    const key = focused && (focused.value || focused.getAttribute("href"));
    const fresh = replace();
    if (!focused) return;
    const all = [...fresh.querySelectorAll("button, a")];
    const next = all.find((one) => (one.value || one.getAttribute("href")) === key) || all.find((one) => one.tagName === "BUTTON") || all[0];
    if (next) next.focus();
  }

  // The handlers for failed refreshes of the server, on every page with rows.
  const refreshes = {
    trouble: (failure) => { troubles.set("look", "This page is out of date: " + failure.error); showTroubles(); },
    well: () => { troubles.delete("look"); showTroubles(); },
  };
  // The server renders and escapes the row.
  function rowOfHtml(html) {
    const holder = document.createElement("template");
    holder.innerHTML = html;
    return holder.content.querySelector("tr");
  }

  // --- The overview -----------------------------------------------------------------------------
  const table = document.getElementById("profiles");
  if (table) {
    const rows = table.tBodies[0];
    const filter = document.getElementById("q");
    const rowOf = (name) => rows.querySelector('tr[data-profile="' + CSS.escape(name) + '"]');
    const isWanted = (name) => name.includes(filter.value.trim().toLowerCase());
    function put(name, html) {
      const row = rowOfHtml(html);
      row.hidden = !isWanted(name);
      const old = rowOf(name);
      const stateOf = (one) => one.querySelector(".state").textContent;
      // A new state flashes. A change of the memory does not.
      if (!old || stateOf(old) !== stateOf(row)) row.classList.add("changed");
      if (old) {
        replacing(old, () => { old.replaceWith(row); return row; });
      } else {
        const next = [...rows.rows].find((one) => one.dataset.profile !== "default" && one.dataset.profile > name);
        rows.insertBefore(row, next || null);
      }
    }
    const summary = document.querySelector(".summary");
    let counting = false;
    function count() {
      if (counting) return;
      counting = true;
      // Many rows that change at once are counted once.
      requestAnimationFrame(() => {
        counting = false;
        const part = (number, word, bad) => {
          const strong = document.createElement("strong");
          strong.textContent = number;
          if (bad) { strong.className = "bad"; strong.textContent += word; return [strong]; }
          return [strong, word];
        };
        const all = rows.rows.length;
        const bad = rows.querySelectorAll(".state.bad").length;
        const parts = [...part(all, all === 1 ? " agent" : " agents"), ", ", ...part(rows.querySelectorAll(".state.good").length, " running")];
        if (bad > 0) parts.push(", ", ...part(bad, " in trouble", true));
        summary.replaceChildren(...parts);
        none.hidden = [...rows.rows].some((row) => !row.hidden);
      });
    }
    Object.assign(handlers, {
      row: ({ name, html }) => { put(name, html); count(); },
      gone: ({ name }) => { const row = rowOf(name); if (row) row.remove(); count(); },
      all: ({ names }) => {
        const there = new Set(names);
        for (const row of [...rows.rows]) if (!there.has(row.dataset.profile)) row.remove();
        count();
      },
      ...refreshes,
    });
    const none = document.getElementById("none");
    function showWanted() {
      for (const row of rows.rows) row.hidden = !isWanted(row.dataset.profile);
      none.hidden = [...rows.rows].some((row) => !row.hidden);
    }
    for (const kind of ["input", "change"]) filter.addEventListener(kind, showWanted);
    // A browser that goes back to a page, or reloads it, may restore the text of the filter.
    showWanted();
  }

  // --- The page of one agent: the cells of its row ------------------------------------------------
  const watched = document.querySelector("[data-watch]");
  if (watched) {
    const name = watched.dataset.watch;
    const show = (row) => {
      for (const place of document.querySelectorAll("[data-from]")) {
        const from = place.dataset.from;
        const cell = row.querySelector(from === "actions" ? "td.actions" : 'td[data-label="' + from + '"]');
        if (!cell || place.innerHTML === cell.innerHTML) continue;
        replacing(place, () => { place.innerHTML = cell.innerHTML; return place; });
      }
      const said = row.querySelector("td.problem").textContent;
      const problem = document.getElementById("problem");
      if (said === "–") { problem.replaceChildren(); return; }
      if (problem.textContent === said) return;
      const p = document.createElement("p");
      p.className = "banner bad";
      p.textContent = said;
      problem.replaceChildren(p);
    };
    const gone = () => { troubles.set("gone", name + " was deleted."); showTroubles(); };
    Object.assign(handlers, {
      row: (changed) => {
        if (changed.name !== name) return;
        show(rowOfHtml(changed.html));
      },
      gone: (changed) => { if (changed.name === name) gone(); },
      all: ({ names }) => { if (!names.includes(name)) gone(); },
      ...refreshes,
    });
  }

  // --- The log ----------------------------------------------------------------------------------
  const log = document.getElementById("log");
  const follows = log && "follow" in log.dataset;
  if (follows) {
    const KEPT = 5000;
    const pause = document.getElementById("pause");
    let paused = false;
    let held = [];
    function add(lines) {
      const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 30;
      const fragment = document.createDocumentFragment();
      for (const line of lines) {
        const span = document.createElement("span");
        span.textContent = line + "\n";
        fragment.append(span);
      }
      log.append(fragment);
      while (log.childElementCount > KEPT) log.firstElementChild.remove();
      if (atEnd) log.scrollTop = log.scrollHeight;
      const none = document.getElementById("no-log");
      if (none) none.remove();
    }
    function take(lines) {
      if (!paused) return add(lines);
      held = held.concat(lines).slice(-KEPT);
      pause.textContent = "Go on (" + held.length + " new)";
    }
    pause.hidden = false;
    pause.addEventListener("click", () => {
      paused = !paused;
      pause.setAttribute("aria-pressed", String(paused));
      pause.textContent = paused ? "Go on" : "Pause";
      if (!paused) { add(held); held = []; }
    });
    Object.assign(handlers, {
      // Each new stream sends the end of the log again. A reader who has scrolled up keeps the position.
      "log-tail": ({ lines }) => {
        if (paused) { held = lines.slice(-KEPT); return; }
        const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 30;
        const place = log.scrollTop;
        log.replaceChildren();
        add(lines);
        log.scrollTop = atEnd ? log.scrollHeight : place;
      },
      "log-lines": ({ lines }) => take(lines),
      "log-trouble": ({ failure }) => { troubles.set("log", failure.error); showTroubles(); },
    });
  }

  if (table) listen(table.dataset.version, null);
  else if (watched) listen(watched.dataset.version, follows ? watched.dataset.watch : null);

  // --- Forms ------------------------------------------------------------------------------------
  async function send(method, path, value) {
    const answer = await fetch(base + "api/" + path, {
      method,
      headers: { "x-csrf-token": body.dataset.csrf, "content-type": "application/json", accept: "application/json" },
      body: value === undefined ? undefined : JSON.stringify(value),
    });
    if (answer.status === 401) { location.assign(base + "login"); throw new Error("logged out"); }
    const said = answer.status === 204 ? null : await answer.json();
    if (!answer.ok) throw Object.assign(new Error("refused"), { failure: said, status: answer.status });
    return said;
  }
  async function busy(button, work) {
    if (button.getAttribute("aria-busy") === "true") return;
    button.setAttribute("aria-busy", "true");
    try {
      await work();
    } catch (error) {
      if (error.failure) tellFailure(error.failure);
      else if (error.message !== "logged out") tell(["The dashboard does not answer. The result of the action is unknown."], true);
    } finally {
      button.removeAttribute("aria-busy");
    }
  }
  const DONE = { start: "is running", stop: "is stopped", restart: "was restarted" };
  const act = document.getElementById("act");
  if (act && (table || watched)) {
    act.addEventListener("submit", (event) => {
      const button = event.submitter;
      const [verb, name] = button.value.split(":");
      event.preventDefault();
      busy(button, async () => {
        await send("POST", "profiles/" + encodeURIComponent(name) + "/" + verb);
        tell([name + " " + DONE[verb] + "."]);
      });
    });
  }
  const create = document.getElementById("create");
  if (create) {
    create.addEventListener("submit", (event) => {
      event.preventDefault();
      const field = create.elements.name;
      busy(event.submitter || create.querySelector("button"), async () => {
        const made = await send("POST", "profiles", { name: field.value.trim() });
        field.value = "";
        tell([made.profile + " was created."]);
      });
    });
  }
  const soul = document.getElementById("soul");
  if (soul) {
    const text = soul.elements.text;
    const first = text.value;
    let leaving = false;
    soul.addEventListener("submit", () => { leaving = true; });
    window.addEventListener("beforeunload", (event) => {
      if (!leaving && text.value !== first) event.preventDefault();
    });
  }

  // --- Times ------------------------------------------------------------------------------------
  function span(seconds) {
    const units = [[86400, "day"], [3600, "h"], [60, "m"], [1, "s"]];
    const parts = [];
    for (const [size, name] of units) {
      const count = Math.floor(seconds / size);
      if (count > 0 && parts.length < 2) parts.push(count + (name === "day" ? (count === 1 ? "day" : "days") : name));
      seconds %= size;
    }
    return parts.join(" ") || "0s";
  }
  setInterval(() => {
    if (document.hidden || body.classList.contains("old")) return;
    const now = Date.now() / 1000;
    for (const time of document.querySelectorAll("time[data-since]")) {
      const text = span(Math.max(0, Math.floor(now - Number(time.dataset.since))));
      if (time.textContent !== text) time.textContent = text;
    }
  }, 1000);

  const go = document.querySelector("[data-go]");
  if (go) location.replace(go.href);
})();
