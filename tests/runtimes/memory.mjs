// memory.mjs: captures in the tag's worker, one message each, as pages make them; prints what Python holds after the first
// thousand and after ten thousand more, in bytes.
//
//   node memory.mjs micropython|pyodide RUNTIME CORE       the runtime's folder, and core.zip unpacked
//
// MicroPython collects garbage between two calls from JavaScript, not within one: a loop in Python would prove nothing,
// and what a collection frees is seen by the next call.
import fs from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";

const [runtime, place, core] = process.argv.slice(2);
const SEED = "01a20a91-ae05-7e94-aea9-36f6d0ff238a";

const lay = (python, from, at) => {
  if (!fs.statSync(from).isDirectory()) return python.FS.writeFile(at, new Uint8Array(fs.readFileSync(from)));
  if (!python.FS.analyzePath(at).exists) python.FS.mkdir(at);
  for (const name of fs.readdirSync(from)) lay(python, path.join(from, name), at + "/" + name);
};
const loaders = {
  micropython: async () => (await import(pathToFileURL(path.join(place, "micropython.mjs")))).loadMicroPython(),
  pyodide: async () => (await import(pathToFileURL(path.join(place, "pyodide.mjs")))).loadPyodide(),
};
const python = await loaders[runtime]();
lay(python, core, "/core");
python.runPython("import gc, sys; sys.path.insert(0, '/core')");
if (runtime == "pyodide") python.runPython("import tracemalloc; tracemalloc.start()");
const handle = python.pyimport("beknown.hosts.worker").handle;
const used = () => {
  python.runPython("gc.collect()");
  python.runPython(runtime == "pyodide" ? "held = tracemalloc.get_traced_memory()[0]" : "held = gc.mem_alloc()");
  return python.globals.get("held");
};

const say = (message) => JSON.parse(handle(JSON.stringify(message)));
const first = `1.0.${SEED}.a..0.0.${SEED}`;
say({ start: { facts: {}, options: { key: "bk_test" }, stored: [first, first + "\n{}"] } });

let delivered = 0;
const capture = (number) => {
  const at = 1795473649157 + number * 200; // slower than the runaway guard
  const stamp = at.toString(16).padStart(12, "0");
  const id = `${stamp.slice(0, 8)}-${stamp.slice(8)}-7000-8000-${String(number).padStart(12, "0")}`;
  const entry = { call: "capture", args: ["x", { n: number }], at, url: "https://a.example/", window: "w" };
  // "online" makes it send at once, whatever its clock says
  for (const [effect, body] of say({ calls: [[id, JSON.stringify(entry)]], online: 1 }))
    if (effect == "send") {
      delivered += JSON.parse(body).batch.length;
      say({ answer: { status: 200, retry_after: 0, detail: "" } });
    }
};
const measured = [];
for (let number = 0; number < 11000; number++) {
  capture(number);
  if (number == 999) measured.push(used());
}
measured.push(used());
console.log(JSON.stringify({ measured, delivered }));
