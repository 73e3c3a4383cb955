"use strict";
// A page that `reverie play --web` serves asks for news, takes a newer C while the run trains on, and once the names of
// edits.
(() => {
  const EVERY = 2000; // milliseconds
  const known = JSON.parse(document.getElementById("served").textContent); // digests of C, and of V and M
  let silent = "", named = false;

  const ask = async (what) => {
    const answer = await fetch(what);
    if (!answer.ok) throw new Error(`${what}: ${answer.status}`);
    return answer;
  };

  async function look() {
    const news = await (await ask("news")).json();
    if (news.models !== known.models) return location.reload(); // nothing of what is here fits what is there
    if (news.version !== known.version) {
      await Reverie.page.renew(new Uint8Array(await (await ask("bundle")).arrayBuffer()));
      known.version = news.version;
    }
    if (!named) {
      Reverie.page.name(await (await ask("edits")).json());
      named = true;
    }
    return news.trouble;
  }

  async function follow() {
    try {
      if (Reverie.page.ready) silent = tell(await look());
    } catch {
      silent = tell("reverie play has no answer; what is here goes on.");
    }
    setTimeout(follow, EVERY);
  }

  // Says what is wrong once, as long as it is.
  function tell(words) {
    if (words && words !== silent) Reverie.page.say(words);
    return words;
  }

  addEventListener("DOMContentLoaded", follow);
})();
