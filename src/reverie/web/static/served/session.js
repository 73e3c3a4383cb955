"use strict";
// A world that no page can run: `reverie play --web` steps it, this page holds the wheel (reverie.web.sessions).
globalThis.Reverie ??= {};

(() => {
  const find = (id) => document.getElementById(id);
  const COMMANDS = {
    KeyM: "switch", Tab: "switch", KeyC: "autopilot", KeyR: "anew", Space: "pause",
    NumpadAdd: "warmer", NumpadSubtract: "cooler",
  };
  const SIGNS = { left: "←", right: "→", gas: "↑", brake: "↓" };
  const PICTURE = Reverie.SIDE * Reverie.SIDE * 3; // bytes
  const session = (Reverie.session = { decisions: 0 });
  let wheel, tab, state, bars, small, asked = true, due = 0, press = [];

  // An answer: the length of the state, the state, pictures.
  function read(buffer) {
    const length = new DataView(buffer).getUint32(0, true);
    state = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
    const picture = (i) => Reverie.opaque(new Uint8Array(buffer, 4 + length + i * PICTURE, PICTURE));
    if (!bars) furnish();
    Reverie.show(find("large"), picture(0));
    state.captions.forEach((words, i) => {
      small[i].caption.textContent = words;
      Reverie.show(small[i].canvas, picture(i + 1));
    });
    small.forEach(({ figure }, i) => (figure.hidden = i >= state.captions.length));
  }

  // What depends on the world.
  function furnish() {
    const { make } = Reverie;
    bars = state.bars.map(([name, both]) => {
      const level = make("i"), number = make("dd", { class: "number" });
      find("bars").append(make("div", {}, make("dt", {}, name), make("dd", { class: both ? "track both" : "track" }, level), number));
      return { level, number, both };
    });
    small = [0, 1].map(() => Reverie.picture(""));
    find("small").append(...small.map(({ figure }) => figure));
    find("pad").append(...state.keys.map((key) => {
      const button = make("button", { "aria-label": key }, SIGNS[key] ?? key);
      wheel.bind(button, key);
      return button;
    }));
    find("help").textContent = `${state.help[0]}: ${state.help[1]}. M: real world or dream, from the same moment. C: the controller. + and −: temperature. R: anew. Space: pause.`;
    find("waiting").hidden = true;
    find("drive").hidden = false;
  }

  function show() {
    const real = state.mode === "real";
    find("world").classList.toggle("road", real);
    document.querySelector(".instruments").style.setProperty("--tone", `var(--${real ? "road" : "dream"})`);
    find("mode").textContent = real ? `Real world, track ${state.track}` : `Dream ${state.dream}`;
    find("other").textContent = real ? "Dream on from here" : "Back to the real world";
    find("anew").textContent = real ? "Next track" : "Another dream";
    find("who").textContent = state.autopilot ? "C drives" : "you drive";
    find("who").classList.toggle("you", !state.autopilot);
    find("return").textContent = `${+state.ret.toPrecision(4)}`.replace("-", "−");
    find("temperature").textContent = state.temperature.toFixed(2);
    find("veil").hidden = !state.over;
    find("veil").textContent = "This drive is over: R begins anew.";
    for (const what of ["autopilot", "pause"]) {
      const on = what === "pause" ? state.paused : state.autopilot;
      document.querySelector(`[data-press="${what}"]`).setAttribute("aria-pressed", on);
    }
    bars.forEach(({ level, number, both }, i) => {
      const value = state.act[i], part = Math.max(both ? -1 : 0, Math.min(1, value));
      level.style.left = both ? `${part < 0 ? 50 + 50 * part : 50}%` : "0";
      level.style.width = `${(both ? 50 : 100) * Math.abs(part)}%`;
      number.textContent = value.toFixed(2).replace("-", "−");
    });
    find("figures").textContent = `Decision ${state.decisions}, ${(state.decisions * state.seconds).toFixed(0)} s.`;
    const words = state.message || (state.over ? "This drive is over." : state.paused ? "Paused." : "");
    if (find("said").textContent !== words) find("said").textContent = find("heard").textContent = words;
    session.state = state;
    session.decisions++;
  }

  // Asks for a decision whenever one is due and the last one has come.
  function tick(now) {
    requestAnimationFrame(tick);
    if (asked || now < due || tab.readyState !== WebSocket.OPEN) return;
    due = Math.max(due, now - 100) + state.seconds * 1000;
    asked = true;
    tab.send(JSON.stringify({ held: [...new Set([...wheel.held, ...wheel.tapped])], press: press.splice(0, 16) }));
    wheel.tapped.clear();
  }

  function keys() {
    addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || !state) return;
      if (event.target.matches("button") && (event.code === "Space" || event.code === "Enter" || event.code === "Tab")) return;
      const digit = /^(?:Digit|Numpad)(\d)$/.exec(event.code)?.[1];
      const what = event.key === "+" || event.key === "=" ? "warmer" : event.key === "-" ? "cooler" : COMMANDS[event.code];
      if (digit) wheel.hold(digit);
      else if (what && !event.repeat) press.push(what);
      else if (!wheel.press(event)) return;
      event.preventDefault();
    });
    addEventListener("keyup", (event) => {
      wheel.release(event);
      wheel.held.delete(/^(?:Digit|Numpad)(\d)$/.exec(event.code)?.[1]);
    });
    for (const button of document.querySelectorAll("[data-press]")) {
      Reverie.onPress(button, () => press.push(button.dataset.press));
    }
  }

  // The connection is gone, and with it the drive.
  function gone({ code, reason }) {
    session.code = code;
    find("waiting").hidden = false;
    find("waiting").textContent = reason || "reverie play does not answer any more. When it runs again, open the address that it prints.";
  }

  addEventListener("DOMContentLoaded", () => {
    const light = matchMedia("(prefers-color-scheme: light)");
    const theme = () => (document.documentElement.dataset.theme = light.matches ? "light" : "dark");
    theme();
    light.onchange = theme;
    find("run").textContent = JSON.parse(find("served").textContent).run;
    wheel = new Reverie.Wheel(() => {});
    tab = new WebSocket(new URL("drive", location.href.replace(/^http/, "ws")));
    tab.binaryType = "arraybuffer";
    tab.onmessage = ({ data }) => {
      read(data);
      show();
      asked = false;
    };
    tab.onclose = gone;
    keys();
    requestAnimationFrame(tick);
  });
})();
