// What the pictures of a page cost: how many come in a second, and the processor's time for each, which a machine that
// is busy with other things does not lengthen.
import { PATIENCE, until } from "./browser.mjs";

// Seconds of a processor that each kind of process of the browser has taken.
async function processes(page) {
  const whole = await page.context().browser().newBrowserCDPSession(), found = {};
  for (const { type, cpuTime } of (await whole.send("SystemInfo.getProcessInfo")).processInfo) found[type] = (found[type] ?? 0) + cpuTime;
  return found;
}

// What it took to wake up, in words.
export async function waking(page) {
  const { renderer } = await processes(page), first = await page.evaluate(() => Reverie.page.firstPicture);
  return `first picture after ${first.toFixed(0)} ms; the renderer's process took ${(1000 * renderer).toFixed(0)} ms of a processor until all was awake`;
}

// Over so many seconds as the page counts them, in words.
export async function cost(page, seconds) {
  const tab = await page.context().newCDPSession(page);
  await tab.send("Performance.enable", { timeDomain: "threadTicks" });
  const now = async () => {
    const { metrics } = await tab.send("Performance.getMetrics");
    const found = { ...(await processes(page)), pictures: await page.evaluate(() => Reverie.page.pictures) };
    for (const { name, value } of metrics) {
      if (name === "ScriptDuration") found.script = value;
      if (name === "TaskDuration") found.main = value;
    }
    return found;
  };
  const first = await page.evaluate(() => Reverie.page.rates.length), before = await now();
  await until(page, ([from, more]) => Reverie.page.rates.length >= from + more, [first, seconds]);
  const after = await now(), rates = await page.evaluate((from) => Reverie.page.rates.slice(from), first);
  const each = (name) => ((1000 * ((after[name] ?? 0) - (before[name] ?? 0))) / (after.pictures - before.pictures)).toFixed(1);
  const rate = rates.reduce((a, b) => a + b) / rates.length;
  return `${rate.toFixed(0)} pictures a second; ms of a processor for each: ${each("script")} in scripts, ${each("main")} on the main thread, ${each("renderer")} in the renderer's process, ${each("GPU")} in the one that composes`;
}
