/* The table of all numbers on the page "Verify": filter, page through, link to one number (#ledger=KEY).
   Its rows are in `ledger.js` (see press.registry.as_script); nothing is fetched, so it works from a disk too. */
(function () {
  "use strict";

  const place = document.getElementById("ledger");
  if (!place || !window.LEDGER) return;
  const SHOWN = 100;
  const HEAD = ["Number and key", "Status", "Stored value", "Chapter and cell", "Last verified"];
  const rows = unpack(window.LEDGER);
  let found = rows;
  let first = 0;
  let waiting = 0;

  function unpack(ledger) {
    let key = "";
    return ledger.rows.map(([common, rest, text, value, unit, status, page, cell, verified]) => {
      key = key.slice(0, common) + rest;
      const [address, chapter] = ledger.pages[page];
      const stored = value === null ? text : value;
      const row = {
        key, cell, chapter, href: `${address}#num-${key}`, text: `${text} ${ledger.units[unit]}`.trim(),
        value: String(stored), number: !Number.isNaN(Number(stored)), status: ledger.statuses[status],
        verified: ledger.verified[verified],
      };
      row.words = `${key} ${row.text} ${row.value} ${chapter} ${row.status}`.toLowerCase();
      return row;
    });
  }

  function make(name, attributes = {}, ...children) {
    const element = document.createElement(name);
    for (const [attribute, value] of Object.entries(attributes)) element.setAttribute(attribute, value);
    element.append(...children);
    return element;
  }

  function choice(label, words) {
    const options = [["", "all"], ...words.map((word) => [word, word])];
    return named(label, make("select", {}, ...options.map(([value, shown]) => make("option", { value }, shown))));
  }

  function named(label, control) {  // beside, not within: a label must not be read with all the choices
    control.id = `ledger-${label.split(" ")[0].toLowerCase()}`;
    return [make("div", {}, make("label", { for: control.id }, label), control), control];
  }

  const [text, input] = named("Key, unit or value",
    make("input", { type: "search", autocomplete: "off", spellcheck: "false" }));
  const [status, statusSelect] = choice("Status", window.LEDGER.statuses);
  const [chapter, chapterSelect] = choice("Chapter", window.LEDGER.pages.map((page) => page[1]));
  const [verified, verifiedSelect] = choice("Last verified", window.LEDGER.verified);
  const form = make("form", { class: "ledger-filter", role: "search", "aria-label": "Filter the numbers" },
    text, status, chapter, verified, make("button", { type: "reset" }, "Clear"));
  const count = make("p", { class: "ledger-count", role: "status" });
  const body = make("tbody");
  const table = make("table", { class: "ledger-table ledger-all" },
    make("caption", { id: "ledger-caption" }, make("span", {}, "Numbers of the ledger")),
    make("thead", {}, make("tr", {}, ...HEAD.map((name) => make("th", { scope: "col" }, name)))), body);
  const region = make("div",
    { class: "ledger-region", role: "region", tabindex: "0", "aria-labelledby": "ledger-caption" }, table);
  const previous = make("button", { type: "button" }, `Previous ${SHOWN}`);
  const next = make("button", { type: "button" }, `Next ${SHOWN}`);
  place.replaceChildren(form, count, region, make("div", { class: "ledger-pager" }, previous, next));

  function line(row) {
    const key = make("code", {}, ...row.key.split(/(?<=[._])/).flatMap((part) => [part, make("wbr")]));
    return make("tr", {},
      make("th", { scope: "row" }, make("strong", {}, row.text), " ", key),
      make("td", {}, row.status),
      make("td", row.number ? { class: "ledger-number" } : {}, row.value),
      make("td", {}, make("a", { href: row.href }, `${row.chapter}, cell ${row.cell}`)),
      make("td", {}, row.verified));
  }

  function show() {
    const last = Math.min(first + SHOWN, found.length);
    body.replaceChildren(...found.slice(first, last).map(line));
    const numbers = found.length === 1 ? "1 number" : `${found.length} numbers`;
    count.textContent = found.length > SHOWN ? `${numbers}; shown are ${first + 1} to ${last}.` : `${numbers}.`;
    previous.setAttribute("aria-disabled", String(first === 0));  // not `disabled`, which would lose the focus
    next.setAttribute("aria-disabled", String(last === found.length));
  }

  function filter() {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    const fits = (select, word) => !select.value || select.value === word;
    found = rows.filter((row) => fits(statusSelect, row.status) && fits(chapterSelect, row.chapter)
      && fits(verifiedSelect, row.verified) && words.every((word) => row.words.includes(word)));
    first = 0;
    show();
  }

  function turn(by) {
    const to = first + by * SHOWN;
    if (to < 0 || to >= found.length) return;
    first = to;
    region.scrollTop = 0;
    show();
  }

  function fromAddress() {
    let asked = null;
    try { asked = /^#ledger=(.+)$/.exec(decodeURIComponent(window.location.hash)); } catch { } // an address that is none
    if (!asked) return;
    form.reset();
    input.value = asked[1];
    filter();
    form.scrollIntoView();
  }

  input.addEventListener("input", () => {  // one announcement a pause, not one a letter
    window.clearTimeout(waiting);
    waiting = window.setTimeout(filter, 150);
  });
  for (const select of [statusSelect, chapterSelect, verifiedSelect]) select.addEventListener("change", filter);
  form.addEventListener("submit", (event) => { event.preventDefault(); filter(); });
  form.addEventListener("reset", () => window.setTimeout(filter));
  previous.addEventListener("click", () => turn(-1));
  next.addEventListener("click", () => turn(1));
  window.addEventListener("hashchange", fromAddress);
  show();
  fromAddress();
})();
