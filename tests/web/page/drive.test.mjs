// The view Drive. No test asks how fast anything was: that is printed.
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { browse, DESKTOP, look, open, PAGE, PHONE, shoot, SHOTS, until } from "./browser.mjs";
import { cost, waking } from "./cost.mjs";

browse();

const stage = (page, what) => page.evaluate(`(({ dream, drive, ...stage }) => (${what}))(Reverie.page.stage)`);

test("it opens from the disk and drives by itself", async (t) => {
  const page = await open();
  t.diagnostic(await waking(page));
  await until(page, () => Reverie.page.stage.dream.decisions > 20 && Reverie.page.stage.drive.decisions > 20);
  assert.equal(await page.locator("#who-road").textContent(), "C drives");
  t.diagnostic(await cost(page, 4));
  const client = await page.context().newCDPSession(page);
  await client.send("Emulation.setCPUThrottlingRate", { rate: 4 });
  t.diagnostic(`throttled four times: ${await cost(page, 4)}`);
  await shoot(page, "drive-desktop-light");
});

test("ten seconds of driving by keys; any of them takes the wheel", async () => {
  const page = await open({ ...DESKTOP, colorScheme: "dark" });
  await page.keyboard.down("ArrowUp");
  await until(page, () => Reverie.page.stage.driver === "you");
  await until(page, () => Reverie.page.stage.drive.action[1] === 1);
  assert.match(await page.locator("#said").textContent(), /^You drive on the road/);
  await page.keyboard.down("KeyA");
  await until(page, () => Reverie.page.stage.drive.action[0] === -1);
  await page.keyboard.up("KeyA");
  await until(page, () => Reverie.page.stage.drive.frames > 500);
  await page.keyboard.up("ArrowUp");
  assert.ok(await stage(page, "drive.road.car().speed > 1"));
  await shoot(page, "drive-keys");
  await page.keyboard.press("c");
  await until(page, () => Reverie.page.stage.driver === "C");
});

test("a fork dreams on from the real moment, under the same actions", async () => {
  const page = await open();
  await until(page, () => Reverie.page.stage.drive.decisions > 25);
  await page.keyboard.press("f");
  await until(page, () => Reverie.page.stage.linked?.points.length > 30);
  assert.ok(await stage(page, "dream.action.every((x, i) => x === drive.action[i])"));
  const [first, last] = await stage(page, "[stage.linked.points[0], stage.linked.points.at(-1)]");
  assert.equal(first.dream, first.vision, "at the fork the dream sees what V sees");
  assert.equal(first.still, 0);
  assert.ok(last.dream > first.dream);
  assert.equal(await page.locator("#fork-chart path").count(), 3);
  await shoot(page, "drive-fork");
  await page.locator("#release").click();
  assert.equal(await stage(page, "stage.linked"), null);
});

test("pause, step, restart, temperature, swap", async () => {
  const page = await open();
  await page.locator('[data-do="restart"]').click();
  await page.keyboard.press("Space"); // pauses, also after a button was clicked
  await until(page, () => Reverie.page.stage.paused);
  await page.locator('[data-do="step"]').click(); // what was left of a decision
  const before = await stage(page, "drive.decisions");
  await page.locator('[data-do="step"]').click();
  assert.equal(await stage(page, "drive.decisions"), before + 1);
  await page.locator("#temperature").fill("0.5");
  assert.equal(await stage(page, "stage.temperature"), 0.5);
  await page.keyboard.press("Tab");
  await page.locator("#world-dream .screen").click();
  assert.equal(await stage(page, "stage.lead"), "dream");
  await page.keyboard.press("r");
  assert.equal(await stage(page, "dream.decisions"), 0);
});

