// Debian's Firefox, by its own protocol (Marionette): JSON over a socket, each message after its length.
import { spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { PATIENCE } from "./browser.mjs";

const EXECUTABLE = process.env.FIREFOX ?? "/usr/bin/firefox-esr";
export const isHere = fs.existsSync(EXECUTABLE);

export class Firefox {
  static async launch({ width, height }) {
    const profile = fs.mkdtempSync(path.join(os.tmpdir(), "firefox-")), known = path.join(profile, "MarionetteActivePort");
    fs.writeFileSync(path.join(profile, "user.js"), 'user_pref("marionette.port", 0);\nuser_pref("app.update.enabled", false);\n');
    const size = [`--width=${width}`, `--height=${height}`], env = { ...process.env, HOME: profile };
    const child = spawn(EXECUTABLE, ["--headless", "--marionette", "--no-remote", "--profile", profile, ...size], { stdio: "ignore", env });
    const ended = once(child, "exit");
    for (let waited = 0; !(fs.existsSync(known) && fs.readFileSync(known, "utf8")); waited += 100) {
      if (child.exitCode !== null || waited > PATIENCE) throw new Error("Firefox does not start");
      await sleep(100);
    }
    const socket = net.connect(+fs.readFileSync(known, "utf8"), "127.0.0.1");
    await once(socket, "connect");
    const firefox = new Firefox(socket, async () => {
      child.kill();
      await ended;
      fs.rmSync(profile, { recursive: true, force: true });
    });
    const { capabilities } = await firefox.send("WebDriver:NewSession", { timeouts: { script: PATIENCE, pageLoad: PATIENCE } });
    firefox.version = capabilities.browserVersion;
    return firefox;
  }

  constructor(socket, close) {
    Object.assign(this, { socket, close, num: 0, asked: new Map(), heard: Buffer.alloc(0) });
    socket.on("data", (data) => this.hear(data));
  }

  // What came of a command: [1, its number, what failed, what it gives].
  hear(data) {
    this.heard = Buffer.concat([this.heard, data]);
    for (let colon; (colon = this.heard.indexOf(":")) > 0; ) {
      const end = colon + 1 + Number(this.heard.subarray(0, colon));
      if (this.heard.length < end) return;
      const message = JSON.parse(this.heard.subarray(colon + 1, end));
      this.heard = this.heard.subarray(end);
      if (!Array.isArray(message)) continue; // its greeting
      const [, number, failed, found] = message, { resolve, reject } = this.asked.get(number);
      this.asked.delete(number);
      if (failed) reject(new Error(failed.message));
      else resolve(found);
    }
  }

  send(name, parameters = {}) {
    const text = JSON.stringify([0, ++this.num, name, parameters]);
    this.socket.write(`${Buffer.byteLength(text)}:${text}`);
    return new Promise((resolve, reject) => this.asked.set(this.num, { resolve, reject }));
  }

  goTo(url) {
    return this.send("WebDriver:Navigate", { url });
  }

  // What a function gives in the page.
  async evaluate(what) {
    return (await this.send("WebDriver:ExecuteScript", { script: `return (${what})()`, args: [], sandbox: null })).value;
  }

  async until(what) {
    for (let waited = 0; !(await this.evaluate(what)); waited += 50) {
      if (waited > PATIENCE) throw new Error(`in vain: ${what}`);
      await sleep(50);
    }
  }

  // A key goes down or up.
  key(type, value) {
    return this.send("WebDriver:PerformActions", { actions: [{ type: "key", id: "keyboard", actions: [{ type, value }] }] });
  }

  async shoot(file) {
    const { value } = await this.send("WebDriver:TakeScreenshot", { full: false });
    fs.writeFileSync(file, Buffer.from(value, "base64"));
  }
}
