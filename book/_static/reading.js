/* Folded code with one switch for the whole site, cells that open when a number leads to them, glosses on hover,
   light colours on paper. Classic script, so that it also runs from a folder of files. */
"use strict";

(() => {
  const KEY = "press-code";
  const folds = [...document.querySelectorAll("details.press-code")];

  const remembered = () => {
    try {
      return localStorage.getItem(KEY) === "shown";
    } catch {
      return false; // a browser that keeps nothing
    }
  };

  const remember = (shown) => {
    try {
      localStorage.setItem(KEY, shown ? "shown" : "folded");
    } catch {
      // the choice holds for this page
    }
  };

  // --- the switch ---
  const header = document.querySelector(".article-header-buttons");
  if (header && folds.length) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "press-switch";
    button.setAttribute("role", "switch");
    button.textContent = "Show code";
    const apply = (shown) => {
      button.setAttribute("aria-checked", String(shown));
      for (const fold of folds) fold.open = shown;
    };
    button.addEventListener("click", () => {
      const shown = button.getAttribute("aria-checked") !== "true";
      remember(shown);
      apply(shown);
    });
    header.prepend(button);
    apply(remembered());
  }

  // What was folded while the theme looked for boxes that scroll: the keyboard must reach it once it is open.
  const reach = (fold) => {
    for (const box of fold.querySelectorAll("pre, .output, .math")) {
      if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
    }
  };
  for (const fold of document.querySelectorAll(".bd-article details")) fold.addEventListener("toggle", () => reach(fold));

  // --- a number's cell opens: its code, and its record with the number's row marked ---
  const reveal = () => {
    let id;
    try { id = decodeURIComponent(location.hash.slice(1)); } catch { return; } // an address that is no address
    const cell = id && document.getElementById(id)?.closest(".cell");
    if (!cell) return;
    for (const fold of cell.querySelectorAll("details")) fold.open = true;
    for (let above = cell.closest("details"); above; above = above.parentElement.closest("details")) above.open = true;
    document.querySelectorAll(".press-found").forEach((row) => row.classList.remove("press-found"));
    for (const row of cell.querySelectorAll("table.ledger tr")) {
      row.classList.toggle("press-found", `num-${row.cells[0].textContent}` === id);
    }
    const found = cell.querySelector(".press-found");
    if (found) found.scrollIntoView({ block: "center" });
    else cell.scrollIntoView();
  };
  window.addEventListener("hashchange", reveal);
  reveal();

  // --- glosses ---
  let shown = null; // [link, gloss]
  let leaving = 0;

  const hide = () => {
    clearTimeout(leaving);
    if (shown) shown[1].hidden = true;
    shown = null;
  };

  // Under the link, or above it if there is no room below; within the screen.
  const place = () => {
    if (!shown) return;
    const [link, gloss] = shown;
    const at = link.getClientRects()[0];
    const box = gloss.getBoundingClientRect();
    const below = at.bottom + 6 + box.height < innerHeight;
    gloss.style.left = `${Math.max(8, Math.min(at.left, document.documentElement.clientWidth - box.width - 8))}px`;
    gloss.style.top = `${below ? at.bottom + 6 : Math.max(8, at.top - 6 - box.height)}px`;
  };

  const show = (link) => {
    const gloss = document.getElementById(link.getAttribute("aria-describedby"));
    clearTimeout(leaving);
    if (!gloss || (shown && shown[0] === link)) return;
    hide();
    gloss.hidden = false;
    shown = [link, gloss];
    place();
  };

  const leave = () => {
    clearTimeout(leaving);
    leaving = setTimeout(hide, 250); // time to move onto the gloss itself
  };

  for (const link of document.querySelectorAll('a[aria-describedby^="gloss-"]')) {
    let touched = false;
    link.addEventListener("pointerdown", (event) => (touched = event.pointerType === "touch"));
    link.addEventListener("pointerenter", (event) => event.pointerType !== "touch" && show(link));
    link.addEventListener("pointerleave", (event) => event.pointerType !== "touch" && leave());
    link.addEventListener("focus", () => touched || show(link));
    link.addEventListener("blur", hide);
    link.addEventListener("click", (event) => {
      if (!touched || (shown && shown[0] === link)) return; // the second tap follows the link
      event.preventDefault();
      show(link);
    });
  }
  for (const gloss of document.querySelectorAll(".press-gloss")) {
    gloss.addEventListener("pointerenter", () => clearTimeout(leaving));
    gloss.addEventListener("pointerleave", leave);
  }
  document.addEventListener("keydown", (event) => event.key === "Escape" && hide());
  document.addEventListener("pointerdown", (event) => shown && !event.target.closest("[aria-describedby], .press-gloss") && hide());
  window.addEventListener("scroll", place, { passive: true });

  // --- paper is light ---
  let theme = null;
  window.addEventListener("beforeprint", () => {
    theme = document.documentElement.dataset.theme;
    document.documentElement.dataset.theme = "light";
  });
  window.addEventListener("afterprint", () => {
    document.documentElement.dataset.theme = theme;
  });
})();
