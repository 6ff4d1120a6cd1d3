// Puts what is live on a freshly fetched page into this one, and touches nothing that is the same in both.

// Where the first visible part of a list stands, so that what comes above it doesn't push it away.
const held = () => {
  if (scrollY < 8) return null;
  for (const one of document.querySelectorAll("[data-live=list] > *")) {
    const { top, bottom } = one.getBoundingClientRect();
    if (bottom > 0) return { one, top };
  }
  return null;
};

// What has the focus, by its address, so that it is found in what takes its place.
const focused = (inside) => {
  const active = document.activeElement;
  if (!inside.contains(active)) return () => {};
  const href = active.getAttribute("href");
  const again = href ? `a[href="${CSS.escape(href)}"]` : active.matches("summary") ? "summary" : "button";
  return (fresh) => (active === inside ? fresh : fresh.querySelector(again))?.focus({ preventScroll: true });
};

// How each part came from the node: this page itself shows buttons and opens details.
const cameAs = new WeakMap();
const same = (old, fresh) => cameAs.get(old) === fresh.outerHTML || old.isEqualNode(fresh);

// What somebody is typing in stays until it is sent or taken back.
const changed = (field) =>
  field.matches("select")
    ? [...field.options].some((one) => one.selected !== one.defaultSelected && field.selectedIndex > 0)
    : field.type === "checkbox"
      ? field.checked !== field.defaultChecked
      : field.value !== field.defaultValue;
const typedIn = (part) =>
  [...part.querySelectorAll("input, textarea, select")].some(
    (one) => one === document.activeElement || changed(one),
  );

const replace = (old, fresh) => {
  if (typedIn(old)) return;
  const refocus = focused(old);
  const opened = old.querySelectorAll("details");
  cameAs.set(fresh, fresh.outerHTML);
  fresh.querySelectorAll("details").forEach((one, place) => (one.open = opened[place]?.open ?? false));
  old.replaceWith(fresh);
  dress(fresh);
  refocus(fresh);
};

const mergeList = (old, fresh) => {
  const staying = new Set([...fresh.children].map((one) => one.id));
  for (const gone of [...old.children].filter((one) => !staying.has(one.id))) gone.remove();
  const here = new Map([...old.children].map((one) => [one.id, one]));
  const added = [];
  let place = old.firstElementChild;
  for (const one of [...fresh.children]) {
    const known = here.get(one.id);
    if (!known) {
      cameAs.set(one, one.outerHTML);
      old.insertBefore(one, place);
      dress(one);
      added.push(one);
    } else {
      if (known === place) place = place.nextElementSibling;
      else old.insertBefore(known, place);
      if (!same(known, one)) replace(known, one);
    }
  }
  return added;
};

// Some buttons are of use with scripts only.
export const dress = (part) => {
  for (const button of part.querySelectorAll("[data-copy], [data-print]")) button.hidden = false;
};

// Takes over a fetched document; returns what is new in its lists.
export const takeOver = (fresh) => {
  const place = held();
  const added = [];
  for (const old of document.querySelectorAll("[data-live]")) {
    const other = fresh.getElementById(old.id);
    if (!other) continue;
    if (old.dataset.live === "list") added.push(...mergeList(old, other));
    else if (!same(old, other)) replace(old, other);
  }
  if (place?.one.isConnected) {
    scrollBy({ top: place.one.getBoundingClientRect().top - place.top, behavior: "instant" });
  }
  return added;
};
