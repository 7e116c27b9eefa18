// hooks.js: runs the page's own functions: before_send(fn), and on("capture" | "identify" | "reset" | "session" | "error",
// fn). start.js loads it when the first of them is there; beknown.js holds the calls back until it has come.
//
// Rules:
// - An event passes here before it is journalled as ready to send: what before_send() made of it is what is kept, also
//   over a crash. An event passes once.
// - What the page's functions throw ends here. A before_send() that throws drops its event, and the console says so:
//   better one event less than one that should have been edited.
// - Whose an event is, when it happened and that it is sent once are not theirs to change. uuid and timestamp stay as
//   they were. With another id it is dropped: it would join strangers, or part one visitor in two. Those of IDS may be
//   taken out, as any property may; what has none left has an empty bag of them.

const IDS = ["$device_id", "$anon_distinct_id"];

/**
 * `hooks` is the live list of what was registered: ["before_send", fn] or [what, fn]; an empty one was taken back.
 * Sets hooks.edit(effect, one, two), which beknown.js calls with each effect, and calls `edits` once that is there.
 * For "edit" it gives the journal's text with the events as they may leave; for all else nothing.
 */
export default (hooks, edits) => {
  const complain = (what, error) => console.error(`[beknown] the page's ${what} function failed:`, error);
  const tell = (what, ...details) => {
    for (const [wanted, listener] of hooks)
      if (wanted == what || (wanted == "eventCaptured" && what == "capture")) // posthog-js's word for it
        try {
          listener(...details);
        } catch (error) {
          complain(`on("${what}")`, error);
        }
  };

  // The event as the page's functions leave it; undefined: it is not to be sent.
  const edited = (event) => {
    const { uuid, timestamp, event: name, distinct_id, properties: was } = JSON.parse(JSON.stringify(event));
    const dropped = (why) => console.error(`[beknown] ${why}; the event "${name}" was dropped.`);
    let now = event;
    for (const [wanted, edit] of hooks)
      if (wanted == "before_send" && now)
        try {
          now = edit(now);
        } catch (error) {
          complain("before_send()", error);
          return dropped("It cannot be sent unedited");
        }
    if (!now || typeof now != "object") return;
    const properties = typeof now.properties == "object" ? { ...now.properties } : {};
    if (typeof now.event != "string" || !now.event) return dropped("before_send() left no name");
    if (now.distinct_id !== distinct_id || IDS.some((id) => (properties[id] ?? was[id]) !== was[id]))
      return dropped("before_send() changed whose it is, which identify() and reset() do");
    return { ...now, uuid, timestamp, properties };
  };

  const edit = (text) => {
    const entry = JSON.parse(text);
    entry.events = entry.events.map(edited).filter(Boolean);
    let whole;
    try {
      whole = JSON.stringify(entry);
    } catch (error) {
      complain("before_send()", error); // it left a cycle or a BigInt
      entry.events = [];
      whole = JSON.stringify(entry);
    }
    // Told of what JSON kept, in copies: a listener cannot change what is sent.
    for (const event of JSON.parse(whole).events) tell("capture", event);
    return whole;
  };

  hooks.edit = (effect, one, two) => {
    if (effect == "edit") return edit(two);
    if (effect == "tell") tell(one, two);
    if (effect == "say" && one == "error") tell("error", two);
  };
  edits();
};
