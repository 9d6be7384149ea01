// The conversation on the page of an agent: sends messages, and shows answers while they come. The page also works without this script.
// Each text of an agent becomes a text node. Only the server makes markup of it.
"use strict";
(() => {
  if (!document.getElementById("talk")) return;
  const body = document.body;
  const base = body.dataset.base;
  const name = document.getElementById("talk").dataset.name;
  const api = "api/profiles/" + encodeURIComponent(name) + "/";
  // The longest file, in bytes: a request has at most 1 MiB, and a picture grows by a third in it.
  const FILE_MAX = 600 * 1024;
  const REASONS = {
    max_tokens: "The answer reached the limit of its tokens.",
    max_turn_requests: "The turn reached its limit of model calls.",
    refusal: "The model refused.",
    cancelled: "The answer was stopped.",
    loop: "The model repeated itself, and the turn was ended.",
  };
  let source = null;
  let attached = null;

  const find = (id) => document.getElementById(id);
  function make(tag, kind, text) {
    const made = document.createElement(tag);
    if (kind) made.className = kind;
    if (text !== undefined) made.textContent = text;
    return made;
  }
  function button(text, value, kind) {
    const made = make("button", kind, text);
    made.value = value;
    return made;
  }

  // --- Requests ---------------------------------------------------------------------------------
  async function call(method, path, value) {
    let answer;
    try {
      answer = await fetch(base + path, {
        method,
        headers: { "x-csrf-token": body.dataset.csrf, "content-type": "application/json", accept: "application/json" },
        body: value === undefined ? undefined : JSON.stringify(value),
      });
    } catch {
      throw new Error("The dashboard does not answer.");
    }
    if (answer.status === 401) { location.assign(base + "login"); throw new Error("You are logged out."); }
    if (answer.ok) return answer.status === 204 ? null : answer.json();
    const failure = await answer.json().catch(() => ({}));
    const causes = (failure.causes || []).map((cause) => ": " + cause).join("");
    throw new Error((failure.error || "The action failed") + causes + (failure.hint ? ". Hint: " + failure.hint + "." : "."));
  }
  function note(text, kind) {
    const old = find("talk-note");
    if (old) old.remove();
    if (!text) return;
    const shown = make("p", "banner " + kind, text);
    shown.id = "talk-note";
    shown.setAttribute("role", kind === "bad" ? "alert" : "status");
    const say = find("say");
    if (say) say.before(shown);
    else find("talk").append(shown);
  }
  async function tried(work) {
    try {
      return await work();
    } catch (error) {
      note(error.message, "bad");
      return null;
    }
  }

  // --- The messages -----------------------------------------------------------------------------
  function isAtEnd() {
    const box = find("messages");
    return box && box.scrollHeight - box.scrollTop - box.clientHeight < 40;
  }
  function toEnd() {
    const box = find("messages");
    if (box) box.scrollTop = box.scrollHeight;
  }
  // Keeps a reader who has scrolled up at the position.
  function grow(work) {
    const follow = isAtEnd();
    work();
    if (follow) toEnd();
  }
  function article(kind, who) {
    const made = make("article", "said " + kind);
    made.append(make("h3", "", who));
    return made;
  }
  function person(text, files) {
    const made = article("person", "You");
    made.append(make("p", "plain", text));
    for (const file of files) made.append(make("p", "hint", "Picture: " + file));
    return made;
  }
  function prepare() {
    for (const code of document.querySelectorAll("#talk pre.code")) {
      const copy = make("button", "copy", "Copy");
      copy.type = "button";
      copy.addEventListener("click", () => put(code.textContent, copy));
      code.before(copy);
    }
    const say = find("say");
    if (say) addFileField(say);
    toEnd();
  }
  async function put(text, copy) {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      // A browser offers the clipboard on trusted connections alone.
      const field = make("textarea", "unseen");
      field.value = text;
      body.append(field);
      field.select();
      document.execCommand("copy");
      field.remove();
    }
    copy.textContent = "Copied";
    setTimeout(() => { copy.textContent = "Copy"; }, 2000);
  }

  // Returns the conversation as the server renders it.
  async function rendered(session) {
    const path = "profiles/" + encodeURIComponent(name) + "/conversation?session=" + encodeURIComponent(session);
    const answer = await fetch(base + path).catch(() => null);
    if (!answer || !answer.ok || answer.redirected) { note("The dashboard does not answer. Reload the page.", "bad"); return null; }
    const holder = make("template");
    holder.innerHTML = await answer.text();
    const talk = holder.content.querySelector("#talk");
    if (talk) globalThis.hermesLog.localize(talk);
    return talk;
  }
  // Shows it. Keeps the text that the person writes.
  async function refresh(session) {
    const fresh = await rendered(session);
    if (!fresh) return;
    const [before, after] = [find("say-text"), fresh.querySelector("#say-text")];
    const hadFocus = before && document.activeElement === before;
    if (before && after) after.value = before.value;
    find("talk").replaceWith(fresh);
    if (after && hadFocus) after.focus();
    prepare();
    if (fresh.dataset.run && !source) follow(fresh.dataset.run);
  }

  // --- A running turn ---------------------------------------------------------------------------
  function stopButton(session) {
    const tools = find("turn-tools");
    if (tools) tools.hidden = true;
    let box = find("live-tools");
    if (!box) {
      box = make("p", "actions");
      box.id = "live-tools";
      find("say").after(box);
    }
    const stop = make("button", "", "Stop the answer");
    stop.type = "button";
    stop.id = "stop";
    stop.addEventListener("click", () => tried(() => call("POST", api + "sessions/" + encodeURIComponent(session) + "/stop")));
    box.replaceChildren(stop);
  }
  function follow(run) {
    const session = find("talk").dataset.session;
    const messages = find("messages");
    // The stream repeats the turn from its begin.
    const said = messages.querySelectorAll(".said.person");
    const last = said[said.length - 1];
    while (last && last.nextSibling) last.nextSibling.remove();
    const live = make("div", "live");
    messages.append(live);
    stopButton(session);
    let text = null;
    let state = null;
    const tools = new Map();
    const pending = new Map();
    const ended = new Set();
    source = new EventSource(base + api + "runs/" + encodeURIComponent(run) + "/events");
    const mine = source;
    const on = (event, handle) => mine.addEventListener(event, (message) => grow(() => handle(JSON.parse(message.data))));
    function status(words) {
      if (!state) state = make("p", "hint");
      state.textContent = words;
      live.append(state);
    }
    function tool(id, title) {
      text = null;
      const shown = make("details", "tool");
      const summary = make("summary", "", title + " ");
      const word = make("span", "state busy", "runs");
      const took = make("span", "hint");
      summary.append(word, " ", took);
      shown.append(summary);
      live.append(shown);
      const kept = { shown, word, took, since: performance.now() };
      tools.set(id, kept);
      return kept;
    }
    function ask(id, form) {
      pending.set(id, form);
      find("pending").append(form);
    }
    function answered(id) {
      ended.add(id);
      const form = pending.get(id);
      if (form) form.remove();
      pending.delete(id);
    }
    mine.onopen = () => {
      live.replaceChildren();
      find("pending").replaceChildren();
      tools.clear();
      pending.clear();
      ended.clear();
      text = null;
      status("The agent answers…");
    };
    on("assistant.delta", ({ delta }) => {
      if (!text) {
        const shown = article("agent", name);
        text = make("div", "markdown plain");
        shown.append(text);
        live.append(shown);
        if (state) state.remove();
      }
      text.append(delta);
    });
    on("reasoning.delta", () => status("The agent thinks…"));
    on("tool.started", ({ id, name: title, arguments: input }) => {
      const { shown } = tool(id, title);
      const code = make("pre", "", input);
      code.tabIndex = 0;
      shown.append(code);
    });
    on("tool.completed", ({ id, name: title, is_error, output }) => {
      const { shown, word, took, since } = tools.get(id) || tool(id, title);
      word.className = "state " + (is_error ? "bad" : "good");
      word.textContent = is_error ? "failed" : "done";
      took.textContent = ((performance.now() - since) / 1000).toFixed(1) + " s";
      const code = make("pre", "", output || "");
      code.tabIndex = 0;
      shown.append(code);
      status("The agent answers…");
    });
    // The server shows the command, with each character that a browser would hide.
    on("approval.requested", async ({ id }) => {
      const fresh = await rendered(session);
      const form = fresh && fresh.querySelector(".ask[data-approval=" + CSS.escape(id) + "]");
      if (!form || source !== mine || ended.has(id)) return;
      ask(id, form);
      form.scrollIntoView({ block: "nearest" });
    });
    on("approval.ended", ({ id }) => answered(id));
    on("question.asked", ({ id, question, choices }) => {
      const form = make("form", "banner busy ask");
      form.dataset.question = id;
      form.append(make("p", "", question));
      const row = make("p", "actions");
      choices.forEach((choice, index) => row.append(button(choice, String(index + 1))));
      form.append(row, make("p", "hint", "Your next message is the answer."));
      ask(id, form);
    });
    on("question.ended", ({ id }) => answered(id));
    on("run.retry", ({ cause }) => status("The model failed, and is asked again: " + cause));
    on("run.compacted", () => status("The conversation was compacted."));
    on("run.notice", ({ text: words }) => live.append(make("p", "hint", words)));
    async function end(words, kind) {
      mine.close();
      if (source === mine) source = null;
      if (find("talk").dataset.session !== session) return;
      await refresh(session);
      if (words) note(words, kind);
    }
    on("run.completed", ({ reason }) => end(REASONS[reason], "busy"));
    // The page of the server has the failure.
    on("run.failed", () => end());
    on("logout", () => location.assign(base + "login"));
    mine.onerror = () => {
      if (mine.readyState === EventSource.CLOSED) end("The connection to the agent broke.", "bad");
    };
  }

  // --- Messages of the person -------------------------------------------------------------------
  async function send(text, pictures, files) {
    const talk = find("talk");
    const session = talk.dataset.session === "new" ? null : talk.dataset.session;
    note();
    const sent = await tried(() => call("POST", api + "messages", { session, text, pictures }));
    if (!sent) return false;
    const hint = find("messages").querySelector(":scope > p.hint");
    if (!session && hint) hint.remove();
    find("messages").append(person(text, files));
    toEnd();
    talk.dataset.session = sent.session;
    find("say").elements.session.value = sent.session;
    history.replaceState(null, "", "?session=" + encodeURIComponent(sent.session));
    if (sent.run) follow(sent.run);
    else if (!source) await refresh(sent.session);
    return true;
  }
  function addFileField(say) {
    attached = null;
    const field = make("input");
    field.type = "file";
    field.id = "attach";
    const label = make("label", "hint", "Attach a text or a picture, 600 KB at most ");
    label.append(field);
    const clear = () => { attached = null; field.value = ""; };
    field.addEventListener("change", async () => {
      const file = field.files[0];
      attached = null;
      if (!file) return;
      if (file.size > FILE_MAX) { clear(); note("The file is longer than 600 KB.", "bad"); return; }
      note();
      attached = await read(file);
      if (!attached) { clear(); note("The file is neither a text nor a picture.", "bad"); }
    });
    say.querySelector(".actions").append(label);
    const hint = make("span", "hint", "Enter sends, Shift+Enter begins a line.");
    say.querySelector(".actions").append(hint);
  }
  async function read(file) {
    if (file.type.startsWith("image/")) {
      const reader = new FileReader();
      return new Promise((resolve) => {
        reader.onload = () => resolve({ name: file.name, picture: reader.result });
        reader.onerror = () => resolve(null);
        reader.readAsDataURL(file);
      });
    }
    // A file that is no UTF-8 gets replacement characters.
    const text = await file.text().catch(() => "\0");
    return /[\0\ufffd]/.test(text) ? null : { name: file.name, text };
  }
  async function submit(form) {
    const field = find("say-text");
    const main = form.querySelector("button.main");
    let text = field.value;
    if ((!text.trim() && !attached) || main.getAttribute("aria-busy") === "true") return;
    const file = attached;
    if (file && file.text !== undefined) text += "\n\nThe file " + file.name + ":\n\n" + file.text;
    const written = field.value;
    main.setAttribute("aria-busy", "true");
    field.value = "";
    const pictures = file && file.picture ? [file.picture] : [];
    const isSent = await send(text, pictures, pictures.length ? [file.name] : []);
    main.removeAttribute("aria-busy");
    if (!isSent) { if (!field.value) field.value = written; return; }
    attached = null;
    const chosen = find("attach");
    if (chosen) chosen.value = "";
  }

  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (!form.closest("#talk")) return;
    if (form.id === "say") {
      event.preventDefault();
      submit(form);
      return;
    }
    if (form.id === "turn-tools") {
      // The page of the next answer follows its run.
      const wait = make("input");
      Object.assign(wait, { type: "hidden", name: "wait", value: "no" });
      form.append(wait);
      return;
    }
    if (!form.classList.contains("ask") || !event.submitter) return;
    event.preventDefault();
    const value = event.submitter.value;
    const approval = form.dataset.approval;
    tried(async () => {
      if (approval) await call("POST", api + "approvals/" + encodeURIComponent(approval), { choice: value });
      else await send(value, [], []);
      form.remove();
    });
  });
  document.addEventListener("keydown", (event) => {
    if (event.target.id !== "say-text" || event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    find("say").requestSubmit();
  });
  // A gateway that was started, or ended, changes the conversation.
  const state = document.getElementById("state");
  if (state) {
    let known = state.textContent;
    new MutationObserver(() => {
      if (state.textContent === known) return;
      known = state.textContent;
      if (!source) refresh(find("talk").dataset.session);
    }).observe(state, { childList: true, subtree: true, characterData: true });
  }
  prepare();
  const run = find("talk").dataset.run;
  if (run) follow(run);
})();
