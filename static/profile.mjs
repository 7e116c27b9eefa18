// profile.mjs: what of MicroPython does the core use? Runs the core's tests in Node on an instrumented runtime.
//
//   node profile.mjs WASM FOLDER        prints {"functions": [...], "read": [[from, to], ...]}
//
// FOLDER holds bytecode: the core, its tests and suite.mpy. runtime.py makes both and cuts by the answer.
import fs from "node:fs";
import path from "node:path";
import { startPython } from "./micropython.js";

const [wasm, folder] = process.argv.slice(2);
const CONSTANTS = 1 << 18; // the runtime's own data ends below; beyond are its stack and heap
const functions = new Set();
const read = new Uint8Array(CONSTANTS);
const same = (_, value) => value;
const probes = {
  hit: (number) => functions.add(number),
  load_ptr(_, length, offset, at) {
    const from = (at >>> 0) + (offset >>> 0);
    if (from < CONSTANTS) read.fill(1, from, from + length);
    return at;
  },
  store_ptr: (_, length, offset, at) => at,
};
for (const type of ["i32", "i64", "f32", "f64"]) probes["load_val_" + type] = probes["store_val_" + type] = same;
probes.memory_grow_pre = probes.memory_grow_post = same;

const start = WebAssembly.instantiateStreaming;
WebAssembly.instantiateStreaming = (response, { env, ...rest }) =>
  start(response, { ...rest, env: new Proxy(env, { get: (_, name) => probes[name] || env[name] }) });
globalThis.fetch = async () =>
  new Response(fs.readFileSync(wasm), { headers: { "Content-Type": "application/wasm" } });

const files = {};
const lay = (from, at) => {
  files[at] = new Uint8Array();
  for (const entry of fs.readdirSync(from, { withFileTypes: true }))
    if (entry.isDirectory()) lay(path.join(from, entry.name), at + "/" + entry.name);
    else files[at + "/" + entry.name] = fs.readFileSync(path.join(from, entry.name));
};
lay(folder, "/lib");
const tests = Object.keys(files).map((name) => name.match(/^\/lib\/(test_\w+)\.mpy$/)?.[1]).filter(Boolean);
await startPython("", files); // the start of a page's worker
const { handle } = await startPython("", files, "suite", "run");
handle(JSON.stringify(tests)); // whether they pass is for `make test` to say

const ranges = [];
for (let at = 0; at < CONSTANTS; at++) {
  if (!read[at]) continue;
  const from = at;
  while (read[at]) at++;
  ranges.push([from, at]);
}
console.log(JSON.stringify({ functions: [...functions], read: ranges }));
