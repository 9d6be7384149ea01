// The order of the agents in the overview: the same as that of the server (pages/order.rs).
"use strict";
(() => {
  const TONES = ["bad", "busy", "good", "quiet"];
  const cell = (row, label) => row.querySelector('td[data-label="' + label + '"]');
  const number = (row, label) => parseFloat(cell(row, label).textContent);
  const tone = (row) => TONES.findIndex((name) => row.querySelector(".state." + name));
  const since = (row) => {
    const time = cell(row, "For").querySelector("time");
    return time ? -Number(time.dataset.since) : NaN;
  };
  const KEYS = {
    state: tone,
    for: since,
    restarts: (row) => number(row, "Restarts, last hour"),
    port: (row) => number(row, "Port"),
    memory: (row) => number(row, "Memory"),
    cpu: (row) => number(row, "CPU"),
  };
  // Compares names so that agent-2 comes before agent-10.
  function natural(a, b) {
    const [as, bs] = [a, b].map((name) => name.match(/\d+|\D/g));
    for (let place = 0; place < Math.min(as.length, bs.length); place += 1) {
      const [x, y] = [as[place], bs[place]];
      const apart = /^\d/.test(x) && /^\d/.test(y) ? Number(BigInt(x) - BigInt(y)) : x.charCodeAt(0) - y.charCodeAt(0);
      if (apart !== 0) return apart;
    }
    return as.length - bs.length || (a < b ? -1 : 1);
  }
  function byName(one, other) {
    const [a, b] = [one.dataset.profile, other.dataset.profile];
    if ((a === "default") !== (b === "default")) return a === "default" ? -1 : 1;
    return natural(a, b);
  }
  // `wanted` is the name of a column, after `-` for the largest first. An empty one means: agents in trouble first.
  globalThis.hermesOrder = (rows, wanted) => {
    const down = wanted.startsWith("-");
    const column = down ? wanted.slice(1) : wanted;
    const key = column === "" ? (row) => Number(tone(row) !== 0) : KEYS[column] || (() => 0);
    const keys = new Map(rows.map((row) => [row, key(row)]));
    return rows.sort((one, other) => {
      const [a, b] = [keys.get(one), keys.get(other)];
      // Agents without the value come last in both directions.
      if (Number.isNaN(a) !== Number.isNaN(b)) return Number.isNaN(a) ? 1 : -1;
      const apart = a - b || 0;
      if (apart !== 0) return down ? -apart : apart;
      return down && column === "name" ? byName(other, one) : byName(one, other);
    });
  };
})();
