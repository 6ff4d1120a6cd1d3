// Few keys, all of them told by the help that `?` opens. They can be switched off there.

const help = document.getElementById("help");
const off = () => localStorage.getItem("keys") === "off";

for (const box of document.querySelectorAll("[data-keys]")) {
  box.disabled = false;
  box.checked = !off();
  box.addEventListener("change", () => {
    localStorage.setItem("keys", box.checked ? "on" : "off");
    document.querySelectorAll("[data-keys]").forEach((other) => (other.checked = box.checked));
  });
}

const posts = () => [...document.querySelectorAll(".post")];
const current = () => document.activeElement?.closest(".post");

const step = (by) => {
  const all = posts();
  const next = all[all.indexOf(current()) + by] ?? (by > 0 && !current() ? all[0] : null);
  next?.focus();
  next?.scrollIntoView({ block: "nearest" });
};

const go = (number) => document.querySelectorAll(".bar nav a")[number]?.click();

const acts = {
  "?": () => help.showModal(),
  j: () => step(1),
  k: () => step(-1),
  r: () => current()?.querySelector(".reply").click(),
  c: () => (document.getElementById("text") ? document.getElementById("text").focus() : go(0)),
  1: () => go(0),
  2: () => go(1),
  3: () => go(2),
};

document.addEventListener("keydown", (event) => {
  const { key, target } = event;
  if (key === "Enter" && (event.ctrlKey || event.metaKey) && target.matches("textarea")) {
    target.form.requestSubmit();
    return;
  }
  const writing = target.matches("input:not([type=checkbox]), textarea, select");
  const act = acts[key];
  if (!act || writing || event.ctrlKey || event.metaKey || event.altKey || help.open) return;
  if (off() && key !== "?") return;
  event.preventDefault();
  act();
});
