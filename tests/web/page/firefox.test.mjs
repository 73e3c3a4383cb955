// The page in Firefox, from the disk.
import assert from "node:assert/strict";
import path from "node:path";
import { test } from "node:test";
import { pathToFileURL } from "node:url";
import { PAGE, SHOTS } from "./browser.mjs";
import { Firefox, isHere } from "./firefox.mjs";

const UP = "\uE013"; // the arrow, as WebDriver writes it

test("Firefox, too, opens it from the disk, drives and scores", { skip: !isHere && "there is no firefox-esr" }, async (t) => {
  const firefox = await Firefox.launch({ width: 1280, height: 900 });
  t.after(() => firefox.close());
  await firefox.goTo(pathToFileURL(PAGE).href);
  await firefox.until(() => Reverie.page?.ready);
  t.diagnostic(`Firefox ${firefox.version}: first picture after ${(await firefox.evaluate(() => Reverie.page.firstPicture)).toFixed(0)} ms`);
  await firefox.until(() => Reverie.page.stage.dream.decisions > 20 && Reverie.page.stage.drive.decisions > 20);
  await firefox.key("keyDown", UP);
  await firefox.until(() => Reverie.page.stage.driver === "you" && Reverie.page.stage.drive.action[1] === 1);
  await firefox.key("keyUp", UP);
  await firefox.until(() => Reverie.page.stage.drive.action[1] === 0);
  await firefox.until(() => Reverie.page.rates.length > 3);
  t.diagnostic(`${(await firefox.evaluate(() => Reverie.page.rates.at(-1))).toFixed(0)} pictures a second`);
  await firefox.shoot(path.join(SHOTS, "firefox-drive.png"));
  await firefox.evaluate(() => document.getElementById("tab-see").click());
  await firefox.shoot(path.join(SHOTS, "firefox-see.png"));
  await firefox.evaluate(() => document.getElementById("tab-proof").click());
  await firefox.evaluate(() => document.getElementById("verify").click());
  await firefox.until(() => document.querySelector("#proof progress").value >= 2);
  await firefox.shoot(path.join(SHOTS, "firefox-proof.png"));
  assert.deepEqual(await firefox.evaluate(() => performance.getEntriesByType("resource").map(({ name }) => name)), []);
});
