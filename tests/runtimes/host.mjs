// host.mjs: runs the core's test files on MicroPython or Pyodide, in Node; prints {module: {test: "" or traceback}}.
//
//   node host.mjs micropython PLACE PATH...     PLACE holds micropython.wasm; files, also all of a folder, go over its own
//   node host.mjs pyscript PLACE PATH...        MicroPython with its own loader, as PyScript starts it: Python sees JavaScript
//   node host.mjs pyodide PLACE PATH...
//
// `micropython` has the loader that the browser gets (static/micropython.js); Node lacks only requests for files.
// `"cold": n` in the answer says how often the loader had to fetch the rest of a runtime that was cut.
import fs from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { startPython } from "../../static/micropython.js";

const [runtime, place, ...paths] = process.argv.slice(2);
const files = { "/lib": new Uint8Array() }; // empty: a folder
const lay = (from, at) => {
  if (!fs.statSync(from).isDirectory()) return /\.m?py$/.test(from) && (files[at] = fs.readFileSync(from));
  files[at] = new Uint8Array();
  for (const name of fs.readdirSync(from)) if (name != "__pycache__") lay(path.join(from, name), at + "/" + name);
};
for (const from of paths) lay(from, fs.statSync(from).isDirectory() ? "/lib" : "/lib/" + path.basename(from));
const modules = Object.keys(files).map((name) => name.match(/^\/lib\/(test_\w+)\.m?py$/)?.[1]).filter(Boolean);

let cold = 0;
globalThis.fetch = async (url) =>
  new Response(fs.readFileSync(url), { headers: { "Content-Type": "application/wasm" } });
globalThis.XMLHttpRequest = class {
  open(_, url) {
    cold += 1;
    this.response = fs.readFileSync(url);
  }
  send() {}
};

const laid = (python) => {
  for (const [name, data] of Object.entries(files))
    if (data.length) python.FS.writeFile(name, data);
    else if (!python.FS.analyzePath(name).exists) python.FS.mkdirTree(name);
  python.runPython("import sys; sys.path.insert(0, '/lib')");
  return python.pyimport("suite").run;
};
const hosts = {
  async micropython() {
    return (await startPython(place, files, "suite", "run")).handle;
  },
  async pyscript() {
    const { loadMicroPython } = await import(pathToFileURL(path.join(place, "micropython.mjs")));
    return laid(await loadMicroPython());
  },
  async pyodide() {
    const { loadPyodide } = await import(pathToFileURL(path.join(place, "pyodide.mjs")));
    return laid(await loadPyodide());
  },
};
const run = await hosts[runtime]();
const outcomes = JSON.parse(run(JSON.stringify(modules)));
console.log(JSON.stringify({ outcomes, cold }));
