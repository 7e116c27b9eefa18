// start.js: brings Python to the page's calls. beknown.js imports it as soon as calls may run, that is never before a
// consent that is waited for.
//
//   queue -> the server's Python (POST /run) until Python is up in this browser -> a worker's from then on -> carryOut
//
// Rules:
// - It holds nothing of the visitor's: beknown.js does. When consent changes it is stopped, and another one begins.
// - One request to the server's Python at a time; the worker takes over when there is none under way.
// - Python starts when the page is idle. What a page rarely needs is a script beside this one, loaded when it is needed.

const LONGEST = 3e5; // ms between two tries
const YOUNG = 3e4; // ms: a call may still be on its way in the tab that made it

// Trusted Types take a script's address only from a named policy. In the page, and as a text in the blob.
const trusted = (url) =>
  self.trustedTypes?.createPolicy("beknown", { createScriptURL: (own) => own }).createScriptURL(url) || url;

let isListening; // once in a page, however often consent is given and taken back

/**
 * Begins; gives {handOver(), equip(), stop(), over}. It is given the stub's:
 *
 * options   the tag's; hooks: the on() and before_send() calls, equip() is called when one was added
 * unsent    call id -> [text, its key in storage]; queue: ids of those that no Python has been handed yet
 * calls     (ids) gives their texts; visit(ids) all of /run's body; say(level, text) tells the page's author
 * identity  () gives the cookie's text; changed() what another tab has stored since it was last asked, or false
 * disk      (action, name, text) reaches storage; store(cookie, local) keeps the state; drop(ids) forgets calls
 * full      some call's events found no room in storage: state and removals wait until the server has everything
 * area      which of the window's storages holds the journal
 * isReady   is told which Python is up; settle() resolves what flush() promised, where that is due
 * over      nothing more leaves this page, or nothing until the browser is online again
 */
