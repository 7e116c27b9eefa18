// tracing.js: says whose the site's own requests are, so that its backend speaks of the same visitor.
//
// start.js loads it for data-tracing-hosts="shop.example.com api.example.com": requests by fetch and XMLHttpRequest to
// these hosts, and to no others, get X-BEKNOWN-DISTINCT-ID, X-BEKNOWN-SESSION-ID and X-BEKNOWN-IDENTIFIED. A host on
// another origin must allow these three headers (Access-Control-Allow-Headers), or the browser will not send the request.
//
// Rules:
// - Nothing here makes a request fail: what cannot be said in a header (an id beyond Latin-1) is left out.
// - The ids are asked for at each request: they change at log-in and log-out.

/**
 * Wraps fetch and XMLHttpRequest for `hosts` (with blanks or commas between); `client` is asked for the ids, and the
 * cookie's text, which `identity` gives, for whether they are a user's.
 */
export default (hosts, client, identity) => {
  const wanted = hosts.split(/[\s,]+/);

  const attempt = (action) => {
    try {
      return action();
    } catch {
      // an address that is none, an id that is no header: the request goes as it is
    }
  };
  const isOurs = (url) => attempt(() => [url.host, url.hostname].some((name) => wanted.includes(name)));
  const named = (set) => {
    const id = client.get_distinct_id(); // "" without consent
    const isUsers = identity().split(".")[3] == "i";
    const said = { "DISTINCT-ID": id, "SESSION-ID": client.get_session_id(), IDENTIFIED: id && "" + isUsers };
    for (const kind in said) if (said[kind]) attempt(() => set("X-BEKNOWN-" + kind, said[kind]));
  };

  const { fetch } = window;
  window.fetch = function (input, init) {
    const ours = attempt(() => isOurs(new URL(input.url || input, location)));
    if (ours)
      init = attempt(() => {
        const headers = new Headers(init?.headers || input.headers);
        named((name, value) => headers.set(name, value));
        return { ...init, headers };
      }) || init;
    return fetch.call(this, input, init);
  };

  const { open, send } = XMLHttpRequest.prototype;
  const opened = new WeakSet();
  XMLHttpRequest.prototype.open = function (method, url, ...more) {
    attempt(() => (isOurs(new URL(url, location)) ? opened.add(this) : opened.delete(this)));
    return open.call(this, method, url, ...more);
  };
  XMLHttpRequest.prototype.send = function (body) {
    if (opened.has(this)) named((name, value) => this.setRequestHeader(name, value));
    return send.call(this, body);
  };
};
