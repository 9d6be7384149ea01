// Lines of logs: the level in colour, and the time in the zone of the reader with the whole stamp on hover.
"use strict";
(() => {
  const STAMP = /^(\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d)(\.\d+)?(Z| UTC|[+-]\d\d:\d\d)?(?=\s|$)/;
  const LEVEL = /\b(?:error|warning|warn|fatal|critical|info|debug|trace)\b/i;
  const TONES = { error: "bad", fatal: "bad", critical: "bad", warning: "busy", warn: "busy", debug: "quiet", trace: "quiet" };
  const time = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });
  const day = new Intl.DateTimeFormat(undefined, { month: "short", day: "2-digit" });

  // Returns the time of a stamp for a person: with the day if it is not today.
  function local(stamp) {
    const at = new Date(stamp);
    if (Number.isNaN(at.getTime())) return null;
    const isToday = at.toDateString() === new Date().toDateString();
    return isToday ? time.format(at) : day.format(at) + " " + time.format(at);
  }
  // A stamp without a zone is one of s6-log, in UTC.
  const iso = ([, moment, fraction, zone]) =>
    moment.replace(" ", "T") + (fraction || "").slice(0, 4) + (!zone || zone === " UTC" ? "Z" : zone);

  // Returns the element of a line.
  function line(text) {
    const span = document.createElement("span");
    const found = STAMP.exec(text);
    const shown = found && local(iso(found));
    let rest = text;
    if (shown) {
      const stamp = document.createElement("time");
      stamp.dateTime = iso(found);
      stamp.title = found[0];
      stamp.textContent = shown;
      span.append(stamp);
      rest = text.slice(found[0].length);
    }
    span.append(rest + "\n");
    // The level is a word at the beginning of a line.
    const level = LEVEL.exec(rest.slice(0, 60));
    const tone = level && TONES[level[0].toLowerCase()];
    if (tone) span.className = tone;
    return span;
  }
  // Moments of the pages are in UTC. With this script they are in the zone of the reader.
  function localize(root) {
    for (const one of root.querySelectorAll("time[data-moment]")) {
      const at = new Date(one.dateTime);
      if (Number.isNaN(at.getTime())) continue;
      one.title = one.textContent;
      one.textContent = day.format(at) + " " + time.format(at);
    }
  }
  globalThis.hermesLog = { line, localize };

  const log = document.getElementById("log");
  if (log) log.replaceChildren(...[...log.children].map((one) => line(one.textContent.replace(/\n$/, ""))));
  localize(document);
})();
