// Keeps the page current. When the node says that something changed, the page is fetched again and what is
// marked as live takes the place of what is shown: the rest, and where the reader is, stay as they are.

import { takeOver } from "./list.js";

const where = document.body.dataset.where;
const lost = document.getElementById("lost");
const news = document.getElementById("news");
const newer = document.getElementById("newer");
const title = document.title;
let unread = [];

// --- what came -----------------------------------------------------------------------------------

const named = (post) => post.querySelector(".author span").textContent.trim();

const announce = (posts) => {
  if (posts.length === 0) return;
  const [post] = posts;
  news.textContent =
    posts.length === 1
      ? `New post by ${named(post)}: ${post.querySelector(".text").textContent.slice(0, 200)}`
      : `${posts.length} new posts`;
  unread.push(...posts.filter((one) => document.hidden || one.getBoundingClientRect().bottom < 0));
  count();
};

const count = () => {
  unread = unread.filter((post) => post.isConnected && (document.hidden || post.getBoundingClientRect().bottom < 0));
  newer.hidden = unread.length === 0 || document.hidden;
  newer.textContent = unread.length === 1 ? "1 new post above" : `${unread.length} new posts above`;
  document.title = document.hidden && unread.length ? `(${unread.length}) ${title}` : title;
};

newer.addEventListener("click", () => {
  const [first] = unread.filter((post) => post.isConnected).sort((a, b) => a.offsetTop - b.offsetTop);
  first?.scrollIntoView({ block: "center" });
  first?.focus({ preventScroll: true });
});
addEventListener("scroll", count, { passive: true });
document.addEventListener("visibilitychange", count);

// --- looking again -------------------------------------------------------------------------------

let looking = false;
let again = false;

const look = async () => {
  if (looking) {
    again = true;
    return;
  }
  looking = true;
  try {
    do {
      again = false;
      const answer = await fetch(where, { headers: { accept: "text/html" } });
      if (!answer.ok) continue;
      // The page leads elsewhere by now: somebody has come to live here.
      if (answer.redirected && new URL(answer.url).pathname !== location.pathname) {
        location.replace(answer.url);
        return;
      }
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      announce(takeOver(fresh).filter((one) => one.matches(".post") && !("mine" in one.dataset)));
    } while (again);
  } catch {
    // The stream of changes notices as well, and says so.
  } finally {
    looking = false;
  }
};

// --- hearing of changes --------------------------------------------------------------------------
// A browser keeps few connections to one address, so of all open tabs one listens and tells the others.

const channel = new BroadcastChannel("mosaic");

const heard = (what) => {
  if (what === "lost") {
    lost.textContent = "Your node does not answer. Is it running? This page goes on by itself when it does.";
    lost.hidden = false;
  } else {
    lost.hidden = true;
    look();
  }
};

const listen = () => {
  const source = new EventSource("/changes");
  const tell = (what) => {
    heard(what);
    channel.postMessage(what);
  };
  source.addEventListener("open", () => tell("open"));
  source.addEventListener("change", () => tell("change"));
  source.addEventListener("error", () => {
    tell("lost");
    // After an answer other than a stream the browser gives up; this page doesn't.
    if (source.readyState === EventSource.CLOSED) setTimeout(listen, 10_000);
  });
  addEventListener("pagehide", () => source.close());
};

if (where) {
  channel.addEventListener("message", (event) => heard(event.data));
  if (navigator.locks) {
    navigator.locks.request("mosaic-changes", () => {
      listen();
      return new Promise(() => {}); // until this tab goes
    });
  } else {
    listen();
  }
}
