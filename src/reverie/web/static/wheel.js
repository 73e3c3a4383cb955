"use strict";
// Whoever holds the wheel: keys, touch and gamepads, as one action that moves smoothly (reverie.play.session.turn).
globalThis.Reverie ??= {};

const FULL = [1, 1, 0.8]; // of steering, gas and brake: harder brakes block the wheels
const RATES = [3, 3, 4]; // how far each moves in a second; back to rest twice as fast
const DEAD = 0.12; // of a stick
const PEDALS = {
  ArrowLeft: "left", KeyA: "left", ArrowRight: "right", KeyD: "right",
  ArrowUp: "gas", KeyW: "gas", ArrowDown: "brake", KeyS: "brake",
};

Reverie.Wheel = class {
  // `taken()` is called whenever a person takes the wheel.
  constructor(taken) {
    this.taken = taken;
    this.held = new Set();
    this.tapped = new Set();
    this.stick = null;
    addEventListener("blur", () => this.held.clear());
  }

  // Whether a key of the keyboard drives; it is then held.
  press(event) {
    const pedal = PEDALS[event.code];
    if (!pedal || event.ctrlKey || event.metaKey || event.altKey) return false;
    this.hold(pedal);
    return true;
  }

  release(event) {
    this.held.delete(PEDALS[event.code]);
  }

  hold(pedal) {
    this.held.add(pedal);
    this.tapped.add(pedal); // and let go again within a decision: it counts, too
    this.taken();
  }

  // A button that drives for as long as it is held, by touch, mouse or keyboard.
  bind(button, pedal) {
    const off = () => {
      this.held.delete(pedal);
      button.classList.remove("held");
    };
    const on = () => {
      button.classList.add("held");
      this.hold(pedal);
    };
    button.addEventListener("pointerdown", (event) => {
      event.preventDefault();
      button.setPointerCapture(event.pointerId);
      on();
    });
    for (const end of ["pointerup", "pointercancel", "lostpointercapture", "blur"]) button.addEventListener(end, off);
    button.addEventListener("contextmenu", (event) => event.preventDefault());
    button.addEventListener("keydown", (event) => (event.code === "Space" || event.code === "Enter") && on());
    button.addEventListener("keyup", off);
  }

  // Reads the first gamepad there is: left stick, triggers.
  poll() {
    const pad = navigator.getGamepads?.().find((one) => one?.connected);
    if (!pad) return (this.stick = null);
    const value = (i) => pad.buttons[i]?.value ?? 0;
    const steer = Math.abs(pad.axes[0]) > DEAD ? pad.axes[0] : 0;
    this.stick = [steer, value(7), value(6)];
    if (this.stick.some((x) => Math.abs(x) > DEAD)) this.taken();
    return this.stick;
  }

  // The action after `action` when things are held for so many seconds.
  turn(action, seconds) {
    const down = (pedal) => (this.held.has(pedal) || this.tapped.has(pedal) ? 1 : 0);
    const target = [FULL[0] * (down("right") - down("left")), FULL[1] * down("gas"), FULL[2] * down("brake")];
    this.tapped.clear();
    return Float32Array.from(action, (now, i) => {
      const wanted = this.stick && Math.abs(this.stick[i]) > DEAD ? this.stick[i] : target[i];
      const reach = RATES[i] * seconds * (wanted === 0 || wanted * now < 0 ? 2 : 1);
      return Math.max(now - reach, Math.min(now + reach, wanted));
    });
  }
};
