// The page from servers: a folder whose runs come when they are chosen, and what `reverie play --web` serves.
import assert from "node:assert/strict";
import { test } from "node:test";
import { browse, DESKTOP, look, open, PHONE, shoot, until, visit } from "./browser.mjs";
import { play, serveFolder } from "./served.mjs";

browse();

test("a folder brings a run when it is chosen", async (t) => {
  const server = await serveFolder(process.env.SITE);
  t.after(server.end);
  const page = await open(DESKTOP, server.address);
  assert.deepEqual(page.asked, ["run-pretrained.js"], "that of the first run alone");
  await page.locator("#run").selectOption("again");
  await until(page, () => Reverie.page.run.name === "again");
  assert.deepEqual(page.asked, ["run-pretrained.js", "run-again.js"]);
  await page.locator("#run").selectOption("pretrained");
  await until(page, () => Reverie.page.run.name === "pretrained" && Reverie.page.stage.drive.decisions > 5);
  assert.equal(page.asked.length, 2, "nothing is asked for twice");
});

test("runs are compared on one track", async (t) => {
  const server = await serveFolder(process.env.SITE);
  t.after(server.end);
  const page = await open({ ...DESKTOP, colorScheme: "dark", hash: "view=compare&track=3" }, server.address);
  await page.getByRole("button", { name: "16 ×" }).click();
  await until(page, () => document.querySelectorAll("#compare .veil:not([hidden])").length === 2);
  const returns = await page.locator("#compare .world .figure").allTextContents();
  assert.equal(returns[0], returns[1], "the same agent on the same track");
  await shoot(page, "compare-desktop-dark");
  await page.setViewportSize({ width: 390, height: 844 });
  const [above, below] = await page.locator("#compare .world").evaluateAll((all) => all.map((one) => one.getBoundingClientRect()));
  assert.ok(above.bottom <= below.top, "one below the other");
  assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 390);
});

test("a served page scores C, and learns the names of edits", async (t) => {
  const server = await play("pretrained", "--track", "4");
  t.after(server.end);
  const page = await open({ ...DESKTOP, hash: server.hash }, server.address);
  assert.equal(await page.evaluate(() => Reverie.page.stage.track), 4);
  await page.locator("#tab-see").click();
  await until(page, () => document.querySelectorAll("#see .edits input").length === 4);
  await page.locator("#tab-proof").click();
  await page.locator("#verify").click();
  await until(page, () => document.querySelector("#proof progress").value >= 2);
  const mean = +(await page.locator("#proof .big").nth(1).textContent());
  assert.ok(mean > 800 && mean < 1000, `${mean}`);
  await page.locator("#verify").click();
});

// Says how a tab of a session stands.
const state = (page) => page.evaluate(() => Reverie.session.state);

test("a world that no page can run is driven from a tab", async (t) => {
  const server = await play(process.env.OTHER);
  t.after(server.end);
  const page = await visit(server.address, { ...DESKTOP, colorScheme: "dark" });
  await until(page, () => Reverie.session.decisions > 3);
  const begun = await look(page, "#large");
  await page.keyboard.down("ArrowUp");
  await until(page, () => Reverie.session.state.act[1] === 1);
  await until(page, () => Reverie.session.state.decisions > 15);
  await page.keyboard.up("ArrowUp");
  await until(page, () => Reverie.session.state.act[1] === 0);
  assert.notEqual(await look(page, "#large"), begun);
  await page.keyboard.press("c");
  await until(page, () => Reverie.session.state.autopilot);
  assert.equal(await page.locator("#who").textContent(), "C drives");
  const there = (await state(page)).decisions;
  await until(page, (there) => Reverie.session.state.decisions > there + 20, there);
  await shoot(page, "session-desktop-dark");
  await page.locator('.transport [data-press="switch"]').click();
  await until(page, () => Reverie.session.state.mode === "dream");
  assert.match(await page.locator("#mode").textContent(), /^Dream/);
  await page.keyboard.press("+");
  await until(page, () => Reverie.session.state.temperature === 1.1);
  await until(page, () => Reverie.session.state.decisions > 5);
  await shoot(page, "session-dream-dark");
  await page.keyboard.press("m");
  await until(page, () => Reverie.session.state.mode === "real");
  await page.keyboard.press("Space");
  await until(page, () => Reverie.session.state.paused);
  const { decisions, track } = await state(page);
  const asked = await page.evaluate(() => Reverie.session.decisions);
  await until(page, (asked) => Reverie.session.decisions > asked + 5, asked);
  assert.equal((await state(page)).decisions, decisions, "it stands still");
  await page.keyboard.press("Space");
  await page.keyboard.press("r");
  await until(page, (track) => Reverie.session.state.track === track + 1, track);
  await server.end();
  await until(page, () => !document.getElementById("waiting").hidden);
  assert.match(await page.locator("#waiting").textContent(), /does not answer any more/);
  page.faults.length = 0; // the browser says so, too
});

test("a session on a phone", async (t) => {
  const server = await play(process.env.OTHER);
  t.after(server.end);
  const page = await visit(server.address, { ...PHONE, colorScheme: "light" });
  await until(page, () => Reverie.session.decisions > 3);
  assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 390);
  const gas = await page.getByRole("button", { name: "gas", exact: true }).boundingBox();
  const client = await page.context().newCDPSession(page);
  const touchPoints = [{ x: gas.x + gas.width / 2, y: gas.y + gas.height / 2 }];
  await client.send("Input.dispatchTouchEvent", { type: "touchStart", touchPoints });
  await until(page, () => Reverie.session.state.act[1] === 1);
  await shoot(page, "session-phone-light");
  await client.send("Input.dispatchTouchEvent", { type: "touchEnd", touchPoints: [] });
  await until(page, () => Reverie.session.state.act[1] === 0);
});