test("a link carries track, temperature and seed", async () => {
  const page = await open({ ...DESKTOP, hash: "track=7&temperature=0.3&seed=5" });
  assert.deepEqual(await stage(page, "[stage.track, stage.temperature, stage.seed]"), [7, 0.3, 5]);
  await page.keyboard.press("n");
  await until(page, () => location.hash.includes("track=8"));
  assert.match(page.url(), /run=pretrained&track=8&temperature=0.3&seed=5/);
});

test("a film is saved", async (t) => {
  const page = await open();
  await page.keyboard.press("v");
  await until(page, () => Reverie.page.driving.film);
  await page.waitForTimeout(2000);
  const [download] = await Promise.all([page.waitForEvent("download"), page.keyboard.press("v")]);
  assert.match(download.suggestedFilename(), /^reverie-pretrained-track-0\.(mp4|webm)$/);
  await until(page, () => Reverie.page.driving.filmed);
  const { type, size } = await page.evaluate(() => Reverie.page.driving.filmed);
  assert.ok(size > 10_000);
  t.diagnostic(`${type}, ${size} bytes`);
});

test("touch takes the wheel on a phone, and nothing is wider than it", async (t) => {
  const page = await open({ ...PHONE, colorScheme: "dark" });
  assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 390);
  const gas = await page.locator('[data-hold="gas"]').boundingBox();
  const client = await page.context().newCDPSession(page);
  const touchPoints = [{ x: gas.x + gas.width / 2, y: gas.y + gas.height / 2 }];
  await client.send("Input.dispatchTouchEvent", { type: "touchStart", touchPoints });
  await until(page, () => Reverie.page.stage.driver === "you" && Reverie.page.stage.drive.action[1] === 1);
  await client.send("Input.dispatchTouchEvent", { type: "touchEnd", touchPoints: [] });
  await until(page, () => Reverie.page.stage.drive.action[1] === 0);
  t.diagnostic(`at the size of a phone: ${await cost(page, 3)}`);
  await shoot(page, "drive-phone-dark");
});

test("where little motion is wanted, it waits", async () => {
  const page = await open({ ...PHONE, reducedMotion: "reduce" });
  assert.equal(await stage(page, "stage.paused"), true);
  const seen = await look(page, "#dream");
  assert.equal(await look(page, "#dream"), seen);
  await shoot(page, "drive-phone-light");
});

test("a promise beyond what a track can pay is called an exploit, and ends the dream", async () => {
  const page = await open();
  await page.keyboard.press("Space");
  await page.evaluate(() => {
    const { dream, run } = Reverie.page.stage;
    run.engine.dream = () => ({ z: dream.z, reward: 60, end: false, doubt: null }); // M promises 60
    dream.earned = 980 - run.world.repeat * 0.1 - 0.1 * dream.frames; // and 20 are left
    dream.return = Reverie.page.stage.frame = 0;
    Reverie.page.driving.do("step");
  });
  assert.match(await page.locator("#exploit").textContent(), /promised 40 more than a track can still pay/);
  assert.equal(await page.locator("#return-dream").textContent(), "20");
  assert.match(await page.locator("#veil-dream").textContent(), /all that a track can pay is earned/);
});

test("without the road the dream is alone, says so, and can be driven", async () => {
  const alone = path.join(SHOTS, "alone.html");
  fs.writeFileSync(alone, fs.readFileSync(PAGE, "utf8").replace(/<script[^>]*id="road-wasm">.*?<\/script>/s, ""));
  const page = await open(DESKTOP, alone);
  assert.equal(await page.locator("#world-road").isVisible(), false);
  assert.ok(await page.getByText("The dream is alone here").isVisible());
  await page.keyboard.press("ArrowUp");
  await until(page, () => Reverie.page.stage.driver === "you" && Reverie.page.stage.dream.decisions > 5);
  await page.locator("#tab-see").click();
  await page.locator("#tab-proof").click();
  assert.ok(await page.locator("#verify").isDisabled());
  await page.locator("#tab-drive").click();
  await shoot(page, "alone-desktop-light");
});
