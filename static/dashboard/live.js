/* The live view's stream: rows come from the server already drawn, this file puts them on top of the list.
   Rules: EventSource keeps the place (Last-Event-ID), so a dropped connection leaves no gap and repeats nothing;
   a pause holds rows back, it loses none; the list stays short, the server has the rest. */
(() => {
  const MOST_ROWS = 300; // beyond this a browser tab left open overnight would grow without end
  const RETRY_MS = 3000; // after a refusal (a restart, too many viewers), where EventSource itself gives up
  const pulse = document.querySelector("[data-pulse]");
  const pause = document.querySelector("[data-pause]");
  let source = null;
  let seen = 0; // the newest row received
  let held = []; // rows that wait while paused

  const part = (name) => document.querySelector(`#stream [data-${name}]`);
  const isPaused = () => pause.getAttribute("aria-pressed") === "true";

  function state(name, text) {
    if (pulse.dataset.state === name && pulse.textContent === text) return;
    pulse.dataset.state = name;
    pulse.textContent = text;
  }

  function show(html) {
    const template = document.createElement("template");
    template.innerHTML = html;
    const row = template.content.querySelector(".event");
    row.classList.add("new");
    if (row.dataset.became) rename(row);
    part("rows").prepend(row);
    part("none").hidden = true;
    while (part("rows").children.length > MOST_ROWS) part("rows").lastElementChild.remove();
    row.dispatchEvent(new CustomEvent("beknown:row", {bubbles: true})); // dashboard.js puts the time in the reader's zone
  }

  /* An anonymous visitor has become somebody: the rows they left before are theirs, here as in the store. */
  function rename(became) {
    const who = became.querySelector(".who");
    for (const row of part("rows").children) {
      if (row.dataset.id !== became.dataset.became && row.dataset.id !== became.dataset.id) continue;
      const named = who.cloneNode(true);
      named.classList.add("became");
      row.querySelector(".who").replaceWith(named);
    }
  }

  function arrived(message) {
    const seq = Number(message.lastEventId);
    if (seq <= seen) return;
    seen = seq;
    if (!isPaused()) return show(message.data);
    held.push(message.data);
    if (held.length > MOST_ROWS) held.shift(); // older than what the list would keep anyway
    part("waiting").hidden = false;
    part("waiting").textContent = `${held.length} new, show`;
  }

  function release() {
    held.splice(0).forEach(show);
    part("waiting").hidden = true;
  }

  function follow() {
    source?.close();
    const stream = document.getElementById("stream");
    const address = new URL(stream.dataset.stream, location.href);
    address.searchParams.set("after", Math.max(seen, Number(stream.dataset.after)));
    source = new EventSource(address);
    source.onmessage = arrived;
    source.onopen = () => state(isPaused() ? "off" : "live", isPaused() ? "Paused" : "Live");
    source.onerror = () => {
      state("lost", "Reconnecting");
      if (source.readyState === EventSource.CLOSED) setTimeout(follow, RETRY_MS);
    };
  }

  function refilter() {
    seen = Number(document.getElementById("stream").dataset.after);
    held = [];
    part("waiting").addEventListener("click", () => pause.click());
    follow();
  }

  pause.hidden = false;
  pause.addEventListener("click", () => {
    const paused = !isPaused();
    pause.setAttribute("aria-pressed", String(paused));
    pause.querySelector("[data-pause-text]").textContent = paused ? "Resume" : "Pause";
    pause.querySelector("[data-icon-pause]").hidden = paused;
    pause.querySelector("[data-icon-play]").hidden = !paused;
    state(paused ? "off" : "live", paused ? "Paused" : "Live");
    if (!paused) release();
  });
  let shown = document.getElementById("stream");
  document.addEventListener("htmx:after:swap", () => {
    if (document.getElementById("stream") === shown) return;
    shown = document.getElementById("stream");
    refilter();
  });
  refilter();
})();
