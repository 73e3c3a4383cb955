// What `reverie report` writes, in real Chromium, from the disk: it asks for nothing, and all that is in it is shown.
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { after, before, test } from "node:test";
import { pathToFileURL } from "node:url";
import { DESKTOP, launch, PATIENCE, PHONE, SHOTS } from "./browser.mjs";

const REPORT = process.env.REPORT; // the file that `reverie report` wrote
const LARGEST = 8_000_000; // bytes

let browser;
before(async () => (browser = await launch()));
after(() => browser.close());

async function open(options) {
  const context = await browser.newContext(options), page = await context.newPage();
  const address = pathToFileURL(REPORT).href;
  page.setDefaultTimeout(PATIENCE);
  page.faults = [];
  page.on("console", (message) => message.type() === "error" && page.faults.push(message.text()));
  page.on("pageerror", (error) => page.faults.push(String(error)));
  page.on("request", (request) => {
    if (request.url() !== address && !request.url().startsWith("data:")) page.faults.push(`asked for ${request.url()}`);
  });
  await page.goto(address);
  await page.waitForFunction(() => [...document.images].every((image) => image.complete));
  return page;
}

test("it is one file, which is not large", () => assert.ok(fs.statSync(REPORT).size <= LARGEST));

for (const [name, options] of Object.entries({
  report_desktop: DESKTOP,
  report_dark: { ...DESKTOP, colorScheme: "dark" },
  report_phone: PHONE,
})) {
  test(`${name}: pictures and film are there, nothing is wider than the screen, nothing is asked for`, async () => {
    const page = await open(options);
    assert.ok((await page.evaluate(() => document.images.length)) >= 4);
    assert.ok(await page.evaluate(() => [...document.images].every((image) => image.naturalWidth > 100)));
    await page.waitForFunction(() => document.querySelector("video").readyState >= 2);
    const seconds = await page.evaluate(() => document.querySelector("video").duration);
    assert.ok(seconds > 2, `the film lasts ${seconds} s`);
    assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth));
    await page.screenshot({ path: path.join(SHOTS, `${name}.png`), fullPage: true });
    assert.deepEqual(page.faults, []);
    await page.context().close();
  });
}
