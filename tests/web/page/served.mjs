// Servers for pages: a folder by Python, and `reverie play --web`.
import { spawn } from "node:child_process";
import { once } from "node:events";

const PYTHON = process.env.PYTHON ?? "python3";

// Runs until `end()`; `said` is what its output matches, once it does.
async function run(words, wanted) {
  const child = spawn(PYTHON, ["-u", ...words], { stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  const said = await new Promise((resolve, reject) => {
    for (const stream of [child.stdout, child.stderr]) {
      stream.on("data", (text) => {
        output += text;
        const match = wanted.exec(output);
        if (match) resolve(match);
      });
    }
    child.on("exit", () => reject(new Error(`${words.join(" ")} has ended: ${output}`)));
  });
  const end = async () => {
    child.kill("SIGINT");
    if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
  };
  return { said, end };
}

// A static server for a folder.
export async function serveFolder(folder) {
  const server = await run(["-m", "http.server", "0", "--bind", "127.0.0.1", "--directory", folder], /port (\d+)/);
  return { address: `http://127.0.0.1:${server.said[1]}/`, end: server.end };
}

// `reverie play RUN --web`; the address has what the command adds to it.
export async function play(name, ...words) {
  const server = await run(["-m", "reverie", "play", name, "--web", "--no-browser", ...words], /(http:\S+\/)(?:#(\S*))?\n/);
  return { address: server.said[1], hash: server.said[2], end: server.end };
}
