/* The explorer's second panel: where the present fit falls on the specification curve of a claim (curve-data.js).

   Everything is in thousandths of an SD of the outcome for one SD of the predictor, as the curve is stored: both SDs over
   complete visits. An average effect is averaged over the follow-ups; an interaction is the effect at the last follow-up
   less that at the first, whatever counts the time. Both are sums of the fit's coefficients, so they have an interval. */

(function () {
  "use strict";

  const home = document.getElementById("explorer-curve"), curve = window.SPECIFICATION_CURVE, data = window.EXPLORER_DATA, engine = window.ExplorerREML;
  if (!home || !curve || !data || !engine) return;

  const PLAIN = "overall";
  const FORMS = { overall: "", between: ", between people", within: ", within a person" };
  const label = (name) => (data.labels[name] || data.outcomes[name]).label;
  const plain = (forms) => forms.filter((form) => form !== "time");

  // --- the curve: families of estimands, each sorted ---

  const choices = Object.keys(curve.choices), total = choices.reduce((product, choice) => product * curve.choices[choice].length, 1);

  /* A row's levels, and the row of levels (null if there is none). */
  function levels(row) {
    const found = {};
    for (const choice of [...choices].reverse()) {
      const all = curve.choices[choice];
      found[choice] = all[row % all.length];
      row = Math.floor(row / all.length);
    }
    return found;
  }
  function rowOf(wanted) {
    const places = choices.map((choice) => curve.choices[choice].indexOf(wanted[choice]));
    return places.includes(-1) ? null : places.reduce((row, at, i) => row * curve.choices[choices[i]].length + at, 0);
  }

  const told = (claim, row) => (parseInt(claim.told[row >> 2], 16) >> (3 - (row & 3))) & 1;
  const familyOf = Array.from({ length: total }, (_, row) => { const { predictor, scale } = levels(row); return `${predictor}|${scale}`; });

  /* The families of a claim, {name, form, scale, rows}: rows sorted by estimate. */
  const sorted = new Map();
  function families(claim) {
    if (!sorted.has(claim.key)) {
      const groups = new Map();
      for (let row = 0; row < total; row++) {
        if (!groups.has(familyOf[row])) groups.set(familyOf[row], []);
        groups.get(familyOf[row]).push(row);
      }
      sorted.set(claim.key, [...groups].map(([key, rows]) => {
        const [form, scale] = key.split("|"), word = curve.words[scale];
        return { form, scale, name: form + (word ? `, ${word}` : ""), rows: rows.sort((a, b) => claim.estimates[a] - claim.estimates[b] || a - b) };
      }));
    }
    return sorted.get(claim.key);
  }

  const familyAt = ({ claim, form }) => families(claim).find((family) => family.form === form && family.scale === curve.scale);
  const below = (claim, rows, value) => rows.filter((row) => claim.estimates[row] < value).length;
  const toldOf = (claim, rows) => rows.reduce((sum, row) => sum + told(claim, row), 0) / rows.length;

  // --- the fit on the curve's scale ---

  /* The forms of a predictor that a model tells: its coefficients together give each. */
  function formsOf(forms) {
    const has = plain(forms);
    if (has.join() === "observed") return [PLAIN];
    return ["between", "within"].filter((form) => has.includes("observed") || has.includes(form === "between" ? "mean" : "within"));
  }

  function effect(spec, fit, claim, form) {
    const mean = engine.spread(data.samples[spec.sample]).mean[claim.predictor], waves = engine.waves(data.samples[spec.sample]);
    const still = form === "within" ? { [`${claim.predictor}_mean`]: mean } : {};
    const at = (month) => {
      const [low, high] = [mean, mean + 1].map((value) => engine.row(data, spec, fit, { [claim.predictor]: value, ...still }, month));
      return high.map((value, i) => (value - low[i]) * claim.sd);
    };
    const sum = (rows, weights) => rows[0].map((_, i) => rows.reduce((all, row, k) => all + weights[k] * row[i], 0));
    const change = claim.kind === "interaction", months = change ? [waves[0], waves.at(-1)] : waves;
    const weights = change ? [-1, 1] : months.map(() => 1 / months.length);
    return engine.combined(fit, sum(months.map(at), weights));
  }

  const sameNames = (level, names) => level.split(", ").sort().join() === (names.length ? [...names].sort().join() : "none");

  /* The row of the curve that the specification is, or what no row has: {row, apart}. */
  function matched(spec, claim, form) {
    const named = curve.explorer, names = Object.keys(spec.terms), apart = [], split = names.map((name) => plain(spec.terms[name]).join() !== "observed");
    const late = names.filter((name) => spec.terms[name].includes("time")), both = names.length > 1;
    const wanted = {
      predictor: form,
      scale: curve.scale,
      visits: `${named.sample[spec.sample]}, ${both ? "both" : "alone"}`,
      covariates: curve.choices.covariates.find((level) => sameNames(level, spec.covariates.map((key) => named.covariates[key] || key))),
      time: named.time[spec.time],
      random: named.random[spec.random],
      estimator: named.method[spec.method],
    };
    const missing = {
      visits: `the sample “${data.samples[spec.sample].label}” with ${names.map(label).join(" and ")} ${both ? "together" : "alone"}`,
      covariates: "exactly these covariates",
      time: "time counted in this way",
      random: "these random effects",
      estimator: "this estimator",
    };
    if (split.some((one) => one !== split[0])) apart.push(`${names.map(label).join(" and ")} in different forms`);
    else if (names.some((name) => plain(spec.terms[name]).length === 1 && split[0])) apart.push("the person’s mean without the departure from it, or the departure without the mean");
    if (claim.kind === "average" && late.length) apart.push("× time in a model of averages");
    if (claim.kind === "interaction" && late.length < names.length) apart.push(`× time for ${late.map(label).join()} alone`);
    if (spec.products.length) apart.push("a product of two answers");
    if (spec.bend) apart.push("the square of time");
    if (spec.drift && spec.covariates.length) apart.push("covariates × time");
    if (data.samples[spec.sample].dropped.people) apart.push("a sample without rare patterns of visits");
    for (const choice of choices) if (missing[choice] && !curve.choices[choice].includes(wanted[choice])) apart.push(missing[choice]);
    return { row: apart.length ? null : rowOf(wanted), apart };
  }

  /* Where a fit falls: of each claim that it speaks to, and each form of the predictor, what `effect` and `matched` say.
     Claims of change come first: a model with × time was made for them. */
  function places(spec, fit) {
    if (fit.error) return [];
    const here = curve.claims.filter(({ predictor, outcome, kind }) => outcome === spec.outcome && Object.hasOwn(spec.terms, predictor)
      && (kind === "average" || spec.terms[predictor].includes("time")));
    const later = (claim) => Number(claim.kind === "average");
    return here.sort((a, b) => later(a) - later(b)).flatMap((claim) => formsOf(spec.terms[claim.predictor]).map((form) => {
      const { estimate, low, high } = effect(spec, fit, claim, form);
      return { claim, form, value: 1000 * estimate, low: 1000 * low, high: 1000 * high, ...matched(spec, claim, form) };
    }));
  }

  // --- words ---

  const sd = (thousandths) => {
    const text = (thousandths / 1000).toFixed(3);
    return (/[1-9]/.test(text) ? text : text.replace("-", "")).replace("-", "−");
  };
  const count = (value) => String(value).replace(/\B(?=(\d{3})+$)/g, ",");
  const percent = (share) => { // a half to the even number, as the chapters do
    const value = 100 * share;
    return `${value % 1 === 0.5 ? 2 * Math.round(value / 2) : Math.round(value)}\u00a0%`;
  };
  const nameOf = ({ claim, form }) => `${claim.label}${claim.kind === "average" ? ", average" : ""}${FORMS[form]}`;

  /* What is said of a place: the estimate, its rank, and whether the fit is on the curve. */
  function sentences(place) {
    const { claim, value, low, high, row, apart } = place, all = families(claim), own = familyAt(place);
    const rounded = Math.round(value), rows = all.flatMap((family) => family.rows);
    const said = [
      `${nameOf(place)}: ${sd(value)} SD (95 % interval ${sd(low)} to ${sd(high)}).`,
      `That is more than ${count(below(claim, rows, rounded))} of the ${count(total)} specifications of this claim, and more than ${count(below(claim, own.rows, rounded))} of the ${count(own.rows.length)} that ask the same question (${own.name}). Of all, ${percent(toldOf(claim, rows))} have an interval without zero; of those that ask the same, ${percent(toldOf(claim, own.rows))}.`,
    ];
    if (row === null) return [...said, `This fit is beside the curve, not on it. It has what no specification there has: ${apart.join("; ")}.`];
    const kept = claim.estimates[row], same = Math.abs(kept - value) <= 0.501, where = row === curve.own ? "is the study’s own specification" : "is itself on the curve";
    return [...said, `This fit ${where}, ${same ? `and the estimate stored there is the same: ${sd(kept)}` : `but the estimate stored there differs: ${sd(kept)}. That is a fault of this page`}.`];
  }

  const WHY = {
    sample: "The claims are about contact and alliance, which this sample does not have: choose one of visits with a sponsor.",
    none: "No claim is about what this model says of its outcome: with contact or alliance in it, one would be.",
    error: "This specification cannot be fitted, so it has no place on a curve.",
  };
  function why({ spec, fit }) {
    if (fit.error) return WHY.error;
    return data.samples[spec.sample].predictors.includes("contact") ? WHY.none : WHY.sample;
  }

  // --- elements ---

  function furnished(node, attributes, children) {
    for (const [key, value] of Object.entries(attributes || {})) node.setAttribute(key, value);
    node.append(...children);
    return node;
  }
  const el = (tag, attributes, ...children) => furnished(document.createElement(tag), attributes, children);
  const svg = (tag, attributes, ...children) => furnished(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);

  const select = el("select", { id: "curve-claim" });
  const field = el("div", { class: "curve-field" }, el("label", { for: "curve-claim" }, "Claim, and what of the predictor"), select);
  const status = el("div", { role: "status", class: "curve-status" });
  const drawing = el("div", { class: "curve-drawing" });
  const key = el("p", { class: "curve-key" });
  const rowsShown = el("tbody", {}), caption = el("caption", {});
  const head = ["Family", "Lowest", "Median", "Highest", "Below fit", "Without zero"];
  const table = el("div", { class: "curve-scroll", role: "region", tabindex: "0", "aria-label": "The families of the curve" },
    el("table", { class: "curve-table" }, caption, el("thead", {}, el("tr", {}, ...head.map((words) => el("th", { scope: "col" }, words)))), rowsShown));
  const shown = [field, drawing, key, table];

  home.querySelector(".curve-static").hidden = true;
  home.append(field, status, drawing, key, table);

  function familyRow(place, family) {
    const { claim, value } = place;
    const at = (share) => (claim.estimates[family.rows[Math.floor(share)]] + claim.estimates[family.rows[Math.ceil(share)]]) / 2;
    const last = family.rows.length - 1;
    const cells = [sd(at(0)), sd(at(last / 2)), sd(at(last)), count(below(claim, family.rows, Math.round(value))), percent(toldOf(claim, family.rows))];
    return el("tr", family === familyAt(place) ? { class: "curve-own" } : {}, el("th", { scope: "row" }, family.name), ...cells.map((text) => el("td", {}, text)));
  }

  // --- the figure ---

  function ticks(low, high) {
    const step = [50, 100, 200, 500, 1000, 2000, 5000].find((size) => (high - low) / size <= 7) || 10000, out = [];
    for (let at = Math.ceil(low / step) * step; at <= high; at += step) out.push(at);
    return out;
  }

  function draw(place, width, words) {
    const { claim, value, low, high } = place, all = families(claim), height = 340;
    const narrow = width < 480, left = narrow ? 34 : 44, right = width - (narrow ? 127 : 142), top = 36, bottom = height - 46;
    const ends = all.flatMap(({ rows }) => [claim.estimates[rows[0]], claim.estimates[rows.at(-1)]]);
    const [least, most] = [Math.min(0, low, ...ends), Math.max(0, high, ...ends)], pad = 0.04 * (most - least);
    const y = (at) => bottom - (at - least + pad) / (most - least + 2 * pad) * (bottom - top);
    const x = (rank, rows) => left + (rank / rows.length) * (right - left);
    const strong = familyAt(place);
    const picture = svg("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "img", class: narrow ? "curve-narrow" : "curve-wide", "aria-label": `Specification curve. ${words}` });
    const text = (atX, atY, said, more = {}) => svg("text", { x: atX, y: atY, ...more }, said);
    const point = (row, i, rows) => `${x(i + 0.5, rows).toFixed(1)} ${y(claim.estimates[row]).toFixed(1)}`;

    for (const at of ticks(least, most)) {
      picture.append(svg("line", { class: at === 0 ? "curve-zero" : "curve-grid", x1: left, x2: right, y1: y(at), y2: y(at) }),
        text(left - 7, y(at) + 4, sd(at).replace(/0{1,2}$/, "").replace(/\.$/, ""), { "text-anchor": "end" }));
    }
    for (const share of [0, 0.5, 1]) picture.append(text(left + share * (right - left), bottom + 18, `${100 * share}`, { "text-anchor": "middle" }));
    picture.append(
      text((left + right) / 2, height - 8, "place within its family, %", { "text-anchor": "middle" }),
      text(4, 14, `SD of ${label(claim.outcome)} for one SD of ${label(claim.predictor)}${claim.kind === "interaction" ? ", last less first" : ""}`, { class: "curve-title" }));
    for (const family of all.filter((one) => one !== strong)) {
      picture.append(svg("path", { class: `curve-family curve-${family.form}`, d: `M${family.rows.map(point).join("L")}` }));
    }
    const thin = `M${strong.rows.map(point).join("L")}`, step = 0.5 / strong.rows.length * (right - left);
    const thick = strong.rows.map((row, i) => (told(claim, row) ? `M${(x(i + 0.5, strong.rows) - step).toFixed(2)} ${y(claim.estimates[row]).toFixed(1)}h${(2 * step).toFixed(2)}` : "")).join("");
    picture.append(svg("path", { class: "curve-strong", d: thin }), svg("path", { class: "curve-told", d: thick }));

    // Names at the right end of their curves, spread so that none lies on another.
    let from = Infinity;
    for (const family of [...all].sort((a, b) => claim.estimates[a.rows.at(-1)] - claim.estimates[b.rows.at(-1)])) {
      from = Math.min(from - 15, y(claim.estimates[family.rows.at(-1)]) + 4);
      picture.append(text(right + 8, from, family.name, family === strong ? { class: "curve-name" } : {}));
    }

    const own = all.find(({ rows }) => rows.includes(curve.own)), rank = own.rows.indexOf(curve.own), ownX = x(rank + 0.5, own.rows), ownY = y(claim.estimates[curve.own]);
    const is = place.row === curve.own, atX = is ? ownX : x(below(claim, strong.rows, Math.round(value)), strong.rows), atY = y(value);
    picture.append(
      svg("line", { class: "curve-level", x1: left, x2: right, y1: atY, y2: atY }),
      svg("line", { class: "curve-interval", x1: atX, x2: atX, y1: y(low), y2: y(high) }),
      ...[low, high].map((end) => svg("line", { class: "curve-interval", x1: atX - 5, x2: atX + 5, y1: y(end), y2: y(end) })),
      svg("path", { class: "curve-study", d: `M${ownX} ${ownY - 9}L${ownX + 9} ${ownY}L${ownX} ${ownY + 9}L${ownX - 9} ${ownY}Z` }),
      svg("circle", { class: "curve-fit", cx: atX, cy: atY, r: 4.5 }));
    const said = is ? "this fit, the study’s own" : "this fit", space = 3.7 * said.length;
    picture.append(text(Math.max(left + space, Math.min(right - space, atX)), y(Math.max(value, high)) - 7, said, { class: "curve-halo", "text-anchor": "middle" }));
    picture.append(text(width - 2, height - 8, "SYNTHETIC cohort", { class: "curve-synthetic", "text-anchor": "end" }));
    return picture;
  }

  // --- from a fit to the page ---

  let found = [], chosen = "", drawn = 0;
  const keyOf = ({ claim, form }) => `${claim.key} ${form}`;

  function show() {
    const place = found.find((one) => keyOf(one) === chosen) || found[0];
    for (const part of shown) part.hidden = !place;
    if (!place) {
      status.replaceChildren(el("p", {}, why(window.Explorer.current)));
      return;
    }
    select.replaceChildren(...found.map((one) => el("option", { value: keyOf(one) }, nameOf(one))));
    select.value = keyOf(place);
    const words = sentences(place), own = familyAt(place);
    status.replaceChildren(...words.map((line) => el("p", {}, line)));
    caption.textContent = `Families of ${count(own.rows.length)} specifications each, in SDs: their estimates, how many lie below this fit, and the share of intervals without zero (SYNTHETIC cohort)`;
    rowsShown.replaceChildren(...families(place.claim).map((family) => familyRow(place, family)));
    key.textContent = `Strong line: the ${count(own.rows.length)} specifications that ask the same question as this fit (${own.name}), sorted by estimate, thick where the interval excludes zero. Thin lines: those that ask another; dashed for between people, dotted for within a person; “stretched” where the outcome is on a scale without bounds. Circle with a bar: this fit with its 95 % interval. Diamond: the study’s own specification.`;
    drawn = Math.max(280, Math.floor(home.clientWidth));
    drawing.replaceChildren(draw(place, Math.min(drawn, 720), words.join(" ")));
  }

  function refitted() {
    const { spec, fit } = window.Explorer.current;
    found = places(spec, fit);
    show();
  }

  window.ExplorerCurve = { places };
  select.addEventListener("change", () => { chosen = select.value; show(); });
  document.addEventListener("explorer:fit", refitted);
  if (window.Explorer && window.Explorer.current) refitted();
  new ResizeObserver(() => { if (found.length && Math.abs(home.clientWidth - drawn) > 2) show(); }).observe(home);
})();
