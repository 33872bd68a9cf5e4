/* The search page: under each page that Sphinx found, the passage with the words, in the section where it stands; on
   top the glossary's word for the query, if it has one. EXCERPTS (excerpts.js) is made when the site is built. */
"use strict";

(() => {
  const WIDTH = 240; // characters of an excerpt
  const results = document.getElementById("search-results");
  const query = (new URLSearchParams(location.search).get("q") || "").trim().toLowerCase();
  if (!results || !query) return;

  const words = query.split(/[^\p{L}\p{N}_]+/u).filter((word) => word && !stopwords.includes(word));
  const stemmer = new Stemmer();
  const stems = words.map((word) => stemmer.stemWord(word));
  const root = document.documentElement.dataset.content_root;

  // Places of the words in a text: by the word itself, or by its stem at the beginning of a word.
  const places = (text) => {
    const lower = text.toLowerCase();
    return words.flatMap((word, i) => {
      const at = lower.indexOf(word) >= 0 ? lower.indexOf(word) : lower.search(new RegExp(`(?<![\\p{L}])${stems[i]}`, "u"));
      return at >= 0 ? [at] : [];
    });
  };

  // Text with the words marked, as nodes: nothing of the query is read as markup.
  const marked = (text) => {
    const node = document.createElement("span");
    const pattern = stems.length ? new RegExp(`(?<![\\p{L}])(?:${[...words, ...stems].join("|")})[\\p{L}]*`, "giu") : /$^/;
    let done = 0;
    for (const hit of text.matchAll(pattern)) {
      node.append(text.slice(done, hit.index));
      node.appendChild(document.createElement("mark")).textContent = hit[0];
      done = hit.index + hit[0].length;
    }
    node.append(text.slice(done));
    return node;
  };

  const passage = (text) => {
    const first = Math.min(...places(text));
    const start = first < WIDTH / 2 || first === Infinity ? 0 : text.lastIndexOf(" ", first - WIDTH / 3) + 1;
    const end = start + WIDTH < text.length ? text.lastIndexOf(" ", start + WIDTH) : text.length;
    return `${start ? "… " : ""}${text.slice(start, end)}${end < text.length ? " …" : ""}`;
  };

  const explain = (item) => {
    const link = item.querySelector("a");
    if (!link || item.querySelector(".context")) return;
    const [path, anchor] = link.getAttribute("href").split("#");
    if (EXCERPTS.terms[anchor]) {
      item.remove(); // a term of the glossary: it stands on top
      return;
    }
    const sections = EXCERPTS.pages[path.replace(/\.html$/, "")] || [];
    const wanted = anchor ? sections.filter((section) => section[0] === anchor) : sections;
    const scored = wanted.map((section) => [places(`${section[1]} ${section[2]}`).length, section]);
    const [score, best] = scored.reduce((a, b) => (b[0] > a[0] ? b : a), [0, wanted[0]]);
    if (!best) return;
    const line = document.createElement("p");
    line.className = "context";
    if (score && best !== sections[0] && !anchor) {
      const where = line.appendChild(document.createElement("a"));
      where.href = `${path}#${best[0]}`;
      where.textContent = best[1];
      line.append(": ");
    }
    line.append(marked(passage(best[2])));
    item.append(line);
  };

  const define = () => {
    const plain = (id) => EXCERPTS.terms[id].split(":")[0].toLowerCase();
    const found = Object.keys(EXCERPTS.terms).filter((id) => plain(id) === query);
    for (const id of found) {
      const line = document.createElement("p");
      line.className = "press-defined";
      const link = line.appendChild(document.createElement("a"));
      link.href = `${root}book/appendix/glossary.html#${id}`;
      link.textContent = "Glossary";
      line.append(" · ", EXCERPTS.terms[id]);
      results.prepend(line);
    }
  };

  new MutationObserver(() => results.querySelectorAll("ul.search > li").forEach(explain)).observe(results, {
    childList: true,
    subtree: true,
  });
  results.querySelectorAll("ul.search > li").forEach(explain);
  define();
})();
