// start.js: brings Python to the page's calls. beknown.js imports it as soon as calls may run, that is never before a
// consent that is waited for.
//
//   unsent -> the server's Python (POST /run) until Python is up in this browser -> a worker's from then on -> carryOut
//
// Rules:
// - It holds nothing of the visitor's: beknown.js does. When consent changes it is stopped, and another one begins.
// - One request to the server's Python at a time; the worker takes over when there is none under way.
// - Python starts when the page is idle. What a page rarely needs is a script beside this one, loaded when it is needed.

const LONGEST = 3e5; // ms between two tries
const YOUNG = 3e4; // ms: a call may still be on its way in the tab that made it

// Trusted Types take a script's address only from a named policy, which a page may make once. In the blob it is a text.
const policy = () => self.trustedTypes?.createPolicy("beknown", { createScriptURL: (own) => own });
let policed;
const trusted = (url) => (policed ||= policy())?.createScriptURL(url) || url;

const say = (level, text) => console[level]("[beknown]", text);
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const bytes = (text) => new Blob([text]).size;

/**
 * Begins; gives {handOver(), equip(), stop(), over}. It is given the tab's id, and of the stub's:
 *
 * hooks     the on() and before_send() calls; handOver() is called when one was added
 * unsent    call id -> [its key in storage, text]
 * visit     (ids) gives the body of /run for these calls, the tag's options among it
 * identity  () gives the cookie's text
 * disk      (action, name, text) reaches storage; store(cookie, local) keeps the state
 * full      some call's events found no room in storage: state and removals wait until the server has everything
 * area      which of the window's storages holds the journal
 * hooked    which it adds, true: the page's functions edit events; "on": they only hear of them
 * isReady   is told which Python is up; settle() resolves what flush() promised, where that is due
 * over      nothing more leaves this page, or nothing until the browser is online again
 */
