// What `reverie report` writes, in real Chromium, from the disk: it asks for nothing, and all that is in it is shown.
import assert from "node:assert/strict";
import fs from "node:fs";
import { test } from "node:test";
import { browse, DESKTOP, PHONE, shoot, until, visit } from "./browser.mjs";

browse();

const REPORT = process.env.REPORT; // the file that `reverie report` wrote
const SEVERAL = process.env.SEVERAL; // what it wrote of several runs
const LARGEST = 8_000_000; // bytes

test("it is one file, which is not large", () => assert.ok(fs.statSync(REPORT).size <= LARGEST));

for (const [name, options] of Object.entries({
  report_desktop: DESKTOP,
  report_dark: { ...DESKTOP, colorScheme: "dark" },
  report_phone: PHONE,
})) {
  test(`${name}: pictures and film are there, nothing is wider than the screen, nothing is asked for`, async () => {
    const page = await visit(REPORT, options);
    await until(page, () => [...document.images].every((image) => image.complete));
    assert.ok((await page.evaluate(() => document.images.length)) >= 4);
    assert.ok(await page.evaluate(() => [...document.images].every((image) => image.naturalWidth > 100)));
    await until(page, () => document.querySelector("video").readyState >= 2);
    const seconds = await page.evaluate(() => document.querySelector("video").duration);
    assert.ok(seconds > 2, `the film lasts ${seconds} s`);
    assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth));
    await shoot(page, name, { fullPage: true });
  });
}

for (const [name, options] of Object.entries({
  several_desktop: DESKTOP,
  several_dark: { ...DESKTOP, colorScheme: "dark" },
  several_phone: PHONE,
})) {
  test(`${name}: runs side by side; pictures are there, only tables are wider than the screen`, async () => {
    const page = await visit(SEVERAL, options);
    await until(page, () => [...document.images].every((image) => image.complete && image.naturalWidth > 100));
    assert.ok((await page.evaluate(() => document.images.length)) >= 3);
    assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth));
    await shoot(page, name, { fullPage: true });
  });
}
