// worker.js: Python's host in a Web Worker. Starts the runtime, passes messages on, and carries out the two effects
// that need no page: "send" (one request at a time) and "wake" (one timer). The rest goes to the stub.
//
// Rules:
// - Messages are JSON texts in both directions; what they hold is documented in client/beknown/hosts/worker.py.
// - startPython(base) is the runtime's (micropython.js or pyodide.js; the bundle makes one script with each); it gives
//   Python's handle(text) -> text.
import { startPython } from "runtime";

let api;
let timer;
let handle;

const answer = (text) => {
  const rest = [];
  for (const effect of JSON.parse(handle(text))) {
    if (effect[0] == "send") setTimeout(send, 0, effect[1]); // after the page has been told what to journal
    else if (effect[0] == "wake") {
      clearTimeout(timer);
      timer = setTimeout(answer, effect[1], '{"wake": 1}');
    } else rest.push(effect);
  }
  if (rest.length) postMessage(JSON.stringify(rest));
};

// What one call makes is not worth it; the server knows gzip by how it begins. A tenth of a batch's bytes are left.
const gzipped = async (body) => {
  const plain = new Blob([body]);
  if (plain.size < 2048 || !self.CompressionStream) return plain;
  return new Response(plain.stream().pipeThrough(new CompressionStream("gzip"))).blob();
};

const send = async (body) => {
  const result = { status: 0, retry_after: 0, detail: "" };
  try {
    // A body without a type, like text/plain, needs no preflight across origins; keepalive lets it outlive the page.
    const packed = await gzipped(body);
    const how = { method: "POST", body: packed, keepalive: packed.size < 6e4, credentials: "include" };
    const response = await fetch(api + "/e/", how);
    result.status = response.status;
    const wait = response.headers.get("Retry-After"); // seconds, or a date
    result.retry_after = Math.max(parseInt(wait) * 1000 || Date.parse(wait) - Date.now() || 0, 0);
    const { detail } = await response.json(); // in any case: until then the request counts among those that outlive the page
    if (response.status != 200) result.detail = detail || "";
  } catch (error) {
    // No answer (offline, blocked), or one that is no JSON: the status says enough. But a site that answers whatever is
    // asked with its own page has not taken the events.
    if (error.name == "SyntaxError" && result.status == 200) result.status = 404;
  }
  setTimeout(answer, 0, JSON.stringify({ answer: result })); // not in here: a page hears of no promise that has failed
};

onmessage = async ({ data }) => {
  const setting = JSON.parse(data);
  api = setting.api;
  onmessage = ({ data }) => answer(data);
  let python;
  try {
    python = await startPython(setting.base);
  } catch {
    // WebAssembly is forbidden here, or did not arrive: the server's Python goes on taking the calls.
    postMessage('{"failed": 1}');
    return close();
  }
  handle = python.handle;
  const { userAgent: agent, language } = navigator;
  const brands = JSON.stringify(navigator.userAgentData?.brands);
  // Asked here: Intl takes 15 ms of a thread the first time.
  const timezone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  answer(JSON.stringify({ facts: { agent, brands, language, timezone, offset: new Date().getTimezoneOffset() } }));
  postMessage(JSON.stringify({ ready: { runtime: python.runtime, version: python.version } }));
};
