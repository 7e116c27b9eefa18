// beknown.js: the stub. What must happen on the page's own thread, and nothing else.
//
//   page call -> journal (localStorage) -> Python (the worker; until it is up, the server's) -> effects -> storage
//
// Rules:
// - No tracking logic: every decision is Python's (client/beknown). The stub takes calls, keeps them, hands them to
//   whichever Python is there, and carries out what it answers: store, journal, done, say.
// - A call is in the journal before it returns, and leaves it when the server has its events. A page may vanish at any
//   moment: the next one finds the journal and goes on.
// - Nothing here throws into the page, blocks it, or runs before it is needed. Storage may be blocked (private mode,
//   sandboxed frames, policies): every access may throw, and memory is the last resort.
// - Names in the journal and in messages are the ones that client/beknown/tracker.py and hosts/worker.py document.
(() => {
  const tag = document.currentScript;
  const options = tag.dataset; // the data- attributes, camelCased; Python reads the ones that are not the stub's
  const key = options.key;
  const base = tag.src.slice(0, tag.src.lastIndexOf("/")); // the folder this script came from, on any origin or path
  const api = options.api || base;
  const globalName = options.global || "beknown";
  const say = (level, text) => console[level]("[beknown] " + text);
  const attempt = (action) => {
    try {
      return action();
    } catch {
      // blocked or full storage
    }
  };

  const earlier = window[globalName]; // calls queued by the inline stub, or a second copy of this tag
  const queued = Array.isArray(earlier) && earlier;
  if (earlier?.flush && !queued) return say("warn", "Tag found twice.");
  if (!key) say("error", "The tag needs data-key.");

  // Storage -------------------------------------------------------------------------------------------------------

  const name = "bk_" + key;
  let memory = ""; // the identity, where neither cookie nor localStorage can be had
  let seen; // the identity as we last wrote or reported it; anything else was written by another tab

  const disk = (action, ...values) => attempt(() => localStorage[action + "Item"](...values)) || "";
  const cookie = () =>
    attempt(() => decodeURIComponent(("; " + document.cookie).split("; " + name + "=")[1].split(";")[0])) || "";
  const identity = () => cookie() || disk("get", name).split("\n")[0] || memory;
  const stored = () => [cookie() || memory, disk("get", name)];
  const store = (text, local) => {
    const domain = options.cookieDomain;
    disk("set", name, local); // first: it has everything in one piece
    attempt(() => {
      document.cookie =
        name + "=" + encodeURIComponent(text) + "; path=/; max-age=34560000; samesite=lax" + // 400 days, browsers' most
        (domain ? "; domain=" + domain : "") + (location.protocol == "https:" ? "; secure" : "");
    });
    memory = text;
    seen = identity();
  };

  let stamp = 0;
  let count = 0;
  // A UUIDv7 whose 12 bits after the time count the calls of one millisecond, so that ids sort in call order.
  const uuid = () => {
    const now = Math.max(Date.now(), stamp);
    count = now == stamp ? count + 1 : 0;
    stamp = now;
    const hex = (number, width) => number.toString(16).padStart(width, 0);
    const random = hex(crypto.getRandomValues(new BigUint64Array(1))[0], 16);
    return (hex(now, 12) + 7 + hex(count, 3) + "b" + random.slice(1)).replace(/(.{8})(....)(....)(....)/, "$1-$2-$3-$4-");
  };

  // A window that a page opened inherits the page's sessionStorage, and is a tab of its own.
  attempt(() => opener.sessionStorage[name] == sessionStorage[name] && sessionStorage.removeItem(name));
  const tab = attempt(() => (sessionStorage[name] ||= uuid())) || uuid();

  // The journal ---------------------------------------------------------------------------------------------------

  const unsent = new Map(); // call id -> [text, its key in localStorage], for every call the server does not have yet
  let queue = []; // ids in `unsent` that no Python has been handed yet

  const adopt = (id, text, place) => {
    unsent.set(id, [text, place]);
    queue.push(id);
    queueMicrotask(handOver); // what one task calls travels together
  };
  // What earlier pages left: this tab's at once; another tab's only when it is too old to be on its way there. Asked
  // twice: what a page writes while it is left may reach the next page's process only after that has begun.
  const adoptJournal = () =>
    attempt(() => {
      for (const place of Object.keys(localStorage).sort()) {
        const [prefix, id, owner] = place.split("~");
        if (prefix == name && id && !unsent.has(id) && (owner == tab || Date.now() - parseInt(id.replace("-", ""), 16) > 3e4))
          adopt(id, disk("get", place), place);
      }
    });

  const call = (what, args, at) => {
    if (!key) return;
    try {
      const id = uuid();
      const text = JSON.stringify({
        call: what, args: [...args], at: at || Date.now(), url: location.href, referrer: document.referrer,
        title: document.title, window: tab,
      });
      const place = name + "~" + id + "~" + tab;
      adopt(id, text, place);
      disk("set", place, text);
    } catch (error) {
      say("error", what + "() failed: " + error); // a cycle, a BigInt: JSON cannot hold it
    }
  };

  // Python --------------------------------------------------------------------------------------------------------

  let worker; // Python in this browser, once it is up
  let running; // a promise while calls must wait: a request to the server's Python awaits its answer
  let runs = options.first != "page"; // may the server's Python take calls?
  let most = 100; // calls in one such request; halved with every failure: one may be too large
  let tries = 0; // failures in a row
  let heard; // the server has answered this page
  let settled = []; // flush() promises

  const facts = () => ({
    agent: navigator.userAgent, language: navigator.language, driven: navigator.webdriver, now: Date.now(),
    screen: [screen.width, screen.height], viewport: [innerWidth, innerHeight],
  });
  const calls = (ids) => ids.map((id) => [id, unsent.get(id)[0]]);
  const post = (message) => worker.postMessage(JSON.stringify(message));
  const runBody = (ids) => JSON.stringify({ api_key: key, facts: facts(), options, stored: stored(), calls: calls(ids) });

  const handOver = () => {
    if (!queue.length || running || !(worker || (runs && !stopped))) return;
    const ids = queue.splice(0, worker ? 1e9 : most);
    if (!worker) running = run(ids).then(next);
    else {
      post({ calls: calls(ids), stored: identity() != seen && stored() });
      seen = identity();
    }
  };
  const next = () => {
    running = 0;
    handOver();
  };
  const again = () => handOver((runs = 1));
  const run = async (ids) => {
    let answer;
    try {
      const body = runBody(ids);
      seen = identity();
      // With credentials it takes the connection that the script came over; a second one costs a round trip or two.
      const how = { method: "POST", body, keepalive: body.length < 6e4, credentials: "include" };
      heard = answer = await fetch(api + "/run", how);
      const { effects } = await answer.json();
      if (identity() == seen) carryOut(effects);
      else queue = [...ids, ...queue]; // another tab was faster: once more, on what it stored; the server keeps one
      tries = parked = 0;
      most = Math.min(most * 2, 100);
    } catch {
      // Refused, blocked or offline: the worker takes them, and says what is wrong. Until it is up, or where none can
      // start, the server is asked again, as client/beknown/retry.py has it: not for ever if it was never heard of.
      queue = [...ids, ...queue];
      runs = 0;
      most = most >> 1 || 1;
      const wait = Math.min(1e3 * 2 ** ++tries, 3e5) * (0.75 + Math.random() / 2);
      if (answer ? /^(4(08|13|29)|5)/.test(answer.status) : heard || tries < 4)
        setTimeout(again, Math.max(wait, answer?.headers.get("Retry-After") * 1e3 || 0));
      else {
        parked = 1;
        addEventListener("online", again);
        settle();
      }
    }
  };

  let kept; // the newest state, to be stored
  let over = []; // calls to be forgotten
  let full; // some call's events found no room in storage: state and removals wait until the server has everything
  const carryOut = (effects) => {
    for (const [effect, one, two] of effects)
      if (effect == "store") kept = [one, two];
      else if (effect == "done") over.push(...one);
      else if (effect == "journal") {
        const call = unsent.get(one);
        const raw = call[0];
        disk("set", call[1], (call[0] = two));
        full ||= disk("get", call[1]) == raw;
      } else if (effect == "say") say(one, two);
      else if (effect == "stopped") stopped = 1;
    if (!full || over.length == unsent.size) {
      full = 0;
      if (kept && identity() == seen) store(...kept);
      else if (kept) (seen = identity()), post({ stored: stored() }); // another tab was faster: Python looks again
      kept = 0;
      for (const id of over.splice(0)) {
        disk("remove", unsent.get(id)?.[1]);
        unsent.delete(id);
      }
    }
    settle();
  };
  let stopped; // nothing more leaves this page
  let parked; // nor, until the browser is online again, by way of the server's Python
  const settle = () => {
    if (!unsent.size || stopped || (parked && !worker)) settled.splice(0).forEach((resolve) => resolve());
  };

  // Trusted Types take a script's address only from a named policy. In the page, and as a text in the blob.
  const trusted = (url) =>
    self.trustedTypes?.createPolicy("beknown", { createScriptURL: (own) => own }).createScriptURL(url) || url;
  let up;
  const ready = new Promise((resolve) => (up = resolve));
  const start = () =>
    attempt(() => {
      const assets = base + "__BEKNOWN_VERSION_PATH__";
      const url = `${assets}/${options.runtime || "micropython"}.js`;
      // A worker must be of the page's own origin; across origins, a blob that imports the script is.
      const blob = `importScripts((${trusted})("${url}"))`;
      const own = url.startsWith(origin + "/") ? url : URL.createObjectURL(new Blob([blob]));
      const starting = new Worker(trusted(own));
      starting.onmessage = async ({ data }) => {
        const message = JSON.parse(data);
        if (!message.ready) return carryOut(message);
        while (running) await running; // the server's Python answers first, then this one goes on from what it stored
        up(message.ready);
        if (stopped) return;
        worker = starting;
        seen = identity();
        adoptJournal();
        post({ start: { key, facts: facts(), options, stored: stored() }, calls: calls(queue) });
        queue = [];
      };
      starting.postMessage(JSON.stringify({ base: assets, api }));
    });

  // The page ------------------------------------------------------------------------------------------------------

  const part = (from, to) => () => identity().split(".").slice(from, to).join(".");
  const known = {
    get_distinct_id: part(7),
    get_device_id: part(2, 3),
    get_session_id: part(4, 5),
    flush: () => new Promise((resolve) => settled.push(resolve) && settle()),
    ready,
    then: 0, // or `await beknown` would take it for a promise
  };
  // Every other name is a call: Python knows it, or explains in the console. A misspelt one cannot break the page.
  window[globalName] = new Proxy(known, {
    get: (_, name) => (name in known ? known[name] : (...args) => call(name, args)),
  });
  if (!key) return;

  seen = identity();
  if (!seen) {
    const seed = uuid();
    const first = `1.0.${seed}.a..0.0.${seed}`; // wire.pack_cookie of a visitor never seen before
    store(first, first + "\n{}");
    // A tab that was opened at once does the same: of two ids the one that was stored last is used, by both.
    running = new Promise((resolve) => setTimeout(resolve, 10)).then(next);
  }
  adoptJournal();
  const counts = options.pageviews != "off";
  if (counts) {
    let here = location.href;
    const moved = (how) => {
      if (here != location.href) call("pageview", [how, here]);
      here = location.href;
    };
    call("pageview", []);
    for (const how of ["pushState", "replaceState"]) {
      const original = history[how];
      history[how] = (...args) => {
        original.apply(history, args);
        moved(how);
      };
    }
    addEventListener("popstate", () => moved("popstate"));
    addEventListener("pageshow", (shown) => shown.persisted && call("pageview", [])); // back from the bfcache
  }
  for (const [what, args, at] of queued || []) call(what, args, at);

  addEventListener("pagehide", () => {
    if (counts) call("pageleave", []);
    // Unless the calls leave anyway, by a request that outlives the page.
    const ids = worker || running || !runs ? [...unsent.keys()] : [];
    attempt(() => {
      while (ids.length && !navigator.sendBeacon(api + "/run", runBody(ids))) ids.length >>= 1; // 64 KiB are allowed
    });
  });
  const idle = () => (window.requestIdleCallback || setTimeout)(start);
  if (options.load == "eager") start();
  else if (document.readyState == "complete") idle();
  else addEventListener("load", idle);
})();
