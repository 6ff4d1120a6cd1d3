// Keeps the list of posts current: when the node says that something changed, the list alone is fetched again.
// Without JavaScript the page works the same after a reload.

const list = document.querySelector("[data-live]");

if (list) {
  const source = new EventSource("/changes");
  let fetching = false;
  let again = false;

  const refresh = async () => {
    if (fetching) {
      again = true;
      return;
    }
    fetching = true;
    do {
      again = false;
      const answer = await fetch(list.dataset.live, { headers: { accept: "text/html" } });
      if (answer.ok) {
        const html = await answer.text();
        // A reader who is inside the list keeps the place: what has focus is found again by its address.
        const focused = list.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
        list.innerHTML = html;
        if (focused) list.querySelector(`a[href="${CSS.escape(focused)}"]`)?.focus();
        document.querySelectorAll("main > .empty").forEach((note) => (note.hidden = list.children.length > 0));
      }
    } while (again);
    fetching = false;
  };

  source.addEventListener("change", () => refresh().catch(() => (fetching = false)));
  window.addEventListener("pagehide", () => source.close());
}

// Ctrl+Enter (or Cmd+Enter) sends what is being written.
document.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && event.target instanceof HTMLTextAreaElement) {
    event.target.form?.requestSubmit();
  }
});