export default (page, area) => {
  const { options, hooks, unsent, queue, say, calls, visit, identity, changed, disk, store, drop } = page;
  const base = import.meta.url.replace(/\/[^/]*$/, "");
  const api = options.api || base.replace(/\/v\/[^/]*$/, "");
  const client = window[options.global || "beknown"];
  const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

  let worker; // Python is to come up in it
  let isUp;
  let isStopped;
  let isParked; // the server's Python did not answer; it is asked again when the browser is online again
  let runs = options.first != "page"; // may the server's Python take calls?
  let most = 100; // calls in one request to it; halved with every failure: one may be too large
  let tries = 0; // failures in a row
  let isHeard; // the server has answered this page
  // A promise while calls must wait. A tab that was opened at once makes an id for a new visitor, too: of two the one
  // that was stored last is used, by both.
  let running = client.get_session_id() ? 0 : sleep(10).then(() => next());

  // What earlier pages left: our tab's at once; another tab's, also one that has crashed, only when it is too old to be on
  // its way there. Asked again: what a page writes while it is left may reach the next page's process only after that has
  // begun, and what is too young now will not be in half a minute.
  const adoptJournal = () => {
    try {
      const tab = sessionStorage[`bk_${options.key}~tab`];
      for (const place of Object.keys(window[area])) {
        const [prefix, id, owner] = place.split("~");
        if (prefix != "bk_" + options.key || !owner || unsent.has(id)) continue;
        if (owner != tab && Date.now() - parseInt(id.replace("-", ""), 16) < YOUNG) continue;
        unsent.set(id, [disk("get", place), place]);
        queue.push(id);
      }
    } catch {
      // no storage, no journal
    }
    queue.sort(); // as they were called
  };
  const post = (message) => worker.postMessage(JSON.stringify(message));
  const handOver = () => {
    if (!queue.length || running || isStopped || (hooks.length && !hooks.edit)) return;
    if (isUp) post({ calls: calls(queue.splice(0)), stored: changed(), hooked: hooks.length });
    else if (runs && !python.over) running = run(queue.splice(0, most)).then(next);
  };
  const next = () => {
    running = 0;
    handOver();
  };

  // The server's Python -----------------------------------------------------------------------------------------------

  const run = async (ids) => {
    let answer;
    try {
      const body = JSON.stringify(visit(ids));
      changed();
      // With credentials it takes the connection that the script came over; a second one costs a round trip or two.
      const how = { method: "POST", body, keepalive: body.length < 6e4, credentials: "include" };
      isHeard = answer = await fetch(api + "/run", how);
      const { effects } = await answer.json();
      if (isStopped) return client.consent(); // looks for what this answer has set after a no (cookie.py)
      if (changed()) queue.unshift(...ids); // another tab was faster: once more; the server keeps one
      else carryOut(effects);
      tries = 0;
      most = Math.min(most * 2, 100);
    } catch {
      if (!isStopped) refused(ids, answer);
    }
  };
  // Refused, blocked or offline: the worker takes them, and says what is wrong. Until it is up, or where none can start,
  // the server is asked again, as client/beknown/retry.py has it: not for ever if it was never heard of.
  const refused = (ids, answer) => {
    most = Math.min(most, ids.length) >> 1 || 1;
    if (answer?.status == 413 && ids.length < 2 && tries > 3) {
      // No worker has come for it, which sends it packed; what was called after it must not wait for ever.
      say("error", "A call is larger than the collector takes; it was dropped.");
      drop(ids);
      return page.settle();
    }
    queue.unshift(...ids);
    runs = false;
    const wait = Math.min(1e3 * 2 ** ++tries, LONGEST) * (0.75 + Math.random() / 2);
    if (answer ? /^(4(08|13|29)|5)/.test(answer.status) : isHeard || tries < 4)
      return setTimeout(again, Math.max(wait, answer?.headers.get("Retry-After") * 1e3 || 0));
    isParked = python.over = true;
    addEventListener("online", again);
    page.settle();
  };
  const again = () => {
    if (isParked) isParked = python.over = false;
    runs = true;
    handOver();
  };

  // The worker's ------------------------------------------------------------------------------------------------------

  const heard = async (message) => {
    if (isStopped) return;
    if (!message.ready) return carryOut(message);
    while (running) await running; // the server's Python answers first, then this one goes on from what it stored
    page.isReady(message.ready);
    if (isStopped || (python.over && !isParked)) return;
    python.over = false;
    isUp = true;
    changed();
    adoptJournal();
    post({ start: visit([]) });
    handOver();
  };
  const start = () => {
    if (isStopped) return;
    try {
      const url = `${base}/${options.runtime || "micropython"}.js`;
      // A worker must be of the page's own origin; across origins, a blob that imports the script is.
      const blob = `importScripts((${trusted})("${url}"))`;
      const own = url.startsWith(origin + "/") ? url : URL.createObjectURL(new Blob([blob]));
      worker = new Worker(trusted(own));
      worker.onmessage = ({ data }) => heard(JSON.parse(data));
      post({ base, api });
    } catch {
      // No workers here (policies, sandboxes): the server's Python goes on taking the calls.
    }
  };
  const idle = () => (window.requestIdleCallback || setTimeout)(start);

  // What Python answers -----------------------------------------------------------------------------------------------

  let kept; // the newest state, to be stored
  let over = []; // calls to be forgotten
  const carryOut = (effects) => {
    for (const [effect, one, two] of effects) {
      const edited = hooks.edit?.(effect, one, two);
      const call = unsent.get(one);
      if (effect == "store") kept = [one, two];
      else if (effect == "done") over.push(...one);
      else if (call) {
        const raw = call[0];
        disk("set", call[1], (call[0] = edited || two));
        page.full ||= disk("get", call[1]) == raw;
        if (edited) queue.push(one);
      } else if (effect == "say") say(one, two);
      else if (effect == "stopped") python.over = 1;
    }
    if (!page.full || over.length == unsent.size) conclude();
    page.settle();
    handOver();
  };
  // The state comes before what follows from it. Where another tab was faster Python does it again on that one's.
  const conclude = () => {
    const theirs = kept && changed();
    page.full = 0;
    // A state on its way here while a call told Python of a newer one is too late.
    if (theirs || (kept && revision(kept[0]) < revision(identity()))) {
      if (isUp) post({ stored: theirs, again: calls(over) });
      else queue.unshift(...over);
    } else {
      if (kept) store(...kept);
      drop(over);
    }
    kept = 0;
    over = [];
  };
  const revision = (cookie) => parseInt(cookie.split(".")[1], 16);

  // What a page rarely needs --------------------------------------------------------------------------------------------

  const loaded = {};
  const more = (part, ...given) => {
    loaded[part] ||= import(`./${part}.js`).then((script) => script.default(...given)).catch(() => {}); // blocked
  };
  const python = {
    handOver,
    equip: () => hooks.length && more("hooks", hooks, handOver),
    stop: () => {
      isStopped = true;
      worker?.terminate();
    },
    over: false,
  };
  python.equip();
  if (options.links) more("links", client);
  if (options.tracingHosts) more("tracing", options.tracingHosts, client, identity);
  // Another tab's choice of consent: what runs here stops at once, for consent() looks.
  if (!isListening) addEventListener("storage", () => client.consent());
  isListening = true;

  adoptJournal();
  setTimeout(() => {
    if (isStopped) return;
    adoptJournal();
    handOver();
  }, YOUNG);
  if (options.load == "eager") start();
  else if (document.readyState == "complete") idle();
  else addEventListener("load", idle);
  handOver();
  return python;
};
