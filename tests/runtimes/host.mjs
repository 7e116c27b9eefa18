// host.mjs: runs the core's test files on MicroPython or Pyodide, in Node; prints {module: {test: "" or traceback}}.
//
//   node host.mjs micropython WASM FOLDER...     the folders' files are laid over those that the wasm carries
//   node host.mjs pyodide PACKAGE FOLDER...
//
// MicroPython is started by the loader that the browser gets (static/micropython.js); Node lacks only a fetch of files.
import fs from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";

const [runtime, place, ...folders] = process.argv.slice(2);
const files = {};
const lay = (folder, at) => {
  files[at] = new Uint8Array(); // a folder
  for (const entry of fs.readdirSync(folder, { withFileTypes: true })) {
    const from = path.join(folder, entry.name);
    if (entry.isDirectory() && entry.name != "__pycache__") lay(from, at + "/" + entry.name);
    else if (entry.name.endsWith(".py")) files[at + "/" + entry.name] = fs.readFileSync(from);
  }
};
for (const folder of folders) lay(folder, "/lib");
const modules = Object.keys(files).map((name) => name.match(/^\/lib\/(test_\w+)\.py$/)?.[1]).filter(Boolean);

const hosts = {
  async micropython() {
    globalThis.fetch = async (url) =>
      new Response(fs.readFileSync(url), { headers: { "Content-Type": "application/wasm" } });
    const { startPython } = await import("../../static/micropython.js");
    return (await startPython(place, files, "suite", "run")).handle;
  },
  async pyodide() {
    const { loadPyodide } = await import(pathToFileURL(path.join(place, "pyodide.mjs")));
    const python = await loadPyodide();
    for (const [name, data] of Object.entries(files))
      if (data.length) python.FS.writeFile(name, data);
      else python.FS.mkdirTree(name);
    python.runPython("import sys; sys.path.insert(0, '/lib')");
    return python.pyimport("suite").run;
  },
};
console.log((await hosts[runtime]())(JSON.stringify(modules)));
