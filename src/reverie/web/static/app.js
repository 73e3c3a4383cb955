"use strict";
// The page wakes up: what it holds is unpacked, a run is opened, the views are filled, time begins.
globalThis.Reverie ??= {};

(() => {
  const find = (id) => document.getElementById(id);
  const VIEWS = ["drive", "see", "compare", "proof"];
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  const state = (Reverie.page = { view: "drive", pictures: 0, rates: [] });
  const views = {};
  const waiting = {}; // name of a run -> what resolves its bytes

  // What stands in the page as text: base64 of gzip.
  async function unpack(text) {
    const bytes = Uint8Array.fromBase64?.(text) ?? Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Uint8Array(await new Response(stream).arrayBuffer());
  }

  // The bytes of a run: in the page, or in a file beside it that delivers itself.
  function bytesOf(entry) {
    entry.bytes ??= entry.file
      ? new Promise((resolve, reject) => {
          waiting[entry.name] = resolve;
          const script = document.createElement("script");
          script.src = entry.file;
          script.onerror = () => reject(new Error(`${entry.file} is missing beside the page`));
          document.head.append(script);
        })
      : unpack(find(entry.id).textContent);
    return entry.bytes;
  }

  // Called by run-NAME.js.
  Reverie.deliver = (name, text) => waiting[name](unpack(text));

  // Tells those who look, and those who listen.
  const say = (words) => {
    find("said").textContent = words;
    find("heard").textContent = words;
  };

  state.say = say;

  function readLink() {
    const asked = new URLSearchParams(location.hash.slice(1));
    const number = (key, low, high, usual) => {
      const value = Number(asked.get(key) ?? usual);
      return Number.isFinite(value) ? Math.max(low, Math.min(high, value)) : usual;
    };
    return {
      run: asked.get("run"),
      view: VIEWS.includes(asked.get("view")) ? asked.get("view") : "drive",
      track: Math.floor(number("track", 0, 2 ** 31 - 1, 0)),
      temperature: number("temperature", 0, 2, 1),
      seed: Math.floor(number("seed", 0, 2 ** 31 - 1, 0)),
    };
  }

  function writeLink() {
    const { stage } = state;
    const parts = { run: state.run.name, track: stage.track, temperature: stage.temperature, seed: stage.seed };
    if (state.view !== "drive") parts.view = state.view;
    const hash = `#${new URLSearchParams(parts)}`;
    if (hash !== location.hash) history.replaceState(null, "", hash);
    return location.href;
  }

  async function copyLink() {
    const link = writeLink();
    try {
      await navigator.clipboard.writeText(link);
      say("The link is copied: run, track, temperature and seed.");
    } catch {
      say("The link stands in the address line: run, track, temperature and seed.");
    }
  }

  const opened = async (entry) => (entry.run ??= await Reverie.openRun(entry.name, await bytesOf(entry), state.wasm));
  state.allRuns = () => Promise.all(state.entries.map(opened));

  // Takes a newer C of the run, and what is told of it: whoever drives goes on.
  state.renew = async (bytes) => {
    const { run } = state, { header, engine } = await Reverie.openRun(run.name, bytes, state.wasm);
    state.entries.find((one) => one.name === run.name).bytes = Promise.resolve(bytes);
    Object.assign(run, { header: { ...header, edits: run.header.edits }, engine }); // V is the same
    if (!views.proof.scorer) {
      views.proof = new Reverie.Proof(find("proof"), state, { say, bytesOf });
      if (state.view === "proof") views.proof.enter();
    }
    const generation = header.curves.generation?.at(-1);
    say(generation ? `A newer C drives: generation ${generation}.` : "A newer C drives.");
  };

  // Edits that a server knows only after it has shown the page.
  state.name = (edits) => {
    state.run.header.edits = edits;
    views.see.showEdits();
  };

  async function openRun(name, asked) {
    const entry = state.entries.find((one) => one.name === name);
    state.run = await opened(entry);
    state.wheel ??= new Reverie.Wheel(() => state.view === "drive" && state.stage.take());
    state.stage = new Reverie.Stage(state.run, null, state.wheel, { ...asked, said: say });
    if (!state.firstPicture) {
      Reverie.show(find("dream"), state.stage.dream.picture(1));
      find("waiting").hidden = true;
      find("drive").hidden = false;
      state.firstPicture = performance.now();
    }
    find("beside").hidden = !find("road-wasm");
    state.roadWasm ??= find("road-wasm") && (await unpack(find("road-wasm").textContent));
    const road = state.roadWasm ? (state.road ??= await Reverie.Road.create(state.roadWasm)) : null;
    if (road) state.stage = new Reverie.Stage(state.run, road, state.wheel, { ...asked, said: say });
    // A drive of its own, for a view that wants one.
    state.roadDrive = road && (() => new Reverie.Drive(state.run, state.spare));
    state.spare ??= state.roadWasm && (await Reverie.Road.create(state.roadWasm));
    state.stage.paused = calm;
    state.driving = new Reverie.Driving(state.stage, state.wheel, say);
    state.driving.changed = writeLink;
    for (const view of Object.values(views)) view.leave?.();
    views.drive = state.driving;
    for (const [key, View] of [["see", Reverie.See], ["compare", Reverie.Compare], ["proof", Reverie.Proof]]) {
      find(key).textContent = "";
      state[key] = views[key] = new View(find(key), state, { say, bytesOf });
    }
    find("tab-compare").hidden = state.entries.length < 2;
    find("run").value = name;
    state.driving.show();
    say(calm ? "Paused, since this device asks for little motion. Space goes on." : "C drives. Any arrow key takes the wheel.");
  }

  function view(name) {
    if (find(`tab-${name}`).hidden) name = "drive";
    if (state.view !== name) views[state.view]?.leave?.();
    state.view = name;
    for (const one of VIEWS) {
      find(one).hidden = one !== name;
      const tab = find(`tab-${one}`);
      tab.setAttribute("aria-selected", one === name);
      tab.tabIndex = one === name ? 0 : -1;
    }
    document.body.dataset.view = name;
    views[name]?.enter?.();
    writeLink();
  }

  const KEYS = {
    KeyC: "autopilot", Space: "pause", Period: "step", KeyR: "restart", KeyF: "fork", KeyM: "swap", KeyN: "next",
    KeyV: "film", KeyL: "link", KeyI: "tell",
  };

  function pressed(event) {
    const { target } = event;
    if (event.ctrlKey || event.metaKey || event.altKey || target.matches("input, select, textarea")) return;
    if (target.matches("[role=tab]") && event.key.startsWith("Arrow")) return;
    if (state.view !== "drive") return;
    if (state.wheel.press(event)) return event.preventDefault();
    const what = event.key === "+" ? "warmer" : event.key === "-" ? "cooler" : KEYS[event.code];
    if (!what || event.repeat || (event.code === "Space" && target.matches("button"))) return;
    event.preventDefault();
    act(what);
  }

  function act(what) {
    if (what === "link") return copyLink();
    state.driving.do(what);
    return writeLink();
  }

  function wire() {
    addEventListener("keydown", (event) => state.stage && pressed(event));
    addEventListener("keyup", (event) => state.wheel?.release(event));
    for (const button of document.querySelectorAll("[data-do]")) Reverie.onPress(button, () => act(button.dataset.do));
    for (const button of document.querySelectorAll("[data-hold]")) state.wheel.bind(button, button.dataset.hold);
    for (const button of document.querySelectorAll("[data-lead]")) {
      const look = () => {
        state.stage.look(button.dataset.lead);
        state.driving.show();
      };
      Reverie.onPress(button, look);
      button.closest("figure").querySelector(".screen").onclick = look;
    }
    find("release").onclick = () => act("release");
    find("next-track").onclick = () => act("next");
    find("temperature").oninput = (event) => {
      state.stage.temperature = +event.target.value;
      state.driving.show();
    };
    find("temperature").onchange = writeLink;
    find("track").onchange = (event) => {
      state.stage.chooseTrack(Math.max(0, Math.min(2 ** 31 - 1, Math.floor(+event.target.value || 0))));
      writeLink();
    };
    find("as-seen").onchange = (event) => {
      state.driving.asSeen = event.target.checked;
      find("road").classList.toggle("crisp", event.target.checked);
    };
    const tabs = VIEWS.map((name) => find(`tab-${name}`));
    tabs.forEach((tab) => {
      tab.onclick = () => view(tab.id.slice(4));
      tab.onkeydown = (event) => {
        const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
        if (!step) return;
        const open = tabs.filter((one) => !one.hidden);
        const next = open[(open.indexOf(tab) + step + open.length) % open.length];
        next.focus();
        next.click();
      };
    });
    find("run").onchange = async (event) => {
      const { track, temperature, seed } = state.stage;
      say(`Opening ${event.target.value}…`);
      await openRun(event.target.value, { track, temperature, seed });
      view(state.view);
    };
    find("theme").onclick = () => theme(document.documentElement.dataset.theme === "light" ? "dark" : "light");
    addEventListener("hashchange", async () => {
      const asked = readLink();
      const name = state.entries.some((one) => one.name === asked.run) ? asked.run : state.run.name;
      await openRun(name, asked);
      view(asked.view);
    });
  }

  function theme(name) {
    document.documentElement.dataset.theme = name;
  }

  function live() {
    let last = performance.now(), mark = last, shown = last, frames = 0, busy = 0;
    const tick = (now) => {
      const begun = performance.now(), seconds = Math.max(0, (now - last) / 1000);
      last = now;
      views[state.view]?.frame?.(seconds);
      if (now - shown > 100) {
        shown = now;
        if (state.view === "drive") state.driving.show();
      }
      frames++;
      state.pictures++;
      busy += performance.now() - begun;
      if (now - mark > 1000) {
        const rate = (frames * 1000) / (now - mark);
        state.rates.push(rate);
        find("rate").textContent = `${rate.toFixed(0)} pictures a second, ${(busy / frames).toFixed(1)} ms each`;
        find("figures").textContent = state.view === "drive" ? state.driving.words() : "";
        mark = now;
        frames = busy = 0;
      }
      requestAnimationFrame(tick);
    };
    requestAnimationFrame(tick);
  }

  async function wake() {
    const light = matchMedia("(prefers-color-scheme: light)");
    theme(light.matches ? "light" : "dark");
    light.onchange = () => theme(light.matches ? "light" : "dark");
    state.entries = JSON.parse(find("runs").textContent);
    state.wasm = await unpack(find("engine-wasm").textContent);
    for (const { name } of state.entries) find("run").add(new Option(name, name));
    document.querySelector(".runs").hidden = state.entries.length < 2;
    const asked = readLink();
    await openRun(state.entries.some((one) => one.name === asked.run) ? asked.run : state.entries[0].name, asked);
    wire();
    view(asked.view);
    live();
    state.ready = performance.now();
  }

  addEventListener("DOMContentLoaded", () =>
    wake().catch((error) => {
      find("waiting").hidden = false;
      find("waiting").textContent = `The page could not wake up: ${error.message}`;
      console.error(error);
    }),
  );
})();
