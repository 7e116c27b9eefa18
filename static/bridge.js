// bridge.js: Python in a worker that may not see its page is one visitor with it all the same.
//
//   <script async src="https://t.example.com/beknown.js" data-key="bk_..."></script>
//   <script src="https://t.example.com/bridge.js"></script>          before PyScript, without async
//
// PyScript lends its worker the page only where SharedArrayBuffer is to be had (COOP and COEP headers, or a service
// worker). Elsewhere `import beknown` in the worker asks by a message, and this script hands its calls to the page's tag
// and tells it who the visitor is (client/beknown/hosts/bridge.py is the other end).
//
// Rules:
// - No tracking logic: the tag is the one brain.
// - A worker's first message names the key and carries a port. All else goes over the port, as JSON texts:
//     worker   {"call": [name, args, ms]}   {"flush": n}
//     page     {"who": [distinct id, device id, session id], "consent": mode}, texts that are empty while the tag loads;
//              {"flushed": n};   {"none": 1} at first, if there is no tag with this key
// - A worker that has no name is given one: by that it knows that the page will answer, however busy its thread is.
// - What other programs send from their workers passes untouched.
(() => {
  // `beknown snippet --inline` has the same: a list that takes calls of any name, for the tag to run.
  const stub = () => new Proxy([], { get: (list, name) => list[name] || ((...args) => { list.push([name, args, Date.now()]) }) });
  const serve = (key, port) => {
    const tag = document.querySelector(`script[data-key=${JSON.stringify(key)}]`);
    const say = (message) => port.postMessage(JSON.stringify(message));
    if (!tag) return say({ none: 1 });
    const name = tag.dataset.global || "beknown";
    const queued = () => !window[name]?.flush || Array.isArray(window[name]); // nothing yet, or the inline stub's list
    const loaded = new Promise((done) => (queued() ? tag.addEventListener("load", done) : done()));
    const tell = () => {
      const { get_distinct_id, get_device_id, get_session_id, consent } = queued() ? {} : window[name];
      const [mode, ...who] = [consent, get_distinct_id, get_device_id, get_session_id].map((ask) => (ask ? ask() : ""));
      say({ who, consent: mode });
    };
    const settled = () => loaded.then(() => window[name].flush()).then(tell);
    port.onmessage = ({ data }) => {
      const { call, flush } = JSON.parse(data);
      if (!call) return settled().then(() => say({ flushed: flush }));
      if (queued()) (window[name] ||= stub()).push(call);
      else window[name][call[0]](...call[1]);
      settled(); // a call shows in the ids once Python has run it
    };
    tell();
    loaded.then(tell);
  };

  window.Worker = class extends Worker {
    constructor(url, options) {
      super(url, { ...options, name: options?.name || "beknown" });
      this.addEventListener("message", (event) => {
        if (event.data?.beknown) serve(event.data.beknown, event.ports[0]);
      });
    }
  };
})();
