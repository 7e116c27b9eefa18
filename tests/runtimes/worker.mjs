// worker.mjs: the bundle as the browser gets it, in Node. Reads messages from standard input, a JSON text a line, and
// prints what handle() answers, a line each; at the end, how often the rest of the runtime had to be fetched.
//
//   node worker.mjs PLACE < messages        PLACE holds micropython.wasm and micropython.cold.wasm
//
// The clock goes on by STEP ms with each message: what is due by now must not depend on how busy the machine is.
import fs from "node:fs";
import { startPython } from "../../static/micropython.js";

const [START, STEP] = [1795473649157, 700];
let [cold, asked] = [0, 0];
Date.now = () => START + STEP * asked;
globalThis.fetch = async (url) => new Response(fs.readFileSync(url), { headers: { "Content-Type": "application/wasm" } });
globalThis.XMLHttpRequest = class {
  open(_, url) {
    cold += 1;
    this.response = fs.readFileSync(url);
  }
  send() {}
};
const { handle } = await startPython(process.argv[2]);
for (const message of fs.readFileSync(0, "utf8").split("\n")) {
  if (!message) continue;
  asked += 1;
  console.log(handle(message));
}
console.log(cold);
