/* Halyard's own script: an account that lives in this browser, and the calls that a customer's site makes.
   It knows nothing of beknown but `window.beknown`, as any site would. */

const tag = document.querySelector("script[data-key]");
const loaded = window.beknown ? Promise.resolve() : new Promise((go) => {
  tag.addEventListener("load", go);
  tag.addEventListener("error", go); // blocked: the site works all the same
});

function account() {
  try { return JSON.parse(localStorage.getItem("halyard-account")); } catch { return null; }
}

function fill(selector, text) {
  document.querySelectorAll(selector).forEach((element) => { element.textContent = text; });
}

async function signUp(form) {
  const {name, email, plan} = Object.fromEntries(new FormData(form));
  try { localStorage.setItem("halyard-account", JSON.stringify({name, email, plan})); } catch { /* for this page only */ }
  await loaded;
  window.beknown?.identify(email.trim().toLowerCase(), {name, email, plan});
  window.beknown?.capture("Signed up", {plan});
  location.href = "/account";
}

async function logOut() {
  try { localStorage.removeItem("halyard-account"); } catch { /* nothing was kept */ }
  await loaded;
  window.beknown?.capture("Logged out");
  window.beknown?.reset();
  location.href = "/";
}

function showAccount(section, member) {
  if (!member) return location.replace("/signup");
  const berths = {slipway: "12 berths", harbour: "80 berths", marina: "as many berths as you can build"};
  fill("[data-name]", member.name.split(" ")[0]);
  fill("[data-email]", member.email);
  fill("[data-plan-name]", member.plan[0].toUpperCase() + member.plan.slice(1));
  fill("[data-berths]", berths[member.plan] ?? "every boat");
  section.hidden = false;
}

function showMe() {
  const id = window.beknown?.get_distinct_id?.();
  if (!id) return;
  fill("[data-me-id]", id.includes("@") ? id : "visitor " + id.slice(-4));
  document.querySelector("[data-me]").hidden = false;
}

const member = account();
document.querySelectorAll("[data-member]").forEach((element) => { element.hidden = !member; });
document.querySelectorAll("[data-guest]").forEach((element) => { element.hidden = Boolean(member); });
document.querySelectorAll("[data-account]").forEach((section) => showAccount(section, member));
document.querySelector("[data-signup]")?.addEventListener("submit", (event) => {
  event.preventDefault();
  signUp(event.target);
});
document.querySelector("[data-logout]")?.addEventListener("click", logOut);
document.querySelectorAll("[data-plan]").forEach((link) => link.addEventListener("click", () => {
  window.beknown?.capture("Plan chosen", {plan: link.dataset.plan});
}));
loaded.then(() => { showMe(); window.beknown?.ready?.then(showMe); });
