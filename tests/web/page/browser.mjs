// A page in real Chromium, from the disk; what it must never do is noted: errors in the console, requests.
import path from "node:path";
import { pathToFileURL } from "node:url";
import { chromium } from "playwright-core";

export const PAGE = process.env.PAGE; // the file that `reverie export web` wrote
export const SHOTS = process.env.SHOTS; // where pictures are kept
const EXECUTABLE = process.env.CHROMIUM ?? "/usr/bin/chromium";
export const PATIENCE = 120_000; // of a busy machine

export const DESKTOP = { viewport: { width: 1280, height: 800 } };
export const PHONE = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, hasTouch: true, isMobile: true };

export const launch = () => chromium.launch({ executablePath: EXECUTABLE, args: ["--no-sandbox"] });

// Opens the page in a context of its own; resolves when it is awake.
export async function open(browser, options = DESKTOP, hash = "", file = PAGE) {
  const context = await browser.newContext({ acceptDownloads: true, ...options });
  const page = await context.newPage(), address = pathToFileURL(file).href;
  page.setDefaultTimeout(PATIENCE);
  page.faults = [];
  page.on("console", (message) => message.type() === "error" && page.faults.push(message.text()));
  page.on("pageerror", (error) => page.faults.push(String(error)));
  page.on("request", (request) => {
    const url = request.url();
    if (url.split("#")[0] !== address && !/^(data|blob):/.test(url)) page.faults.push(`asked for ${url}`);
  });
  await page.goto(address + hash);
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

export const shoot = (page, name) => page.screenshot({ path: path.join(SHOTS, `${name}.png`) });

// Frames a second over so many seconds, as the page counts them.
export async function rate(page, seconds) {
  const before = await page.evaluate(() => Reverie.page.rates.length);
  await until(page, ([from, more]) => Reverie.page.rates.length >= from + more, [before, seconds]);
  const rates = await page.evaluate((from) => Reverie.page.rates.slice(from), before);
  return rates.reduce((a, b) => a + b) / rates.length;
}
