/* What a page gains with JavaScript: times in the reader's zone, the theme switch, copy buttons.
   Rules: everything here improves what the server has already drawn; nothing here fetches. */

const clock = new Intl.DateTimeFormat(undefined, {hour: "2-digit", minute: "2-digit", second: "2-digit"});
const day = new Intl.DateTimeFormat(undefined, {day: "numeric", month: "short", hour: "2-digit", minute: "2-digit"});
const ago = new Intl.RelativeTimeFormat(undefined, {numeric: "auto", style: "short"});
const steps = [["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];

function since(date) {
  const seconds = Math.min(0, (date - Date.now()) / 1000);
  const [unit, size] = steps.find(([, size]) => -seconds >= size) ?? steps[3];
  return ago.format(Math.ceil(seconds / size), unit);
}

function localTimes(root) {
  for (const time of root.querySelectorAll("time[data-style]")) {
    const date = new Date(time.dateTime);
    time.textContent = {clock: () => clock.format(date), day: () => day.format(date), ago: () => since(date)}[time.dataset.style]();
    time.title = date.toLocaleString();
  }
}

function themeSwitch(button) {
  button.hidden = false;
  button.addEventListener("click", () => {
    const root = document.documentElement;
    const isDark = (root.dataset.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
    root.dataset.theme = isDark ? "light" : "dark";
    try { localStorage.setItem("beknown-theme", root.dataset.theme); } catch { /* for this page only, then */ }
  });
}

/* Buttons that copy the text of an element (data-copy) or the page's address (data-copy-address). */
function copyButtons() {
  for (const button of document.querySelectorAll("[data-copy], [data-copy-address]")) button.hidden = !navigator.clipboard;
}

async function copy(event) {
  const button = event.target.closest("[data-copy], [data-copy-address]");
  if (!button) return;
  const text = button.dataset.copy ? document.querySelector(button.dataset.copy).textContent.trim() : location.href;
  await navigator.clipboard.writeText(text);
  const label = button.querySelector("span");
  const before = label.textContent;
  label.textContent = "Copied";
  setTimeout(() => { label.textContent = before; }, 1600);
}

/* On a phone the tabs scroll: the one that is shown must be in sight. */
function showTab() {
  document.querySelector(".tabs [aria-current]")?.scrollIntoView({block: "nearest", inline: "center"});
}

const theme = document.getElementById("theme");
if (theme) themeSwitch(theme);
document.addEventListener("click", copy);
copyButtons();
showTab();
localTimes(document);
setInterval(() => localTimes(document), 30000); // "2 min ago" grows old
document.addEventListener("htmx:after:swap", () => { localTimes(document); copyButtons(); showTab(); });
document.addEventListener("beknown:row", (event) => localTimes(event.target));
