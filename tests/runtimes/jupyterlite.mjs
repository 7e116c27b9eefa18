// jupyterlite.mjs: a notebook's kernel as far as an import goes: Pyodide without a page, the wheel unpacked as micropip
// does it, the recipe's calls. Prints what was posted to the collector.
//
//   node jupyterlite.mjs PYODIDE WHEEL CODE
import fs from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";

const [place, wheel, code] = process.argv.slice(2);
const posted = [];
const { loadPyodide } = await import(pathToFileURL(path.join(place, "pyodide.mjs")));
const python = await loadPyodide();
python.unpackArchive(new Uint8Array(fs.readFileSync(wheel)), "wheel");
globalThis.fetch = async (url, { body }) => {
  posted.push({ url, body: JSON.parse(body) });
  return new Response('{"status": 1}', { status: 200 });
};
// What a browser's worker has and Node may not.
globalThis.navigator ??= { userAgent: "Mozilla/5.0", language: "en" };
globalThis.location ??= { href: "https://notebooks.example/lite/worker.js" };
const told = await python.runPythonAsync(code);
console.log(JSON.stringify({ posted, told }));
