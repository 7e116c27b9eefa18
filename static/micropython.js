// micropython.js: starts MicroPython in a worker and hands out one Python function, text in and text out.
//
// The build that PyScript ships comes with Emscripten's loader: a whole file system, proxies for every JavaScript
// object, assertions; 26 KB compressed. One function that speaks JSON needs none of that, so this file answers the
// module's imports itself and says no to the rest.
//
// Rules:
// - The wasm file carries its own files: bundle.py adds each Python file as a custom section named by its path, and an
//   empty section stands for a folder. One request brings interpreter and program, and nothing is unpacked.
// - What a page hardly ever needs of the interpreter is in micropython.cold.wasm (runtime.py says why), which is fetched
//   when it is called for the first time.
// - What the page never needs is refused: ENOSYS for calls of the system, an error for JavaScript objects.
// - One runtime to a worker.

// errno as WASI numbers it, which Emscripten follows; st_mode; kinds of value at the border (MicroPython's proxy_c.c).
const NOT_FOUND = 44;
const NOT_SUPPORTED = 52;
const FOLDER = 0o40000;
const FILE = 0o100000;
const EXCEPTION = -1;
const TEXT = 5;

/**
 * Starts the runtime from `${base}/micropython.wasm` and imports a module.
 * Resolves to {handle, runtime, version}: `handle` is the module's function, called with text and answering text;
 * what Python raises is thrown as an Error with the traceback. `files` (path to bytes) stand before the wasm's own.
 */
export const startPython = async (base, files = {}, module = "beknown.hosts.worker", name = "handle") => {
  const decoder = new TextDecoder();
  const opened = []; // what is left to read of each open file, by descriptor
  let program; // the WebAssembly.Module: its sections are the files
  let wasm; // its instance's exports

  // Memory that has grown detaches the views made before: each use makes its own.
  const bytes = (at, length) => new Uint8Array(wasm.memory.buffer, at, length);
  const words = (at) => new Int32Array(wasm.memory.buffer, at);
  const read = (at, length) => decoder.decode(bytes(at, length));
  const path = (at) => read(at, bytes(at).indexOf(0));
  const write = (text) => {
    const data = new TextEncoder().encode(text + "\0");
    const at = wasm.malloc(data.length);
    bytes(at, data.length).set(data);
    return [at, data.length - 1];
  };
  const found = (name) => files[name] || WebAssembly.Module.customSections(program, name)[0];

  // The call with a longjmp under it: MicroPython raises by jumping. Emscripten throws Infinity for that.
  const invoke = (index, ...values) => {
    const stack = wasm.emscripten_stack_get_current();
    try {
      return wasm.__indirect_function_table.get(index)(...values);
    } catch (error) {
      if (error !== Infinity) throw error;
      wasm._emscripten_stack_restore(stack);
      wasm.setThrew(1, 0);
    }
  };
  // readv and writev: a row of (address, length), and where to write the sum.
  const transfer = (move) => (descriptor, row, count, sum) => {
    let total = 0;
    for (; count--; row += 8) total += move(descriptor, words(row)[0], words(row)[1]);
    words(sum)[0] = total;
    return 0;
  };

  const known = {
    _emscripten_throw_longjmp() {
      throw Infinity;
    },
    emscripten_resize_heap: (size) => {
      wasm.memory.grow((size - wasm.memory.buffer.byteLength + 65535) >> 16);
      return 1;
    },
    mp_js_random_u32: () => crypto.getRandomValues(new Uint32Array(1))[0],
    mp_js_ticks_ms: () => performance.now(),
    mp_js_time_ms: () => Date.now(),
    js_check_existing: () => -1, // no JavaScript object stands for a Python one
    __syscall_getcwd: (at) => {
      bytes(at, 2).set([47, 0]); // "/"
      return 2;
    },
    __syscall_stat64: (at, out) => {
      const file = found(path(at));
      if (!file) return -NOT_FOUND;
      words(out).fill(0, 0, 24);
      words(out)[1] = file.byteLength ? FILE : FOLDER;
      return 0;
    },
    __syscall_openat: (folder, at) => {
      const file = found(path(at));
      return file ? opened.push(new Uint8Array(file)) + 2 : -NOT_FOUND;
    },
    __syscall_poll: (row, count) => count,
    fd_read: transfer((descriptor, at, length) => {
      const rest = opened[descriptor - 3];
      const now = rest.subarray(0, length);
      bytes(at, length).set(now);
      opened[descriptor - 3] = rest.subarray(length);
      return now.length;
    }),
    fd_write: transfer((descriptor, at, length) => {
      console.log(read(at, length));
      return length;
    }),
    fd_close: () => 0,
  };
  const refuse = (what) => () => {
    if (what.startsWith("__syscall")) return -NOT_SUPPORTED;
    if (what.startsWith("fd_")) return NOT_SUPPORTED;
    throw Error(what + " is not part of this runtime");
  };
  const answers = new Proxy(known, {
    get: (_, what) => (what.startsWith("invoke_") ? invoke : known[what] || refuse(what)),
  });

  const imports = { env: answers, wasi_snapshot_preview1: answers };
  // A function that runtime.py left out is about to be called: fetch the rest, here and now, since the caller waits.
  let rest;
  known.need_rest = () => {
    if (rest) return;
    const request = new XMLHttpRequest();
    request.open("GET", base + "/micropython.cold.wasm", false);
    request.responseType = "arraybuffer";
    request.send();
    rest = new WebAssembly.Instance(new WebAssembly.Module(request.response), { ...imports, hot: wasm });
  };

  const started = await WebAssembly.instantiateStreaming(fetch(base + "/micropython.wasm"), imports);
  program = started.module;
  wasm = started.instance.exports;

  const slot = wasm.malloc(12); // a value on its way across: kind, then what that kind needs
  const take = () => {
    const [kind, one, two] = words(slot);
    if (kind != TEXT && kind != EXCEPTION) return one; // a Python object's number
    const text = read(two, one);
    if (kind == TEXT) return text;
    wasm.free(two);
    throw Error(text.slice(text.indexOf("\x04") + 1)); // type, 4, traceback
  };
  wasm.emscripten_stack_init();
  wasm.__wasm_call_ctors();
  wasm.mp_js_init(2048, 1 << 20); // words of Python's stack, bytes its heap starts with
  wasm.proxy_c_init();
  wasm.mp_js_do_import(write(module)[0], slot);
  wasm.proxy_c_to_js_lookup_attr(take(), write(name)[0], slot);
  const callable = take();
  const handle = (text) => {
    const [at, length] = write(text);
    words(slot).set([TEXT, length, at]); // Python frees it
    wasm.proxy_c_to_js_call(callable, 1, slot, slot);
    return take();
  };
  return { handle, runtime: "micropython", version: "1.27" };
};
