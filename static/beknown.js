// beknown.js: the stub. What must happen on the page's own thread, and nothing else.
//
//   page call -> journal (localStorage) -> start.js -> Python (a worker's; until that is up, the server's)
//                                         start.js <- effects: store, journal, done, say
//
// Rules:
// - No tracking logic: every decision is Python's (client/beknown). The stub takes calls, keeps them, hands them to
//   whichever Python is there, and lends start.js its storage, which carries out what Python answers.
// - A call is in the journal before it returns, and leaves it when the server has its events. A page may vanish at any
//   moment: what is in the journal leaves by a beacon, or with the next page.
// - Nothing here throws into the page, blocks it, or runs before it is needed. Storage may be blocked (private mode,
//   sandboxed frames, policies): every access may throw, and memory is the last resort.
// - Without consent nothing is stored, sent or loaded: client/beknown/permission.py has the table, and the few lines of it
//   that must be known before any Python is are repeated here.
// - What can wait until the network has answered once is in start.js, which brings Python; what a page rarely needs is
//   in the scripts beside it.
// - Names in the journal and in messages are the ones that client/beknown/tracker.py and hosts/worker.py document.
(() => {
  const tag = document.currentScript;
  const options = { ...tag.dataset }; // the data- attributes, camelCased; Python reads the ones that are not the stub's
  const key = options.key;
  const base = tag.src.replace(/\/[^/]*$/, ""); // the folder this script came from, on any origin or path
  const globalName = options.global || "beknown";
  const say = (text) => console.error("[beknown]", text);
  const attempt = (action) => {
    try {
      return action();
    } catch {
      // blocked or full storage
    }
  };

  const earlier = window[globalName]; // calls queued by the inline stub, or a second copy of this tag
  const queued = Array.isArray(earlier) && earlier;
  if (!queued && earlier?.flush) return say("Found twice.");
  const modes = ["granted", "pending", "denied", "cookieless"];
  // What the tag wants until the visitor has chosen. A slip of the pen lets nothing out, and is said: no Python will.
  const asked = modes.find((each) => key && each == (options.consent || "granted"));
  if (!asked) say("Mend data-key or data-consent.");

  // Storage -------------------------------------------------------------------------------------------------------

  const name = "bk_" + key;
  const persistence = options.persistence;
  // As client/beknown/persistence.py has it; "none" is no storage of the window's.
  const lasting = /^s/i.test(persistence) ? "sessionStorage" : /^(m|cookie$)/i.test(persistence) ? "none" : "localStorage";
  let area = lasting; // where all but the cookie is kept
  let memory = ["", ""]; // cookie and state, where neither cookie nor storage can be had

  const disk = (action, ...values) => attempt(() => window[area][action + "Item"](...values)) || "";
  const cookie = (name) =>
    attempt(() => decodeURIComponent(("; " + document.cookie).split("; " + name + "=")[1].split(";")[0])) || "";
  const read = (name) => cookie(name) || disk("get", name);
  const identity = () => read(name).split("\n")[0] || memory[0];
  const stored = () => [identity(), disk("get", name) || memory[1]];

  // The widest domain that takes the cookie, so that all subdomains share the visitor: browsers refuse public suffixes.
  const domains = location.hostname
    .split(".")
    .map((_, place, labels) => labels.slice(~place).join("."))
    .filter((each) => /\.\D/.test(each)); // no bare "com", no IP
  let tries = options.cookieDomain ? [options.cookieDomain] : domains;
  const bake = (name, text, domain = "") =>
    attempt(() => (document.cookie =
      name + "=" + encodeURIComponent(text) + ";path=/;samesite=lax;domain=" + domain + ";max-age=" +
      (text ? 4e7 : 0) + // which browsers cut to 400 days
      (location.protocol[5] ? ";secure" : "")));
  const wipe = (name) => [...domains, ""].map((each) => bake(name, "", each));
  const store = (text, local) => {
    disk(text ? "set" : "remove", name, local); // first: it has everything in one piece
    const baked = mode == "denied" || (area && !/^(s|m|local(storage)?$)/i.test(persistence)) ? text : "";
    const takes = (domain) => (bake(name, baked, domain), cookie(name) == baked);
    if (cookie(name) != baked) {
      // Where none takes it, one of another domain hides it: this host's own, or one from before data-cookie-domain.
      const domain = tries.find(takes) ?? (wipe(name), [...tries, ""].find(takes));
      if (baked) tries = [(options.cookieDomain = domain)];
    }
    memory = [text, local];
  };
  let stamp = 0n;
  // A UUIDv7 whose 12 bits after the time count the calls of one millisecond, so that ids sort in call order.
  const uuid = () => {
    const now = BigInt(Date.now()) << 12n;
    stamp = ++stamp < now ? now : stamp;
    const digits = (stamp << 60n) + (crypto.getRandomValues(new BigUint64Array(1))[0] >> 4n);
    return digits.toString(16).replace(/(.{7})(....)(...)(...)/, "0$1-$2-7$3-b$4-");
  };

  let tab = uuid();
  const place = name + "~tab"; // where sessionStorage keeps it; a frame, which shares that with its page, has its own
  const marks = attempt(() => self == top && sessionStorage) || {};

  // Consent -------------------------------------------------------------------------------------------------------

  const gpc = options.respectGpc != "false" && (navigator.globalPrivacyControl | navigator.doNotTrack);
  const wanted = gpc && asked == "granted" ? "cookieless" : asked || "pending";
  let mode; // granted, cookieless, pending or denied, as it was acted upon
  let missed; // a page view that a no has kept from being counted: a yes on the same page counts it
  let live; // calls run: granted or cookieless
  let wish; // what was said while the page was only prerendered
  const refusal = "__ph_opt_in_out_" + key; // to posthog-js: "0" is a no
  const choice = () =>
    ({ y: "granted", e: "denied" })[identity()[1]] || // stored: "1y." is a yes, "denied" a no
    ((cookie(refusal) || attempt(() => localStorage[refusal])) == "0" ? "denied" : "");
  // Acts upon a choice: one that was said just now, or in another tab or on another subdomain.
  const attend = (said = wish) => {
    const before = mode;
    mode = "pending";
    if (document.prerendering) return (wish = said);
    wish = 0;
    const kept = choice(); // read once: another tab may be just choosing
    const chosen = said || kept;
    mode = chosen || wanted;
    if (mode != "granted") {
      // The server's copy (cookie.py), for any of the domains: an answer that was on its way has set it once more.
      if (cookie(name + ".kept")) wipe(name + ".kept");
      delete marks[place];
    }
    if (mode == before && chosen == kept) return;
    python = python?.stop?.();
    live = mode == "granted" || mode == "cookieless";
    if (before == "cookieless") memory = ["", ""];
    area = lasting;
    if (mode == "cookieless" || chosen == "denied") {
      // All tabs' journals, too: what one has left would make its user of whoever is known here next.
      attempt(() => Object.keys(window[area]).map((each) => each.split("~")[0] == name && disk("remove", each)));
      store(chosen, chosen); // "denied" is the visitor's word, not the tag's
    }
    if (mode == "denied") unsent.clear();
    if (mode == "cookieless") area = "";
    settle();
    if (!live) return;
    if (said || !identity()) meet(said ? "1y" : "1");
    attempt(() => {
      const left = Object.keys(window[area]); // throws where there is no storage
      // A page that is left marks it. Without the mark it came with a copy of another tab's storage, as a duplicated
      // tab and a window that a page opened have it, or from a crash. Calls made while the page was prerendered have
      // another id, and it stays with that.
      if (!unsent.size && marks[place]?.[36]) tab = marks[place].slice(0, 36);
      // What the tab's earlier pages left belongs before what is called here. start.js adopts other tabs' journals.
      left.map((each) => each.split("~")[2] == tab && unsent.set(each.split("~")[1], [each, disk("get", each)]));
      marks[place] = tab;
    });
    unsent.forEach((entry) => disk("set", ...entry));
    missed &&= view();
    import(base + "__BEKNOWN_VERSION_PATH__/start.js").then(
      (script) => live && (python ||= script.default(page, area, tab)),
      () => settle((python = { over: 1 })), // blocked: the calls leave by beacon
    );
  };
  // Stores somebody new, or who is stored already, in the form that says whether they were asked (permission.py).
  // Who says yes after a no begins at a revision that no copy from before it has reached.
  const meet = (form) => {
    const [text, local] = stored();
    const seed = uuid();
    const whole =
      text[0] == 1 ? text.replace(/^1y?/, form) : [form, text ? Date.now() : 0, seed, "a..0.0", seed].join(".");
    store(whole, whole + "\n" + (local.split("\n")[1] || "{}"));
  };

  // The journal ---------------------------------------------------------------------------------------------------

  const unsent = new Map(); // call id -> [its key in storage, text], for every call the server does not have yet

  // For JSON.stringify: what it would make an empty object of, as something like it; or marked: Python leaves it out and
  // says so (values.py).
  const shows = (object) => Object.keys(object)[0] || (object.constructor || Object).name == "Object"; // a class may hide all
  const plain = (_, value, kind = {}.toString.call(value)) =>
    /t (Array|String|(Bo|Nu|Un)\w+)]/.test(kind) || (/t Ob/.test(kind) && shows(value)) ? value
    : value instanceof Map ? Object.fromEntries(value)
    : value instanceof Set ? [...value]
    : value instanceof Error ? "" + value
    : { $refused: kind }; // an element, a function, a promise, a BigInt

  let at; // when the inline stub took a call
  const call = (what, args) => {
    attend();
    if (mode == "denied" && /^(capture|page)/.test(what)) return (missed ||= what == "pageview");
    try {
      const id = uuid();
      const text = JSON.stringify({
        call: what, args, at: at || Date.now(), url: location.href, referrer: document.referrer,
        title: document.title, window: tab,
      }, plain);
      const place = name + "~" + id + "~" + tab;
      unsent.set(id, [place, text]);
      queueMicrotask(handOver); // what one task calls travels together
      if (live) disk("set", place, text);
    } catch (error) {
      say(what + "() failed: " + error); // a getter that throws
    }
  };

  // Python --------------------------------------------------------------------------------------------------------

  let python; // what start.js made of the Python that there is
  const hooks = []; // what on() and before_send() were called with; hooks.js adds `edit`: shown every effect, it edits events

  // What Python wants to know of page and visitor, with some calls: the body of a request to the server's.
  const visit = (ids) => ({
    options, stored: stored(),
    // As they lie there now: a tab that took them for abandoned may have made their events, and gone on to a log-out.
    calls: ids.map((id) => [id, (!page.full && disk("get", unsent.get(id)[0])) || unsent.get(id)[1]]),
    // Only when it is asked for: the window's size makes the browser lay out the page.
    get facts() {
      return {
        driven: navigator.webdriver, now: Date.now(), screen: [screen.width, screen.height],
        viewport: [innerWidth, innerHeight], consent: mode, gpc, hooked: page.hooked ?? hooks.length,
        posthog: read("ph_" + key + "_posthog"), // inherited.py
      };
    },
  });
  const handOver = () => python?.handOver?.();

  let settled = []; // flush() promises
  const settle = () => {
    if (unsent.size && live && !python?.over) return;
    settled.map((resolve) => resolve());
    settled = [];
  };
  // What start.js is given, which brings Python and carries out what that answers. It sets `full` once the events of some
  // call found no room in storage, and `hooked`: whether the page's functions edit events or only hear of them.
  const page = { identity, disk, store, hooks, unsent, visit, settle };

  // The page ------------------------------------------------------------------------------------------------------

  const part = (from, to) => () => (mode == "granted" ? identity().split(".").slice(from, to).join(".") : "");
  const known = {
    get_distinct_id: part(7),
    get_device_id: part(2, 3),
    get_session_id: part(4, 5),
    opt_in: () => attend("granted"),
    opt_out: () => attend("denied"),
    consent: () => (attend(), mode),
    // What posthog-js answers at once; the rest of its names are Python's (calls.py).
    get_explicit_consent_status: () => choice() || "pending",
    has_opted_in: () => (attend(), mode != "denied"),
    has_opted_out: () => (attend(), mode == "denied"),
    is: () => (attend(), live),
    on: (...given) => (handOver(hooks.push(given)), () => (given.length = 0)),
    before_send: (edit) => known.on("before_send", edit),
    flush: () => new Promise((resolve) => (settled.push(resolve), settle())),
    ready: new Promise((resolve) => (page.isReady = resolve)),
    then: 0, // or `await beknown` would take it for a promise
  };
  // Every other name is a call: Python knows it, or explains in the console. A misspelt one cannot break the page.
  // posthog-js has people.set(), and ..._capturing() for what is about consent: is_capturing(), too.
  known.people = window[globalName] = new Proxy(known, {
    get: (_, name) => {
      name = name.replace?.("_capturing", "");
      return known[name] ?? ((...args) => call(name, args));
    },
  });
  attend();
  const counts = options.pageviews != "off";
  const view = () => counts && call("pageview", []);
  document.hidden ? addEventListener("visibilitychange", view, { once: 1 }) : view(); // in the background, prerendered
  // Looks for a choice that was made elsewhere meanwhile. The last of them does not bubble.
  for (const what of ["pageshow", "visibilitychange", "prerenderingchange"]) addEventListener(what, known.consent, true);
  if (counts) {
    let here = location.href;
    const moved = (how) => {
      if (here != location.href) call("pageview", [how, here]);
      here = location.href;
    };
    for (const how of ["pushState", "replaceState"]) {
      const original = history[how];
      history[how] = (...args) => {
        original.apply(history, args);
        moved(how);
      };
    }
    addEventListener("popstate", () => moved("popstate"));
  }
  // <button data-beknown-event="signup_clicked" data-beknown-prop-plan="pro">; of a form, when it is sent.
  for (const type of ["click", "submit"])
    addEventListener(
      type,
      ({ target }) => {
        const element = target.closest?.((type[5] ? "form" : ":not(form)") + "[data-beknown-event]");
        if (element) call("pageclick", [{ ...element.dataset }]);
      },
      true,
    );
  for (const [what, args, when] of queued || []) {
    at = when;
    attempt(() => known.people[what](...args));
  }
  at = 0;

  addEventListener("pageshow", (shown) => {
    if (!shown.persisted) return; // back from the bfcache
    attempt(() => (marks[place] &&= tab));
    view();
  });
  addEventListener("pagehide", () => {
    if (counts) call("pageleave", []);
    attempt(() => (marks[place] &&= tab + "~"));
    attempt(() => {
      // The server keeps one, where they leave by another way as well. 64 KiB go: what is too large alone is passed over.
      const ids = [...unsent.keys()].sort().filter((id) => new Blob(unsent.get(id)).size < 5e4);
      while (ids[0] && live && !navigator.sendBeacon((options.api || base) + "/run", JSON.stringify(visit(ids))))
        ids.length >>= 1;
    });
  });
})();
