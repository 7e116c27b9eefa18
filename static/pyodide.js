// pyodide.js: starts Pyodide in a worker and hands out one Python function, text in and text out; as micropython.js does.
//
// Rules:
// - Pyodide's own files come from our server, from a folder named by their version: an update of the core does not
//   fetch five megabytes again. `__PYODIDE_PATH__` is that folder, from `base`; bundle.py fills it in.
// - The core is a zip beside the worker script.

/** Starts the runtime and imports the core; resolves to {handle, runtime, version}. */
export const startPython = async (base) => {
  // The stub's worker is a classic one, which Pyodide refuses as soon as its script runs. It tells by importScripts; all
  // that it needs itself is import(), which classic workers have too.
  self.importScripts = () => {
    throw Error("not in this worker");
  };
  const { loadPyodide, version } = await import("pyodide");
  const core = fetch(base + "/core.zip").then((answer) => answer.arrayBuffer());
  const python = await loadPyodide({ indexURL: base + "__PYODIDE_PATH__" });
  python.unpackArchive(await core, "zip", { extractDir: "/lib/beknown-core" });
  python.runPython("import sys; sys.path.insert(0, '/lib/beknown-core')");
  const handle = python.pyimport("beknown.hosts.worker").handle;
  return { handle, runtime: "pyodide", version };
};
