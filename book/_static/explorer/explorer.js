/* The explorer's page: controls, figures, table and link around the engine in reml.js.

   For further panels: after every refit the element #explorer dispatches a bubbling event "explorer:fit" whose detail is
   {spec, fit}: the specification as reml.js takes it, and what `ExplorerREML.fit` gave ({error} if it cannot be fitted).
   `window.Explorer.current` holds the latest one for a panel that loads later, such as curve.js. */

(function () {
  "use strict";

  const home = document.getElementById("explorer"), data = window.EXPLORER_DATA, engine = window.ExplorerREML;
  if (!home || !data || !engine) return;

  // --- words ---

  const FORMS = { observed: "as observed", mean: "person’s mean", within: "departure from it", time: "× time" };
  const COVARIATES = { entry: "entry value of the outcome", others: "entry values of the other outcomes", age: "age", female: "female" };
  const CHOICES = {
    time: { label: "Counted in", months: "months", centred: "months, centred", wave: "wave number", log: "log months", categorical: "a step for each wave" },
    centre: { label: "Zero of numbers", raw: "their own zero", mean: "their mean" },
    scale: { label: "One step of numbers", units: "their unit", sd: "one SD" },
    random: { label: "People differ in", intercept: "level", slope: "level and slope" },
    method: { label: "Estimated by", reml: "REML", ml: "maximum likelihood" },
  };
  const PRESET_NAMES = { a: "(a) having a sponsor", b: "(b) averages over follow-up", c: "(c) change with time" };
  const KINDS = { contact: "contact", alliance: "alliance", has_sponsor: "sponsor" };
  const BAD_LINK = "The link names no specification of this page, so the page shows the one it opens with.";
  const OTHER_DATA = "The link was made with other data than this page has, so the numbers may differ.";
  const WARM = 5; // fits of each preset ahead of the first that a reader asks for

  const label = (name) => (data.labels[name] || data.outcomes[name]).label;
  const capital = (text) => text[0].toUpperCase() + text.slice(1);

  /* A term as words: "contact, person's mean × time". */
  function termLabel(name) {
    return name.split(":").map((part) => {
      const [, base, form] = part.match(/^(.*?)(?:_(mean|within))?$/);
      if (base === "time2") return "time²";
      if (base.startsWith("wave_")) return `${base.slice(5)} months`;
      if (!data.labels[base]) return base === "time" ? "time" : base;
      return label(base) + (form ? `, ${form === "mean" ? "person’s mean" : "departure"}` : "");
    }).join(" × ");
  }

  /* What one step of a term is. */
  function termUnit(name, spec) {
    const steps = { months: "month", centred: "month", wave: "wave", log: "log month" };
    return name.split(":").map((part) => {
      const base = part.replace(/_(mean|within)$/, "");
      if (base === "time") return steps[spec.time];
      if (base === "time2") return `${steps[spec.time] || "month"} squared`;
      if (base.startsWith("wave_")) return `against ${engine.waves(data.samples[spec.sample])[0]} months`;
      if (!data.labels[base]) return "";
      return spec.scale === "sd" && !data.yes_no.includes(base) ? "SD" : data.labels[base].unit;
    }).filter(Boolean).join(" × ");
  }

  /* At most four significant digits, a true minus. */
  function show(value, decimals = 2) {
    const size = Math.abs(value), places = size >= 1 ? Math.min(decimals, Math.max(3 - Math.floor(Math.log10(size)), 0)) : decimals;
    const text = size > 0 && size < 0.0995 ? value.toFixed(Math.min(8, 1 - Math.floor(Math.log10(size)))) : value.toFixed(places);
    return (/[1-9]/.test(text) ? text : text.replace("-", "")).replace("-", "−");
  }

  // --- elements ---

  function el(tag, attributes = {}, ...children) {
    return furnished(document.createElement(tag), attributes, children);
  }
  function svg(tag, attributes = {}, ...children) {
    return furnished(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
  }
  function furnished(node, attributes, children) {
    for (const [key, value] of Object.entries(attributes)) if (value !== null && value !== false) node.setAttribute(key, value === true ? "" : value);
    node.append(...children.filter((child) => child !== null));
    return node;
  }

  // --- the specification and its link ---

  const copy = (value) => JSON.parse(JSON.stringify(value));

  /* A specification with every predictor in it, so that another sample finds its own. */
  function whole(spec) {
    const terms = { contact: ["observed"], alliance: ["observed"], has_sponsor: ["observed"], ...copy(spec.terms) };
    return { compare: "", ...copy(spec), terms };
  }

  /* Whether a product's parts are in the model. */
  function allowed(product, spec) {
    const [a, b] = product.split(":"), forms = (spec.terms[a] || []).filter((form) => form !== "time");
    if (b === "female") return forms.length > 0 && spec.covariates.includes("female");
    return forms.includes("observed") && (spec.terms[b] || []).includes("observed");
  }

  /* What the engine takes: only what the sample has, in one order. */
  function settled(spec) {
    const sample = data.samples[spec.sample], terms = {};
    for (const name of sample.predictors) {
      const forms = Object.keys(FORMS).filter((form) => (spec.terms[name] || []).includes(form));
      if (forms.some((form) => form !== "time")) terms[name] = forms;
    }
    const narrow = { ...spec, terms, covariates: Object.keys(COVARIATES).filter((key) => spec.covariates.includes(key)) };
    narrow.products = sample.products.filter((product) => spec.products.includes(product) && allowed(product, narrow));
    const comparisons = comparisonsOf(narrow).map(({ key }) => key);
    narrow.compare = comparisons.includes(spec.compare) ? spec.compare : comparisons[0] || "none";
    return narrow;
  }

  function encode(spec) {
    const list = (values) => values.join(".").replaceAll(":", "*") || "none", narrow = settled(spec);
    const pairs = [["data", data.digest], ["sample", spec.sample], ["outcome", spec.outcome]];
    for (const name of data.samples[spec.sample].predictors) pairs.push([name, list(narrow.terms[name] || [])]);
    pairs.push(["products", list(narrow.products)], ["covariates", list(narrow.covariates)], ["bend", spec.bend ? "yes" : "no"], ["drift", spec.drift ? "yes" : "no"]);
    for (const key of Object.keys(CHOICES)) pairs.push([key, spec[key]]);
    pairs.push(["compare", narrow.compare]);
    return `#${pairs.map((pair) => pair.join("=")).join("&")}`;
  }

  /* The parts of the address that are another panel's, and those that are left to this one. */
  const OTHERS = ["plan="];
  function addressed() {
    const parts = location.hash.slice(1).split("&").filter(Boolean), foreign = (part) => OTHERS.some((start) => part.startsWith(start));
    return { theirs: parts.filter(foreign), ours: parts.filter((part) => !foreign(part)) };
  }

  /* {spec, other} of an address, other if it was made with other data; null if it is none. */
  function decode(address) {
    const given = new Map(address.map((pair) => { const at = pair.indexOf("="); return [pair.slice(0, at), pair.slice(at + 1)]; }));
    const spec = whole(data.presets.b), list = (text) => (text === "none" ? [] : text.replaceAll("*", ":").split("."));
    const within = (values, all) => values.every((value) => all.includes(value)) && new Set(values).size === values.length;
    if (!Object.hasOwn(data.samples, given.get("sample")) || !Object.hasOwn(data.outcomes, given.get("outcome"))) return null;
    const sample = data.samples[given.get("sample")];
    const known = ["data", "sample", "outcome", "products", "covariates", "bend", "drift", "compare", ...Object.keys(CHOICES), ...sample.predictors];
    for (const [key, text] of given) {
      if (!known.includes(key)) return null;
      if (sample.predictors.includes(key)) {
        if (!within(list(text), Object.keys(FORMS))) return null;
        spec.terms[key] = list(text);
      } else if (key === "products" || key === "covariates") {
        if (!within(list(text), key === "products" ? sample.products : Object.keys(COVARIATES))) return null;
        spec[key] = list(text);
      } else if (key === "bend" || key === "drift") {
        if (!["yes", "no"].includes(text)) return null;
        spec[key] = text === "yes";
      } else if (key in CHOICES) {
        if (text === "label" || !Object.hasOwn(CHOICES[key], text)) return null;
        spec[key] = text;
      } else if (key !== "data") spec[key] = text;
    }
    return { spec, other: given.get("data") !== data.digest };
  }

  // --- what is compared in the trajectories ---

  /* The pairs of low and high that a specification lets one draw: {key, name, form}. */
  function comparisonsOf(spec) {
    return Object.entries(spec.terms).flatMap(([name, forms]) => {
      const plain = forms.filter((form) => form !== "time");
      if (plain.join() === "observed") return [{ key: name, name, form: "people" }];
      const all = [];
      if (plain.includes("observed") || plain.includes("mean")) all.push({ key: `${name}.people`, name, form: "people" });
      if (plain.includes("observed") || plain.includes("within")) all.push({ key: `${name}.visits`, name, form: "visits" });
      return all;
    });
  }

  function comparisonLabel({ key, name, form }) {
    if (key === name) return label(name);
    return form === "people" ? `${label(name)}, between people` : `${label(name)}, within a person`;
  }

  /* The two levels of a comparison as values for `predict`. */
  function levels({ name, form }, spec) {
    const { mean, sd } = engine.spread(data.samples[spec.sample]);
    if (data.yes_no.includes(name)) {
      const own = form === "people" ? (value) => ({ [name]: value }) : (value) => ({ [name]: value, [`${name}_mean`]: mean[name] });
      return [{ level: "without a sponsor", kind: "none", values: own(0) }, { level: "with a sponsor", kind: "sponsor", values: own(1) }];
    }
    return [["low", -1], ["high", 1]].map(([level, sign]) => {
      const value = mean[name] + sign * sd[name];
      const values = form === "people" ? { [name]: value } : { [name]: value, [`${name}_mean`]: mean[name] };
      return { level: `${level} ${label(name)}`, kind: KINDS[name], value, values };
    });
  }

  function trajectories(spec, fit) {
    const waves = engine.waves(data.samples[spec.sample]), smooth = !["categorical", "wave"].includes(spec.time);
    const months = smooth ? Array.from({ length: 37 }, (_, i) => waves[0] + (waves.at(-1) - waves[0]) * i / 36) : waves;
    const chosen = comparisonsOf(spec).find(({ key }) => key === spec.compare);
    const lines = chosen ? levels(chosen, spec) : [{ level: "mean", kind: "none", values: {} }];
    return lines.map((line, i) => ({
      ...line, strong: i === lines.length - 1,
      path: months.map((month) => engine.predict(data, spec, fit, line.values, month)),
      points: waves.map((month) => engine.predict(data, spec, fit, line.values, month)),
    }));
  }

  // --- figures ---

  function ticks(low, high, count) {
    const raw = (high - low) / count, power = 10 ** Math.floor(Math.log10(raw)), step = [1, 2, 5, 10].map((x) => x * power).find((x) => x >= raw);
    const out = [];
    for (let at = Math.ceil(low / step - 1e-9) * step; at <= high + step * 1e-9; at += step) out.push(Math.abs(at) < step / 1e6 ? 0 : at);
    return { list: out, decimals: Math.max(0, -Math.floor(Math.log10(step) + 1e-9)) };
  }

  function marker(kind, x, y, filled, size = 4.5) {
    const look = { class: `ex-mark ex-${kind}${filled ? "" : " ex-open"}` };
    if (kind === "contact") return svg("circle", { ...look, cx: x, cy: y, r: size });
    const points = {
      alliance: [[-1, -1], [1, -1], [1, 1], [-1, 1]], sponsor: [[0, -1.3], [1.3, 0], [0, 1.3], [-1.3, 0]], none: [[0, -1.2], [1.1, 0.8], [-1.1, 0.8]],
    }[kind];
    return svg("polygon", { ...look, points: points.map(([a, b]) => `${x + a * size * 0.9},${y + b * size * 0.9}`).join(" ") });
  }

  const text = (x, y, words, attributes = {}) => svg("text", { x, y, ...attributes }, words);

  function frame(width, height, alt) {
    return svg("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": alt, class: "ex-figure" });
  }

  function synthetic(width, height) {
    return text(width - 2, height - 4, "SYNTHETIC cohort", { class: "ex-synthetic", "text-anchor": "end" });
  }

  function drawTrajectories(spec, lines, width) {
    const height = 300, outcome = data.outcomes[spec.outcome], seen = engine.observed(data, spec);
    const left = 44, right = width - (width < 420 ? 92 : 122), top = 26, bottom = height - 52;
    const every = lines.flatMap((line) => [...line.path, ...line.points]).flatMap(({ low, high }) => [low, high]).concat(seen.map((one) => one.estimate));
    const usual = { attendance: [0, 5], involvement: [0, 6], pda: [0, 100] }[spec.outcome];
    const range = [Math.min(usual[0], ...every), Math.max(usual[1], ...every)], waves = seen.map(({ month }) => month);
    const x = (month) => left + 12 + (right - left - 24) * (month - waves[0]) / (waves.at(-1) - waves[0]);
    const y = (value) => bottom - (bottom - top) * (value - range[0]) / (range[1] - range[0]);
    const alt = `Predicted ${outcome.label} by month. ` + lines.map((line) => `${capital(line.level)}: ${line.points.map((p) => `${show(p.estimate)} at ${p.month}`).join(", ")}.`).join(" ") + " Intervals are in the table below. SYNTHETIC cohort.";
    const figure = frame(width, height, alt), marks = ticks(...range, 5);
    figure.append(text(2, 13, `${capital(outcome.label)} (${outcome.unit})`, { class: "ex-axis-title" }));
    for (const tick of marks.list) {
      figure.append(svg("line", { class: "ex-grid", x1: left, x2: right, y1: y(tick), y2: y(tick) }), text(left - 6, y(tick) + 4, show(tick, marks.decimals), { "text-anchor": "end" }));
    }
    for (const wave of waves) figure.append(text(x(wave), bottom + 18, wave, { "text-anchor": "middle" }));
    figure.append(text((left + right) / 2, bottom + 36, "months after discharge", { "text-anchor": "middle" }));
    lines.forEach((line, i) => {
      const shift = lines.length > 1 ? (i ? 3 : -3) : 0, look = `ex-${line.kind}${line.strong ? "" : " ex-weak"}`;
      const edge = (key) => line.path.map((p) => `${x(p.month).toFixed(2)},${y(p[key]).toFixed(2)}`);
      figure.append(svg("polygon", { class: `ex-band ${look}`, points: [...edge("low"), ...edge("high").reverse()].join(" ") }));
      figure.append(svg("polyline", { class: `ex-line ${look}`, points: edge("estimate").join(" ") }));
      for (const p of line.points) {
        figure.append(svg("line", { class: `ex-whisker ${look}`, x1: x(p.month) + shift, x2: x(p.month) + shift, y1: y(p.low), y2: y(p.high) }), marker(line.kind, x(p.month), y(p.estimate), line.strong));
      }
    });
    for (const one of seen) figure.append(svg("path", { class: "ex-seen", d: `M${x(one.month) - 4},${y(one.estimate) - 4}l8,8m-8,0l8,-8` }));
    const ends = lines.map((line) => ({ words: line.level, y: y(line.points.at(-1).estimate) })).sort((a, b) => a.y - b.y);
    if (ends.length > 1 && ends[1].y - ends[0].y < 16) { const middle = (ends[0].y + ends[1].y) / 2; ends[0].y = middle - 8; ends[1].y = middle + 8; }
    for (const end of ends) figure.append(text(x(waves.at(-1)) + 12, end.y + 4, end.words, { class: "ex-end" }));
    figure.append(synthetic(width, height));
    return figure;
  }

  const kindOf = (name) => KINDS[name.split(":")[0].replace(/_(mean|within)$/, "")] || "none";

  function drawForest(spec, fit, width, kept) {
    const terms = fit.terms.filter((term) => term.name !== "Intercept"), labels = terms.map((term) => termLabel(term.name));
    const room = 24 + 6.6 * Math.max(0, ...labels.map((words) => words.length)), narrow = room > width * 0.5, row = (narrow ? 36 : 26) + (kept ? 6 : 0);
    const left = narrow ? 8 : room, right = width - 12, top = 26, bottom = top + row * terms.length, height = bottom + 48;
    const before = new Map((kept ? kept.terms : []).map((term) => [term.name, term])), ghosts = terms.map((term) => before.get(term.name)).filter(Boolean);
    const every = [...terms, ...ghosts].flatMap(({ low, high }) => [low, high]), range = [Math.min(0, ...every), Math.max(0, ...every)];
    const slack = (range[1] - range[0]) * 0.04;
    const x = (value) => left + (right - left) * (value - range[0] + slack) / (range[1] - range[0] + 2 * slack), marks = ticks(...range, narrow ? 4 : 6);
    const outside = terms.filter((term) => term.low > 0 || term.high < 0).map((term) => termLabel(term.name));
    const alt = `Coefficients with 95 % intervals, a row a term; their numbers are in the table below. ${outside.length ? `Intervals that leave zero out: ${outside.join("; ")}.` : "Every interval holds zero."} SYNTHETIC cohort.`;
    const figure = frame(width, height, alt);
    figure.append(text(2, 13, `Coefficients (${data.outcomes[spec.outcome].unit})`, { class: "ex-axis-title" }));
    for (const tick of marks.list) {
      figure.append(svg("line", { class: tick === 0 ? "ex-zero" : "ex-grid", x1: x(tick), x2: x(tick), y1: top, y2: bottom }), text(x(tick), bottom + 18, show(tick, marks.decimals), { "text-anchor": "middle" }));
    }
    terms.forEach((term, i) => {
      const middle = top + row * i + (narrow ? 26 : 13), kind = kindOf(term.name), ghost = before.get(term.name);
      figure.append(text(narrow ? left : left - 10, narrow ? middle - 12 : middle + 4, labels[i], { "text-anchor": narrow ? "start" : "end", class: narrow ? "ex-halo" : null }));
      if (ghost) {
        figure.append(svg("line", { class: "ex-ghost", x1: x(ghost.low), x2: x(ghost.high), y1: middle + 9, y2: middle + 9 }), svg("circle", { class: "ex-ghost", cx: x(ghost.estimate), cy: middle + 9, r: 3 }));
      }
      figure.append(svg("line", { class: `ex-line ex-${kind}`, x1: x(term.low), x2: x(term.high), y1: middle, y2: middle }), marker(kind, x(term.estimate), middle, true));
    });
    figure.append(synthetic(width, height));
    return figure;
  }

  // --- tables and sentences ---

  function table(caption, head, rows) {
    return el("table", { class: "ex-table" }, el("caption", {}, caption),
      el("thead", {}, el("tr", {}, ...head.map((words) => el("th", { scope: "col" }, words)))),
      el("tbody", {}, ...rows.map(([first, ...rest]) => el("tr", {}, el("th", { scope: "row" }, ...[first].flat()), ...rest.map((cell) => el("td", {}, cell))))));
  }

  const interval = ({ low, high }) => `[${show(low)}, ${show(high)}]`;

  function coefficientTable(spec, fit) {
    const rows = fit.terms.map((term) => {
      const unit = termUnit(term.name, spec);
      return [[termLabel(term.name), unit ? el("span", { class: "ex-unit" }, unit) : null].filter(Boolean), show(term.estimate), show(term.se), interval(term)];
    });
    return table(`Coefficients in ${data.outcomes[spec.outcome].unit}, SYNTHETIC cohort`, ["Term (its step)", "Estimate", "SE", "95 % interval (z)"], rows);
  }

  function predictionTable(spec, lines) {
    const rows = lines.flatMap((line) => line.points.map((p) => [[`${capital(line.level)}, month ${p.month}`], show(p.estimate), interval(p)]));
    return table(`Predicted ${data.outcomes[spec.outcome].label}, SYNTHETIC cohort`, ["Level and month", "Estimate", "95 % interval (z)"], rows);
  }

  function formula(spec, fit) {
    const names = fit.terms.map((term) => (term.name === "Intercept" ? "1" : term.name)).filter((name, i, all) => name !== "1" || all.length === 1);
    return `${spec.outcome} ~ ${names.join(" + ")} + (${spec.random === "slope" ? "1 + time" : "1"} | person)`;
  }

  function summary(spec, fit) {
    const chosen = comparisonsOf(spec).find(({ key }) => key === spec.compare);
    const term = chosen && fit.terms.find(({ name }) => [chosen.name, `${chosen.name}_mean`, `${chosen.name}_within`].includes(name)
      && (chosen.key === chosen.name || name.endsWith(chosen.form === "people" ? "_mean" : "_within") || name === chosen.name));
    const counts = `${fit.n_visits} visits of ${fit.n_persons} people`;
    if (!term) return `${capital(data.outcomes[spec.outcome].label)}: a model without a predictor, ${counts}.`;
    const unit = termUnit(term.name, spec), moves = spec.terms[chosen.name].includes("time");
    return `${capital(termLabel(term.name))} (${unit}): ${show(term.estimate)} ${data.outcomes[spec.outcome].unit}, 95 % interval ${show(term.low)} to ${show(term.high)}${moves ? ", where time is zero" : ""}. ${counts}.`;
  }

  function facts(spec, fit) {
    const [tau2, cross, , slope2] = fit.variances.random, sd = [show(Math.sqrt(fit.variances.random[0]))];
    const parts = [`SD of people’s level ${sd[0]}`];
    if (spec.random === "slope") {
      const both = Math.sqrt(tau2 * slope2);
      parts.push(`of their slope ${show(Math.sqrt(slope2))}`, both > 0 ? `correlation of the two ${show(Math.max(-1, Math.min(1, cross / both)))}` : "no correlation to speak of");
    }
    parts.push(`SD of a visit about its person’s line ${show(Math.sqrt(fit.variances.residual))}`);
    const lines = [`${capital(parts.join(", "))}. ${spec.method === "ml" ? "ML" : "REML"} criterion ${fit.criterion.toFixed(1)}.`];
    if (fit.singular) lines.push("The fit is on the boundary: a variance is estimated as zero, or the correlation as one. The intervals take that as known.");
    if (!fit.certified) lines.push("The optimum could not be certified: read this fit with care.");
    if (fit.dropped.length) lines.push(`Left out, because columns before it give it already: ${fit.dropped.map(termLabel).join("; ")}.`);
    return lines;
  }

  // --- the panel ---

  let spec = whole(data.presets.b), kept = null, spoken = 0;
  const parts = {}, boxes = new Map();

  function field(legend, ...children) {
    return el("fieldset", {}, el("legend", {}, legend), ...children);
  }

  function box(type, name, value, words, apply) {
    const id = `ex-${name}-${value}`.replaceAll(":", "-"), input = el("input", { type, name: `ex-${name}`, id, value });
    input.addEventListener("change", () => { apply(input.checked); refit(true); });
    boxes.set(`${name} ${value}`, input);
    return el("label", { for: id, class: "ex-box" }, input, el("span", {}, words));
  }

  function toggled(list, value, on) {
    const at = list.indexOf(value);
    if (on && at < 0) list.push(value);
    if (!on && at >= 0) list.splice(at, 1);
  }

  function choice(key) {
    const { label: words, ...options } = CHOICES[key], id = `ex-${key}`;
    const select = el("select", { id }, ...Object.entries(options).map(([value, shown]) => el("option", { value }, shown)));
    select.addEventListener("change", () => { spec[key] = select.value; refit(true); });
    parts[key] = select;
    return el("div", { class: "ex-choice" }, el("label", { for: id }, words), select);
  }

  function controls() {
    const samples = Object.entries(data.samples).map(([name, sample]) => {
      const { n } = engine.spread(sample), people = sample.m.reduce((a, b) => a + b, 0);
      return box("radio", "sample", name, `${sample.label} (${people} people, ${n} visits)`, () => { spec.sample = name; });
    });
    const outcomes = Object.entries(data.outcomes).map(([name, one]) => box("radio", "outcome", name, capital(one.label), () => { spec.outcome = name; }));
    parts.predictors = {};
    const predictors = ["contact", "alliance", "has_sponsor"].map((name) => {
      parts.predictors[name] = field(capital(label(name)), ...Object.entries(FORMS).map(([form, words]) => box("checkbox", name, form, words, (on) => toggled(spec.terms[name], form, on))));
      return parts.predictors[name];
    });
    const products = [...new Set(Object.values(data.samples).flatMap((sample) => sample.products))].map((product) => {
      const words = product.split(":").map(label).join(" × ");
      return box("checkbox", "products", product, words, (on) => toggled(spec.products, product, on));
    });
    parts.products = field("Products", ...products, el("p", { class: "ex-hint" }, "A product can be ticked once both of its parts are in the model."));
    const covariates = Object.entries(COVARIATES).map(([key, words]) => box("checkbox", "covariates", key, words, (on) => toggled(spec.covariates, key, on)));
    covariates.push(box("checkbox", "drift", "yes", "each × time", (on) => { spec.drift = on; }));
    const starts = Object.keys(PRESET_NAMES).map((key) => {
      const button = el("button", { type: "button" }, PRESET_NAMES[key]);
      button.addEventListener("click", () => { spec = whole({ ...data.presets[key], outcome: spec.outcome }); refit(true); });
      return button;
    });
    const form = el("form", { class: "ex-controls", "aria-label": "The specification" },
      field("Start from a model of the book", el("div", { class: "ex-buttons" }, ...starts)),
      field("Sample", ...samples), field("Outcome", ...outcomes), ...predictors, parts.products, field("Covariates", ...covariates),
      field("Time", choice("time"), box("checkbox", "bend", "yes", "and its square", (on) => { spec.bend = on; })),
      field("Zero and step", choice("centre"), choice("scale")), field("Random effects", choice("random"), choice("method")));
    form.addEventListener("submit", (event) => event.preventDefault());
    return form;
  }

  function results() {
    parts.compare = el("select", { id: "ex-compare" });
    parts.compare.addEventListener("change", () => { spec.compare = parts.compare.value; refit(true); });
    parts.keep = el("button", { type: "button", "aria-pressed": "false" }, "Keep these to compare");
    parts.keep.addEventListener("click", () => { kept = kept ? null : parts.fit; refit(false); });
    parts.link = el("input", { type: "text", readonly: true, id: "ex-link" });
    const copied = el("span", { role: "status", class: "ex-copied" });
    const buttons = [["Copy link", () => parts.link.value], ["Copy citation", () => parts.cite.textContent]].map(([words, value]) => {
      const button = el("button", { type: "button" }, words);
      button.addEventListener("click", () => toClipboard(value(), copied));
      return button;
    });
    Object.assign(parts, {
      summary: el("p", { class: "ex-summary" }), spoken: el("p", { class: "ex-spoken", role: "status" }),
      lines: el("div"), caption: el("figcaption"), forest: el("div"), forestcaption: el("figcaption"),
      coefficients: el("div"), predictions: el("div"), facts: el("div", { class: "ex-facts" }),
      formula: el("code"), cite: el("p"), speed: el("p", { class: "ex-hint" }),
    });
    parts.figures = el("div", { class: "ex-figures" },
      el("figure", {}, el("div", { class: "ex-choice ex-compare" }, el("label", { for: "ex-compare" }, "Trajectories at low and high"), parts.compare), parts.lines, parts.caption),
      el("figure", {}, parts.forest, parts.forestcaption, el("div", { class: "ex-buttons" }, parts.keep)));
    parts.tables = el("div", { class: "ex-tables" }, parts.coefficients,
      el("div", {}, parts.facts, parts.predictions));
    const view = el("div", { class: "ex-view" }, parts.summary, parts.spoken, parts.figures);
    const share = el("div", { class: "ex-share" }, el("p", { class: "ex-formula" }, parts.formula),
      el("label", { for: "ex-link" }, "Link to this specification"), parts.link, el("div", { class: "ex-buttons" }, ...buttons, copied), parts.cite, parts.speed);
    return [view, parts.tables, share];
  }

  function toClipboard(words, told) {
    const say = (said) => { told.textContent = said; };
    const byHand = () => {
      const area = el("textarea", { "aria-hidden": "true", tabindex: "-1", class: "ex-offscreen" });
      area.value = words;
      document.body.append(area);
      area.select();
      say(document.execCommand("copy") ? "Copied." : "Please copy it from the field by hand.");
      area.remove();
    };
    if (navigator.clipboard) navigator.clipboard.writeText(words).then(() => say("Copied."), byHand);
    else byHand();
  }

  // --- from a change to the page ---

  /* Set every control to the specification. */
  function reflect(narrow) {
    const sample = data.samples[spec.sample];
    for (const name of Object.keys(parts.predictors)) parts.predictors[name].hidden = !sample.predictors.includes(name);
    const on = { sample: [spec.sample], outcome: [spec.outcome], ...spec.terms, products: narrow.products, covariates: spec.covariates, bend: spec.bend ? ["yes"] : [], drift: spec.drift ? ["yes"] : [] };
    for (const [key, input] of boxes) {
      const [name, value] = key.split(" ");
      input.checked = on[name].includes(value);
      if (name === "products") {
        input.disabled = !allowed(value, spec);
        input.parentElement.hidden = !sample.products.includes(value);
      }
      if (value === "time") input.disabled = !spec.terms[name].some((form) => form !== "time");
    }
    for (const key of Object.keys(CHOICES)) parts[key].value = spec[key];
    const options = comparisonsOf(narrow);
    parts.compare.replaceChildren(...(options.length ? options.map((one) => el("option", { value: one.key }, comparisonLabel(one))) : [el("option", { value: "none" }, "nothing: no predictor")]));
    parts.compare.value = narrow.compare;
  }

  let drawn = 0; // width that the figures were drawn for

  function draw() {
    const { narrow, fit } = parts, width = drawn = Math.max(260, Math.floor(parts.figures.clientWidth)), lines = trajectories(narrow, fit);
    parts.lines.replaceChildren(drawTrajectories(narrow, lines, width));
    parts.forest.replaceChildren(drawForest(narrow, fit, width, kept));
    const values = lines.filter((line) => line.value !== undefined).map((line) => `${line.level} is ${show(line.value)}`);
    const steps = values.length ? ` (${values.join(", ")} ${data.labels[narrow.compare.split(".")[0]].units}: one SD from the mean)` : "";
    parts.caption.textContent = `Predicted ${data.outcomes[narrow.outcome].label} with 95 % intervals${steps}; other variables stand at their means. Crosses are plain means of the visits.`;
    parts.forestcaption.textContent = `Coefficients with 95 % intervals, each for one step of its term.${kept ? " Grey rings below a row: what you kept." : ""}`;
    parts.predictions.replaceChildren(predictionTable(narrow, lines));
  }

  function refit(changed) {
    const narrow = settled(spec), fit = engine.fit(data, narrow);
    reflect(narrow);
    parts.narrow = narrow;
    parts.figures.hidden = parts.tables.hidden = Boolean(fit.error);
    if (fit.error) {
      parts.summary.textContent = `This specification cannot be fitted. ${fit.error}`;
      parts.formula.textContent = "";
    } else {
      parts.fit = fit;
      parts.summary.textContent = summary(narrow, fit);
      parts.coefficients.replaceChildren(coefficientTable(narrow, fit));
      parts.facts.replaceChildren(...facts(narrow, fit).map((line) => el("p", {}, line)));
      parts.formula.textContent = formula(narrow, fit);
      if (changed) parts.speed.textContent = `Refitted in your browser in ${Math.max(1, Math.round(fit.ms))} ms.`;
      parts.keep.textContent = kept ? "Forget what was kept" : "Keep these to compare";
      parts.keep.setAttribute("aria-pressed", String(Boolean(kept)));
      draw();
    }
    const hash = encode(spec), link = location.href.split("#")[0] + hash;
    parts.link.value = link;
    parts.cite.textContent = `Cite this specification: The explorer, in: The sponsor study, openly rebuilt (SYNTHETIC cohort, data ${data.digest}). ${parts.formula.textContent}; time in ${CHOICES.time[spec.time]}; zero of numbers: ${CHOICES.centre[spec.centre]}; ${CHOICES.method[spec.method]}. ${link}`;
    if (changed) {
      parts.notice.hidden = true;
      history.replaceState(null, "", [hash, ...addressed().theirs].join("&"));
      clearTimeout(spoken);
      spoken = setTimeout(() => { parts.spoken.textContent = parts.summary.textContent; }, 900);
    }
    window.Explorer.current = { spec: narrow, fit };
    home.dispatchEvent(new CustomEvent("explorer:fit", { bubbles: true, detail: window.Explorer.current }));
  }

  /* The specification of the page's address; an address that names a place on the page leaves things as they are. */
  function open() {
    const { ours } = addressed();
    if (!ours.length || document.getElementById(ours.join("&"))) return false;
    const found = decode(ours);
    spec = found ? whole(found.spec) : whole(data.presets.b);
    parts.notice.hidden = Boolean(found) && !found.other;
    parts.notice.textContent = found ? OTHER_DATA : BAD_LINK;
    return true;
  }

  window.Explorer = { current: null, warm: false };
  parts.notice = el("p", { class: "ex-notice", role: "status", hidden: true });
  const panel = el("div", { class: "ex-panel" }, el("p", { class: "ex-badge" }, "SYNTHETIC cohort: associations in simulated records, no finding about people"), parts.notice, el("div", { class: "ex-columns" }, controls(), ...results()));
  home.querySelector(".explorer-static").hidden = true;
  home.append(panel);
  open();
  refit(false);
  window.addEventListener("hashchange", () => { if (open()) refit(false); });

  // The browser compiles what runs often, and until then a fit takes longer: let it do so while the reader still reads.
  setTimeout(() => {
    for (const preset of Object.values(data.presets)) {
      for (const random of ["intercept", "slope"]) {
        for (let time = 0; time < WARM; time++) engine.fit(data, settled(whole({ ...preset, random })));
      }
    }
    window.Explorer.warm = true;
  }, 200);
  new ResizeObserver(() => { if (!parts.figures.hidden && Math.abs(parts.figures.clientWidth - drawn) > 2) draw(); }).observe(parts.figures);
})();
