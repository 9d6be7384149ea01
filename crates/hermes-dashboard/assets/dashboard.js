// Updates the pages and submits their forms without a new page. Every page also works without this script.
"use strict";
(() => {
  const body = document.body;
  const base = body.dataset.base;
  // Longer than the time-out of the stream itself (stream.js).
  const SILENCE = 30000;

  // --- Messages ---------------------------------------------------------------------------------
  const told = document.getElementById("told");
  function tell(lines, tone = "good") {
    const box = document.createElement("div");
    box.className = "banner " + tone;
    for (const line of lines) {
      const p = document.createElement("p");
      p.append(line);
      box.append(p);
    }
    if (tone === "bad") {
      const close = document.createElement("button");
      close.type = "button";
      close.textContent = "Close";
      close.addEventListener("click", () => box.remove());
      box.append(close);
    } else if (tone === "good") {
      setTimeout(() => box.remove(), 6000);
    }
    told.replaceChildren(box);
    return box;
  }
  // One sentence with the cause, and the log of the agent.
  function tellFailure(failure, name) {
    const lines = [failure.message || failure.error || "The action failed."];
    if (failure.advice) lines.push(failure.advice);
    if (name) {
      const link = document.createElement("a");
      link.href = base + "profiles/" + encodeURIComponent(name) + "#log-title";
      link.textContent = "Log of " + name;
      lines.push(link);
    }
    tell(lines, "bad");
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
    if (!troubles.delete("lost")) return;
    showTroubles();
    renew("#container", "nav");
  }
  // The handlers of this page for the events of the stream (stream.js), which all pages of the browser share.
  const handlers = {
    pulse: () => {},
    lost,
    logout: () => location.assign(base + "login"),
  };
  function listen(version, agent, log) {
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
        port.postMessage({ kind: "show", base, since, agent, log });
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

  // Changes an element into a fresh one, in place. So the focus, a pressed button and a selection stay where they are.
  function patch(old, fresh) {
    if (old.isEqualNode(fresh)) return;
    if (old.nodeType !== fresh.nodeType || old.nodeName !== fresh.nodeName) { old.replaceWith(fresh); return; }
    if (old.nodeType !== Node.ELEMENT_NODE) { old.data = fresh.data; return; }
    for (const { name } of [...old.attributes]) if (!fresh.hasAttribute(name)) old.removeAttribute(name);
    for (const { name, value } of fresh.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
    const was = [...old.childNodes];
    const now = [...fresh.childNodes];
    now.forEach((node, place) => { if (was[place]) patch(was[place], node); else old.append(node); });
    for (const node of was.slice(now.length)) node.remove();
  }
  // The actions that run, by the name of their agent.
  const pending = new Map();
  function showPending(root) {
    for (const button of root.querySelectorAll('button[name="do"]')) {
      const [verb, name] = button.value.split(":");
      if (!name) continue;
      if (pending.has(name)) button.setAttribute("aria-busy", String(pending.get(name) === verb));
      else button.removeAttribute("aria-busy");
    }
  }

  // The handlers for failed refreshes of the server, on every page with rows.
  const refreshes = {
    trouble: (failure) => { troubles.set("look", "This page is out of date: " + failure.error); showTroubles(); },
    well: () => { troubles.delete("look"); showTroubles(); },
  };
  // The server renders and escapes the row.
  function elementOfHtml(html) {
    const holder = document.createElement("template");
    holder.innerHTML = html;
    return holder.content.firstElementChild;
  }
  // Replaces parts of this page by those of a new copy, after a time without a connection.
  async function renew(...parts) {
    try {
      const answer = await fetch(location.href, { headers: { accept: "text/html" } });
      if (!answer.ok) return;
      const copy = new DOMParser().parseFromString(await answer.text(), "text/html");
      for (const part of parts) {
        const [old, fresh] = [document.querySelector(part), copy.querySelector(part)];
        if (old && fresh) patch(old, fresh);
      }
    } catch { /* the stream reports a lost connection */ }
  }

  // --- The overview -----------------------------------------------------------------------------
  const table = document.getElementById("profiles");
  if (table) {
    const rows = table.tBodies[0];
    const filter = document.getElementById("q");
    const rowOf = (name) => rows.querySelector('tr[data-profile="' + CSS.escape(name) + '"]');
    const isBad = (row) => row.querySelector(".state.bad") !== null;
    const isWanted = (row) =>
      row.dataset.profile.includes(filter.value.trim().toLowerCase()) && (table.dataset.show !== "trouble" || isBad(row));
    function showNone() {
      none.hidden = [...rows.rows].some((row) => !row.hidden);
      table.hidden = !none.hidden;
    }
    // Rows move and vanish only while nobody points at one, so no button moves under the mouse.
    const inUse = () => table.matches(":hover") || rows.contains(document.activeElement);
    function arrange() {
      if (inUse()) return;
      const sorted = globalThis.hermesOrder([...rows.rows], table.dataset.sort);
      if (sorted.some((row, place) => rows.rows[place] !== row)) rows.append(...sorted);
      for (const row of rows.rows) row.hidden = !isWanted(row);
      showNone();
    }
    for (const kind of ["pointerleave", "focusout"]) table.addEventListener(kind, () => requestAnimationFrame(arrange));
    rows.addEventListener("animationend", (event) => event.target.classList.remove("changed"));
    function put(name, html) {
      const row = elementOfHtml(html);
      const old = rowOf(name);
      const stateOf = (one) => one.querySelector(".state").textContent;
      row.hidden = old ? old.hidden : !isWanted(row);
      // A new state flashes. A change of the memory does not.
      if (!old || stateOf(old) !== stateOf(row) || old.classList.contains("changed")) row.classList.add("changed");
      showPending(row);
      if (old) patch(old, row);
      else rows.append(row);
    }
    let counting = false;
    function count() {
      if (counting) return;
      counting = true;
      // Many rows that change at once are counted once.
      requestAnimationFrame(() => {
        counting = false;
        const part = (number, word) => {
          const strong = document.createElement("strong");
          strong.textContent = number;
          return [strong, word];
        };
        const all = rows.rows.length;
        const bad = rows.querySelectorAll(".state.bad").length;
        const parts = [...part(all, all === 1 ? " agent" : " agents"), ", ", ...part(rows.querySelectorAll(".state.good").length, " running")];
        if (bad > 0) {
          const link = document.createElement("a");
          link.className = "bad";
          link.href = base + "?show=trouble";
          link.textContent = bad + " in trouble";
          parts.push(", ", link);
        }
        const counts = document.getElementById("counts");
        // A link that may have the focus changes in place.
        const fresh = counts.cloneNode(false);
        fresh.append(...parts);
        patch(counts, fresh);
        arrange();
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
      for (const row of rows.rows) row.hidden = !isWanted(row);
      showNone();
    }
    for (const kind of ["input", "change"]) filter.addEventListener(kind, showWanted);
    // A browser that goes back to a page, or reloads it, may restore the text of the filter.
    showWanted();
  }

  // --- The page of one agent: the cells of its row ------------------------------------------------
  const watched = document.querySelector("[data-watch]");
  if (watched) {
    const name = watched.dataset.watch;
    // Changes need an agent. A new agent of the same name has none of the texts of this page.
    const gone = () => {
      troubles.set("gone", name + " was deleted.");
      showTroubles();
      for (const one of document.querySelectorAll("main button, main input")) one.disabled = true;
      for (const one of document.querySelectorAll("main textarea")) one.readOnly = true;
      for (const link of document.querySelectorAll("main a.button")) link.remove();
    };
    Object.assign(handlers, {
      row: (changed) => {
        if (changed.name !== name || !changed.page || troubles.has("gone")) return;
        const live = elementOfHtml(changed.page);
        globalThis.hermesLog.localize(live);
        showPending(live);
        const state = document.getElementById("state");
        patch(state.firstElementChild, live.querySelector(".state").cloneNode(true));
        patch(document.getElementById("live"), live);
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
      for (const line of lines) fragment.append(globalThis.hermesLog.line(line));
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

  if (table) listen(table.dataset.version, null, null);
  else if (watched) listen(watched.dataset.version, watched.dataset.watch, follows ? watched.dataset.watch : null);

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
  const UNKNOWN = "The dashboard does not answer. The result of the action is unknown.";
  async function busy(button, work) {
    if (button.getAttribute("aria-busy") === "true") return;
    button.setAttribute("aria-busy", "true");
    try {
      await work();
    } catch (error) {
      if (error.failure) tellFailure(error.failure);
      else if (error.message !== "logged out") tell([UNKNOWN], "bad");
    } finally {
      button.removeAttribute("aria-busy");
    }
  }
  const DONE = { start: "is running", stop: "is stopped", restart: "was restarted" };
  const DOING = { start: "Starting", stop: "Stopping", restart: "Restarting" };
  // Runs an action on an agent. Returns `null`, or the failure.
  async function drive(name, verb) {
    if (pending.has(name)) return null;
    pending.set(name, verb);
    showPending(document);
    try {
      await send("POST", "profiles/" + encodeURIComponent(name) + "/" + verb);
      return null;
    } catch (error) {
      return error.failure || { message: error.message === "logged out" ? "You are logged out." : UNKNOWN };
    } finally {
      pending.delete(name);
      showPending(document);
    }
  }
  const act = document.getElementById("act");
  if (act && (table || watched)) {
    act.addEventListener("submit", async (event) => {
      const [verb, name] = event.submitter.value.split(":");
      event.preventDefault();
      if (pending.has(name)) return;
      const still = tell([DOING[verb] + " " + name + "…"], "busy");
      const failure = await drive(name, verb);
      still.remove();
      if (failure) tellFailure(failure, name);
      else tell([name + " " + DONE[verb] + "."]);
    });
  }
  // Several agents at once. A box keeps its check while its row changes.
  const many = document.getElementById("many");
  if (many && table) {
    const boxes = () => [...table.tBodies[0].querySelectorAll(".pick input")];
    const every = document.getElementById("all");
    const selected = document.getElementById("selected");
    const showSelected = () => {
      const shown = boxes().filter((box) => !box.closest("tr").hidden);
      const count = boxes().filter((box) => box.checked).length;
      selected.textContent = count === 0 ? "Selected agents:" : count + " selected:";
      every.checked = shown.length > 0 && shown.every((box) => box.checked);
      every.indeterminate = !every.checked && count > 0;
    };
    every.hidden = false;
    every.addEventListener("change", () => {
      for (const box of boxes()) if (!box.closest("tr").hidden) box.checked = every.checked;
      showSelected();
    });
    table.tBodies[0].addEventListener("change", showSelected);
    many.addEventListener("submit", async (event) => {
      event.preventDefault();
      const button = event.submitter;
      const verb = button.value;
      const names = boxes().filter((box) => box.checked).map((box) => box.value);
      if (names.length === 0) { tell(["No agent is selected. Check the boxes of the agents."], "bad"); return; }
      if (button.getAttribute("aria-busy") === "true") return;
      button.setAttribute("aria-busy", "true");
      const agents = names.length === 1 ? "1 agent" : names.length + " agents";
      const still = tell([DOING[verb] + " " + agents + "…"], "busy");
      const waiting = [...names];
      const failed = [];
      // A browser opens few connections to one host, and the stream of events has one.
      const work = async () => {
        for (let name = waiting.shift(); name; name = waiting.shift()) {
          const failure = await drive(name, verb);
          if (failure) failed.push([name, failure]);
        }
      };
      await Promise.all([work(), work(), work(), work()]);
      button.removeAttribute("aria-busy");
      still.remove();
      const past = { start: "started", stop: "stopped", restart: "restarted" }[verb];
      if (failed.length === 0) tell([agents + (names.length === 1 ? " was " : " were ") + past + "."]);
      else tell([failed.length + " of " + agents + " failed: " + failed.map(([name, failure]) => name + ": " + (failure.message || failure.error)).join("; ")], "bad");
    });
    showSelected();
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
