// Buttons that copy a text, as `<button data-copy="TEXT" hidden>`. Without this script they stay hidden.
"use strict";
(() => {
  // An older browser, or a page without TLS, has no clipboard: the text is selected in a field and copied.
  async function copy(text) {
    if (navigator.clipboard && globalThis.isSecureContext) return navigator.clipboard.writeText(text);
    const field = document.createElement("textarea");
    field.value = text;
    field.className = "unseen";
    document.body.append(field);
    field.select();
    const copied = document.execCommand("copy");
    field.remove();
    if (!copied) throw new Error("refused");
  }
  for (const button of document.querySelectorAll("button[data-copy]")) {
    button.hidden = false;
    button.addEventListener("click", async () => {
      let said = "Copied";
      try { await copy(button.dataset.copy); } catch { said = "Select the text to copy it"; }
      button.focus();
      button.textContent = said;
      setTimeout(() => { button.textContent = "Copy"; }, 2000);
    });
  }
})();
