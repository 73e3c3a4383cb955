// The views See, Compare and Proof.
import assert from "node:assert/strict";
import { test } from "node:test";
import { browse, DESKTOP, look, open, PHONE, shoot, until } from "./browser.mjs";

browse();

// The mean column of what is not green in the upper quarter of the picture: where the road goes.
const roadGoesTo = (page) =>
  page.locator(CHANGED).evaluate((canvas) => {
    const { data } = canvas.getContext("2d").getImageData(0, 0, 64, 16);
    let sum = 0, count = 0;
    for (let i = 0; i < 64 * 16; i++) {
      if (Math.abs(data[4 * i + 1] - data[4 * i]) >= 40) continue;
      sum += i % 64;
      count++;
    }
    return sum / count;
  });

const CHANGED = "#see .picture.you canvas";

test("sliders change the picture, and the dream", async () => {
  const page = await open({ ...DESKTOP, colorScheme: "dark", hash: "view=see" });
  const slider = page.locator("#see .latent input").first();
  const plain = await look(page, CHANGED);
  await slider.fill("2");
  const moved = await look(page, CHANGED);
  assert.notEqual(moved, plain);
  await slider.focus();
  await page.keyboard.press("ArrowLeft");
  assert.equal(await slider.inputValue(), "1.95", "arrows move a slider and nobody's wheel");
  assert.equal(await page.evaluate(() => Reverie.page.stage.driver), "C");
  await page.getByRole("button", { name: "Hold in the dream" }).click();
  const held = await look(page, CHANGED);
  await page.waitForFunction(
    ([selector, before]) => {
      const canvas = document.querySelector(selector);
      const bytes = canvas.getContext("2d").getImageData(0, 0, 64, 64).data;
      return bytes.reduce((sum, byte, i) => (sum * 31 + byte + i) % 1_000_000_007, 7) !== before;
    },
    [CHANGED, held],
  );
  await page.getByRole("button", { name: "Undo all" }).click();
  await page.getByRole("button", { name: "Still" }).click();
  assert.equal(await look(page, CHANGED), plain);
  await shoot(page, "see-desktop-dark");
});

test("edits by name change the picture as they say, and the dream", async () => {
  const page = await open({ ...DESKTOP, hash: "view=see" });
  const plain = await look(page, CHANGED), found = [];
  assert.equal(await page.locator("#see .edits input").count(), 4);
  for (const far of ["1", "-1"]) {
    await page.getByLabel("nose to the left").fill(far);
    found.push(await roadGoesTo(page));
  }
  assert.ok(found[0] > found[1] + 4, `a nose to the left sees the road go to the right: ${found}`);
  await page.getByLabel("onto the grass").fill("1");
  const both = await look(page, CHANGED);
  await page.getByLabel("nose to the left").fill("0");
  assert.notEqual(await look(page, CHANGED), both);
  await page.getByRole("button", { name: "Hold in the dream" }).click();
  await until(page, () => Reverie.page.see.dream.decisions > 20);
  const [wanted, held] = await page.evaluate(() => {
    const { dream, edits, moment } = Reverie.page.see, { along, length } = edits.rows.find((row) => row.name === "onto the grass");
    const far = (z) => along.reduce((sum, x, i) => sum + x * z[i], 0);
    return [far(moment.z) + length, far(dream.z)];
  });
  assert.ok(Math.abs(wanted - held) < 1e-4, `${wanted} ${held}`);
  await page.getByRole("button", { name: "Undo all" }).click();
  await page.getByRole("button", { name: "Still" }).click();
  assert.equal(await look(page, CHANGED), plain);
  await shoot(page, "see-desktop-light");
});

test("between two moments", async () => {
  const page = await open({ ...PHONE, colorScheme: "light", hash: "view=see" });
  const path = page.getByLabel("From A to B", { exact: true });
  await path.fill("0");
  const start = await look(page, CHANGED);
  await path.fill("0.5");
  assert.notEqual(await look(page, CHANGED), start);
  assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 390);
  await shoot(page, "see-phone-light");
});

test("C is scored in the page", async (t) => {
  const page = await open({ ...DESKTOP, hash: "view=proof" });
  await page.locator("#verify").click();
  await until(page, () => +document.querySelector("#proof progress").value >= 4);
  const mean = +(await page.locator("#proof .big").nth(1).textContent());
  assert.ok(mean > 800 && mean < 1000, `${mean}`);
  assert.ok((await page.locator("#proof circle.dot-road").count()) >= 4);
  t.diagnostic(`mean of the first tracks ${mean}`);
  await page.locator("#verify").click();
  assert.equal(await page.locator("#verify").textContent(), "Score 100 tracks here");
  await shoot(page, "proof-desktop-light");
  await page.setViewportSize({ width: 390, height: 844 });
  assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 390);
});

test("tabs go by arrows, and one run is not compared", async () => {
  const page = await open();
  await page.locator("#tab-drive").focus();
  await page.keyboard.press("ArrowRight");
  assert.equal(await page.locator("#tab-see").getAttribute("aria-selected"), "true");
  await page.keyboard.press("ArrowRight");
  assert.equal(await page.locator("#tab-proof").getAttribute("aria-selected"), "true");
  assert.equal(await page.locator("#tab-compare").isVisible(), false);
});
