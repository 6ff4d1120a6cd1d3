// Buttons that copy and print, and drafts that survive a reload.

import { dress } from "./list.js";

dress(document);

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const news = document.getElementById("news");
  try {
    await navigator.clipboard.writeText(button.dataset.copy);
    button.firstChild.data = "Copied";
    news.textContent = "Copied";
  } catch {
    getSelection().selectAllChildren(button.parentElement.querySelector("code"));
    button.firstChild.data = "Marked";
    news.textContent = "It is marked: copy it with your browser";
  }
  setTimeout(() => (button.firstChild.data = "Copy"), 2500);
});

document.addEventListener("click", (event) => {
  if (event.target.closest("[data-print]")) print();
});

for (const text of document.querySelectorAll("[data-draft]")) {
  const name = `draft ${text.form.getAttribute("action")}`;
  if (!text.value) text.value = sessionStorage.getItem(name) ?? "";
  text.addEventListener("input", () => sessionStorage.setItem(name, text.value));
  text.form.addEventListener("submit", () => sessionStorage.removeItem(name));
}