export default (page, area, tab) => {
  const { identity, disk, store, hooks, unsent, visit, settle } = page;
  const { options } = visit([]);
  const base = import.meta.url.replace(/\/[^/]*$/, "");
  const api = options.api || base.replace(/\/v\/[^/]*$/, "");
  const client = window[options.global || "beknown"];

  let worker; // Python is to come up in it
  let isUp;
  let isAlone; // no worker can: the server's Python takes every call
  let isStopped;
  let isParked; // nothing can be sent; that is tried again when the browser is online again
  let runs = options.first != "page"; // may the server's Python take calls?
  let most = 100; // calls in one request to it; halved with every failure: one may be too large
  let tries = 0; // failures in a row
  let isHeard; // the server has answered this page
  // A promise while calls must wait. A tab that was opened at once makes an id for a new visitor, too: of two the one
  // that was stored last is used, by both.
  let running = client.get_session_id() ? 0 : sleep(10).then(() => next());

  let seen = identity(); // as we last wrote or reported it; anything else was written by another tab
  const changed = () => seen != (seen = identity()) && visit([]).stored;

  const hooked = () => hooks.length && (hooks.some(([what]) => what == "before_send") || "on");
  Object.defineProperty(page, "hooked", { get: hooked, configurable: true }); // as they are at each request

  const handed = new Set(); // ids of calls that a Python has been handed
  const takeBack = (ids) => ids.forEach((id) => handed.delete(id));
  // For an author who asks (data-debug); what Python does with the calls, that says (tracker.py).
  const note = (text) => (options.debug ?? "false") == "false" || say("info", text);
  const drop = (ids) => {
    takeBack(ids);
    for (const id of ids) {
      disk("remove", unsent.get(id)?.[0]);
      unsent.delete(id);
    }
  };

  // What earlier pages left: our tab's at once; another tab's, also one that has crashed, only when it is too old to be on
  // its way there. Asked again: what a page writes while it is left may reach the next page's process only after that has
  // begun, and what is too young now will not be in half a minute.
  const adoptJournal = () => {
    try {
      for (const place of Object.keys(window[area])) {
        const [prefix, id, owner] = place.split("~");
        if (prefix != "bk_" + options.key || !owner || unsent.has(id)) continue;
        // A time to come is none that a call is young at: the clock was wrong, and has been put right.
        if (owner != tab && Math.abs(Date.now() - parseInt(id.replace("-", ""), 16)) < YOUNG) continue;
        unsent.set(id, [place, disk("get", place)]);
      }
    } catch {
      // no storage, no journal
    }
  };
  const post = (message) => worker.postMessage(JSON.stringify(message));
  const handOver = () => {
    if (isStopped) return;
    if (hooks.length && !hooks.edit) return isParked || python.equip(); // also for what is said of calls under way
    if (handed.size == unsent.size || running) return;
    if (!isUp && (!runs || python.over)) return;
    const waiting = [...unsent.keys()].filter((id) => !handed.has(id)).sort(); // as they were called
    const ids = isUp ? waiting : waiting.slice(0, most);
    ids.forEach((id) => handed.add(id));
    if (isUp) post({ calls: visit(ids).calls, stored: changed(), hooked: page.hooked });
    else running = run(ids).then(next);
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
      note(`${ids.length} calls to the server's Python`);
      // With credentials it takes the connection that the script came over; a second one costs a round trip or two.
      const how = { method: "POST", body, keepalive: bytes(body) < 6e4, credentials: "include" };
      answer = await fetch(api + "/run", how);
      isHeard = true;
      const { effects } = await answer.json();
      client.consent(); // looks for a no, and for what this answer has set after one (cookie.py)
      if (isStopped) return;
      if (changed()) takeBack(ids); // another tab was faster: once more; the server keeps one
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
    note(`answer ${answer?.status || "none"} of the server's Python`);
    most = Math.min(most, ids.length) >> 1 || 1;
    if (answer?.status == 413 && ids.length < 2 && tries > 3) {
      // No worker has come for it, which sends it packed; what was called after it must not wait for ever.
      say("error", "A call is larger than the collector takes; it was dropped.");
      drop(ids);
      return settle();
    }
    takeBack(ids);
    runs = false;
    const wait = Math.min(1e3 * 2 ** ++tries, LONGEST) * (0.75 + Math.random() / 2);
    const after = answer?.headers.get("Retry-After"); // seconds, or a date
    const told = Math.min(parseInt(after) * 1e3 || Date.parse(after) - Date.now() || 0, LONGEST);
    if (answer ? /^(4(08|13|29)|5)/.test(answer.status) : isHeard || tries < 4)
      return setTimeout(again, Math.max(wait, told));
    trouble = answer && `The collector answers ${answer.status} at ${api}/run: mend data-api or data-key.`;
    park();
  };
  const again = () => {
    if (isParked) isParked = python.over = false;
    runs = true;
    client.consent();
    handOver();
  };
  const park = () => {
    isParked = python.over = true;
    if (isAlone) complain();
    addEventListener("online", again);
    settle();
  };
  let trouble; // why nothing can be sent; where a worker's Python comes up, that says it
  const complain = () => {
    if (trouble) say("error", trouble);
    trouble = 0;
  };

  // The worker's ------------------------------------------------------------------------------------------------------

  const heard = async (message) => {
    client.consent(); // a no that was said on another subdomain
    if (isStopped) return;
    if (message.failed) return goAlone();
    if (!message.ready) return carryOut(message);
    while (running) await running; // the server's Python answers first, then this one goes on from what it stored
    page.isReady(message.ready);
    if (isStopped || (python.over && !isParked)) return;
    isParked = python.over = false;
    isUp = true;
    changed();
    adoptJournal();
    const begin = { ...visit([]) };
    begin.facts.heard = isHeard;
    post({ start: begin, stored: lost() });
    handOver();
  };
  // The server's copy of the visitor's cookie (cookie.py), where it is newer: what scripts had stored was deleted, and the
  // server's Python, which would have said so, has not been asked.
  const lost = () => {
    try {
      const copy = decodeURIComponent(document.cookie.split(`bk_${options.key}.kept=`)[1].split(";")[0]);
      return revision(copy) > revision(identity()) && [copy, ""];
    } catch {
      // none that this page may see
    }
  };
  const start = () => {
    if (isStopped) return;
    try {
      const url = `${base}/${options.runtime || "micropython"}.js`;
      // A worker must be of the page's own origin; across origins, a blob that imports the script is.
      const blob = `importScripts((${policy})()?.createScriptURL("${url}") || "${url}")`;
      const own = url.startsWith(origin + "/") ? url : URL.createObjectURL(new Blob([blob]));
      worker = new Worker(trusted(own));
      worker.onmessage = ({ data }) => heard(JSON.parse(data));
      worker.onerror = fell;
      post({ base, api });
    } catch {
      goAlone(); // no workers here (policies, sandboxes)
    }
  };
  const goAlone = () => {
    isAlone = true;
    runs ||= !tries;
    complain();
    handOver();
  };
  // Its Python has trapped, or its script did not arrive. What it was handed is handed out once more.
  let falls = 0;
  const fell = () => {
    worker.terminate();
    const isNew = isUp && !falls++;
    if (isUp) {
      isUp = kept = 0;
      over = [];
      handed.clear();
    }
    isNew ? start() : goAlone();
    handOver();
  };
  // On a page that is never idle it must start as well. (For setTimeout, where there is no other, that is no time at all.)
  const idle = () => (window.requestIdleCallback || setTimeout)(start, { timeout: 5e3 });

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
        const raw = call[1];
        call[1] = edited || two;
        disk("set", ...call);
        page.full ||= disk("get", call[0]) == raw;
        if (edited) handed.delete(one);
      } else if (effect == "say") say(one, two);
      else if (effect == "stopped") python.over = 1;
    }
    if (!page.full || over.length == unsent.size) conclude();
    settle();
    handOver();
  };
  // The state comes before what follows from it. Where another tab was faster Python does it again on that one's.
  const conclude = () => {
    const theirs = kept && changed();
    page.full = 0;
    // A state on its way here while a call told Python of a newer one is too late.
    if (theirs || (kept && revision(kept[0]) < revision(identity()))) {
      if (isUp) post({ stored: theirs, again: visit(over).calls });
      else takeBack(over);
    } else {
      if (kept) {
        store(...kept);
        // Neither cookie nor room: nobody is to be whom storage still holds.
        if (identity() != kept[0]) disk("remove", "bk_" + options.key);
        seen = identity();
      }
      drop(over);
    }
    kept = 0;
    over = [];
  };
  // Of a format that Python here does not know, it is none: its state takes that one's place.
  const revision = (cookie) => (cookie[0] == 1 ? parseInt(cookie.split(".")[1], 16) : 0);

  // What a page rarely needs --------------------------------------------------------------------------------------------

  const loaded = {};
  let failures = "";
  const more = (part, ...given) => {
    loaded[part] ||= import(`./${part}.js${failures}`).then((script) => script.default(...given)).catch(() => {
      if (part != "hooks") return; // blocked
      // No event may pass the page's own functions unseen. Asked for once more it needs another address: browsers
      // remember that the first one failed.
      loaded[part] = 0;
      trouble = failures ? 0 : "hooks.js did not arrive, and nothing is sent without it.";
      failures += "?";
      complain();
      park();
    });
  };
  const python = {
    handOver,
    equip: () => hooks.length && more("hooks", hooks, () => (isParked ? again() : handOver())),
    stop: () => {
      isStopped = true;
      worker?.terminate();
    },
    over: false,
  };
  python.equip();
  if (options.links) more("links", client);
  if (options.tracingHosts) more("tracing", options.tracingHosts, client, identity);
  // Another tab's choice of consent: what runs here stops at once, for consent() looks; in Firefox the cookie may come later.
  const look = () => client.consent();
  if (!page.isListening) addEventListener("storage", () => setTimeout(look, 500, look()));
  page.isListening = true; // once for a tag, however often consent is given and taken back
  // The worker cannot hear it in Chromium (issue 114475). It tries again then, also where it had stopped.
  addEventListener("online", () => {
    if (isStopped || !isUp) return;
    python.over = false;
    post({ online: 1 });
  });

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
