// Pages in real Chromium; what they must never do is noted: errors in the console, requests for what is elsewhere.
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { after, afterEach, before } from "node:test";
import { pathToFileURL } from "node:url";
import { chromium } from "playwright-core";

export const PAGE = process.env.PAGE; // the file that `reverie export web` wrote
export const SHOTS = process.env.SHOTS; // where pictures are kept
const EXECUTABLE = process.env.CHROMIUM ?? "/usr/bin/chromium";
export const PATIENCE = 1000 * (process.env.PATIENCE ?? 120); // milliseconds, of a busy machine

export const DESKTOP = { viewport: { width: 1280, height: 800 } };
export const PHONE = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, hasTouch: true, isMobile: true };

let browser;
const pages = []; // of the test that runs

// To be called once in a file of tests: a browser for all of them, and what every page must keep to.
export function browse() {
  before(async () => (browser = await chromium.launch({ executablePath: EXECUTABLE, args: ["--no-sandbox"] })));
  after(() => browser.close());
  afterEach(async () => {
    const faults = pages.flatMap((page) => page.faults);
    for (const page of pages.splice(0)) await page.context().close();
    assert.deepEqual(faults, [], "no error in the console, no request for what is elsewhere");
  });
}

// Opens a page, a file or an address, in a context of its own. `page.asked` has what it asked for beside itself: from
// the disk that is a fault, from a server only what is not below the page's address.
export async function visit(where, options = DESKTOP) {
  const page = await (await browser.newContext({ acceptDownloads: true, ...options })).newPage();
  const address = new URL(where.startsWith("http") ? where : pathToFileURL(where)), home = address.href.split("#")[0];
  if (options.hash) address.hash = options.hash;
  pages.push(page);
  page.setDefaultTimeout(PATIENCE);
  Object.assign(page, { faults: [], asked: [] });
  page.on("console", (message) => message.type() === "error" && page.faults.push(message.text()));
  page.on("pageerror", (error) => page.faults.push(String(error)));
  page.on("request", (request) => {
    const url = request.url().split("#")[0];
    if (url === home || /^(data|blob):/.test(url)) return;
    if (address.protocol === "file:" || !url.startsWith(home)) page.faults.push(`asked for ${url}`);
    else page.asked.push(url.slice(home.length));
  });
  await page.goto(address.href);
  return page;
}

// The same, of a page of ours; resolves when it is awake.
export async function open(options = DESKTOP, where = PAGE) {
  const page = await visit(where, options);
  await until(page, () => Reverie.page?.ready);
  return page;
}

// Waits until something is true in the page.
export const until = (page, what, given) => page.waitForFunction(what, given, { timeout: PATIENCE });

// A number for what a canvas shows.
export const look = (page, selector) =>
  page.locator(selector).evaluate((canvas) => {
    const bytes = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
    return bytes.reduce((sum, byte, i) => (sum * 31 + byte + i) % 1_000_000_007, 7);
  });

export const shoot = (page, name, options) => page.screenshot({ path: path.join(SHOTS, `${name}.png`), ...options });
