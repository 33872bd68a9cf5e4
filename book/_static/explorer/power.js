/* The planning panel: what a study would see, read off the precomputed power surface (power-data.js).

   Between two computed numbers of people every figure is a straight line in the square root of people; a standard error
   and a width through their inverses. Nothing is read beyond the surface. Intervals of shares are Wilson's, with the
   replicates whose fit did not fail; other Monte Carlo errors are standard errors times the normal quantile.

   The choice stands in the link as plan=outcome~term~effect~people~waves~kept; other parts of the link are let alone. */

(function () {
  "use strict";

  const home = document.getElementById("power-panel"), data = window.POWER_SURFACE;
  if (!home || !data) return;

  const Z = 1.959963984540054; // normal quantile of an interval at 95 %
  const LEAST = data.persons[0], MOST = data.persons[data.persons.length - 1];
  const BLANK = "—";
  const BAD_LINK = "The link names no plan of this panel, so the panel shows the study’s own.";

  // --- reading the surface ---

  const curveOf = (plan) => data.curves[`${plan.test}|${plan.waves}|${plan.kept}`];
  const known = (value) => value !== null && value !== undefined;

  /* Where people stand among the computed numbers: {i, share}, between i and i + 1; null outside them. */
  function place(people) {
    if (!(people >= LEAST && people <= MOST)) return null;
    const i = Math.max(0, data.persons.findIndex((n) => people <= n) - 1);
    const [low, high] = [Math.sqrt(data.persons[i]), Math.sqrt(data.persons[i + 1])];
    return { i, share: (Math.sqrt(people) - low) / (high - low) };
  }

  function between(values, { i, share }) {
    const [a, b] = [values[i], values[i + 1]];
    if (share === 0) return a;
    if (share === 1) return b;
    return known(a) && known(b) ? a + share * (b - a) : null;
  }
  const inverse = (values, at) => 1 / between(values.map((value) => 1 / value), at);

  function wilson(share, n) {
    const centre = (share + Z * Z / (2 * n)) / (1 + Z * Z / n);
    const half = Z / (1 + Z * Z / n) * Math.sqrt(share * (1 - share) / n + Z * Z / (4 * n * n));
    return [Math.max(0, centre - half), Math.min(1, centre + half)];
  }

  /* Share, Monte Carlo interval; the same for a mean with its standard error. */
  const counted = (value, n) => known(value) && n > 0 ? { value, interval: wilson(value, n) } : { value: null };
  const averaged = (value, error) => known(value) ? { value, interval: known(error) ? [value - Z * error, value + Z * error] : null } : { value: null };

  /* Every figure of a plan, each {value, interval}; null outside the surface. */
  function figures(plan) {
    const at = place(plan.people), curve = curveOf(plan), e = data.effects.indexOf(plan.effect);
    if (!at) return null;
    const of = (name) => between(curve[name].map((row) => row[e]), at);
    const failed = between(curve.failed, at), n = data.replicates * (1 - failed), power = of("power");
    const error = inverse(curve.std_error, at);
    return {
      power: counted(power, n),
      type_s: counted(of("type_s"), n * power),
      type_m: averaged(of("type_m"), of("type_m_mcse")),
      width: averaged(inverse(curve.width, at), between(curve.std_error_mcse, at) / error * inverse(curve.width, at)),
      std_error: averaged(error, between(curve.std_error_mcse, at)),
      bias: averaged(between(curve.bias, at), between(curve.bias_mcse, at)),
      coverage: counted(between(curve.coverage, at), n),
      failed: counted(failed, data.replicates),
    };
  }

  /* Power at every computed number of people, with its interval. */
  function line(plan) {
    return data.persons.map((people) => ({ people, ...figures({ ...plan, people }).power }));
  }

  /* The people with which values (a list over the computed numbers) first reach the target: a number, or which end is passed. */
  function reached(values) {
    const i = values.findIndex((value) => value >= data.target);
    if (i < 0) return Infinity;
    if (i === 0) return -Infinity;
    const [low, high] = [Math.sqrt(data.persons[i - 1]), Math.sqrt(data.persons[i])];
    const root = low + (data.target - values[i - 1]) / (values[i] - values[i - 1]) * (high - low);
    return Math.ceil(root * root - 1e-9);
  }

  function needed(plan) {
    const points = line(plan);
    return { value: reached(points.map((p) => p.value)), interval: [1, 0].map((end) => reached(points.map((p) => p.interval[end]))) };
  }

  // --- words ---

  const format = (value, decimals) => {
    const text = value.toFixed(decimals);
    return (/[1-9]/.test(text) ? text : text.replace("-", "")).replace("-", "−");
  };
  const thousands = (value) => String(value).replace(/\B(?=(\d{3})+$)/g, ",");
  const people = (value) => value === Infinity ? `more than ${thousands(MOST)}` : value === -Infinity ? `${LEAST} or fewer` : thousands(value);
  const monthsOf = (waves) => waves.split(" ").join(", ").replace(/, (\d+)$/, " and $1");
  const percent = (share) => `${format(100 * share, 0)}\u00a0%`;
  const size = (value) => Number(value.toPrecision(3)).toString().replace("-", "−");

  // --- elements ---

  function el(tag, attributes, ...children) {
    return furnished(document.createElement(tag), attributes, children);
  }
  function svg(tag, attributes, ...children) {
    return furnished(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
  }
  function furnished(node, attributes, children) {
    for (const [key, value] of Object.entries(attributes || {})) node.setAttribute(key, value);
    node.append(...children);
    return node;
  }
  const option = (value, text) => el("option", { value }, text);

  const controls = {
    test: el("select", { id: "power-test" }),
    effect: el("input", { id: "power-effect", type: "range", min: data.effects[0], max: data.effects[data.effects.length - 1], step: data.effects[1] - data.effects[0] }),
    people: el("input", { id: "power-people", type: "number", min: LEAST, max: MOST, step: 1, "aria-describedby": "power-people-note" }),
    slide: el("input", { id: "power-slide", type: "range", min: LEAST, max: MOST, step: 1, "aria-label": "People, as a slider" }),
    waves: el("select", { id: "power-waves" }),
    kept: el("select", { id: "power-kept" }),
  };
  const shown = {
    effect: el("output", { for: "power-effect" }),
    people: el("span", { id: "power-people-note" }),
    usable: el("span", {}),
    status: el("p", { role: "status", class: "power-status" }),
    problem: el("p", { role: "alert", class: "power-problem", hidden: "" }),
    rows: el("tbody", {}),
    drawing: el("div", { class: "power-drawing" }),
    link: el("a", { href: "#" }, "Link to this plan"),
  };

  const groups = new Map();
  for (const [key, test] of Object.entries(data.tests)) {
    if (!groups.has(test.group)) groups.set(test.group, el("optgroup", { label: test.group }));
    groups.get(test.group).append(option(key, `${test.group}: ${test.label}`));
  }
  controls.test.append(...groups.values());
  controls.waves.append(...Object.keys(data.usable).map((waves) => option(waves, `${monthsOf(waves)} months`)));
  controls.kept.append(...data.kept.map(([kept, label]) => option(kept, label)));

  const field = (control, label, ...further) => el("div", { class: "power-field" }, el("label", { for: control.id }, label), control, ...further);
  home.replaceChildren(
    shown.problem,
    el("form", { "aria-label": "Plan of a study" },
      field(controls.test, "What is tested"),
      field(controls.effect, "Effect, if it is there", shown.effect),
      field(controls.people, "People who enter", controls.slide, shown.people),
      field(controls.waves, "Waves"),
      field(controls.kept, "Usable visits", shown.usable)),
    shown.status,
    shown.drawing,
    el("p", { class: "power-key" }, `Diamond: this plan. Circles: computed numbers of people. Grey band: Monte Carlo interval. Dashed: a power of ${data.target}; dotted: the people it takes.`),
    el("div", { class: "power-scroll", role: "region", tabindex: "0", "aria-label": "What this plan would see" },
      el("table", { class: "power-table" },
        el("caption", {}, "What this plan would see, if the guesses were true"),
        el("thead", {}, el("tr", {}, ...["Figure", "Value", "Monte Carlo interval"].map((text) => el("th", { scope: "col" }, text)))),
        shown.rows)),
    el("p", { class: "power-link" }, shown.link));
  home.querySelector("form").addEventListener("submit", (event) => event.preventDefault());

  // --- the plan, its controls and its link ---

  const OPENING = { test: data.opening, effect: nearest(data.tests[data.opening].effect), people: data.study.persons, waves: data.study.waves, kept: String(data.study.kept) };
  let plan = { ...OPENING };

  function nearest(effect) {
    return data.effects.reduce((best, one) => Math.abs(one - effect) < Math.abs(best - effect) ? one : best);
  }

  const parts = () => location.hash.slice(1).split("&").filter((part) => part.includes("="));
  const encode = (one) => `plan=${[one.test.replace(" ", "~"), one.effect, one.people, one.waves.split(" ").join("-"), one.kept].join("~")}`;
  const address = (one) => `#${[...parts().filter((part) => !part.startsWith("plan=")), encode(one)].join("&")}`;

  /* The plan of the link; undefined if it names none, null if it cannot be read. */
  function decode() {
    const part = parts().find((one) => one.startsWith("plan="));
    if (part === undefined) return undefined;
    let text;
    try { text = decodeURIComponent(part.slice(5)); } catch { return null; }
    const [outcome, term, effect, number, waves, kept, ...rest] = text.split("~");
    const found = { test: `${outcome} ${term}`, effect: Number(effect), people: Number(number), waves: (waves || "").split("-").join(" "), kept };
    const whole = !rest.length && /^\d+$/.test(number || "") && effect !== "" && data.effects.includes(found.effect);
    return whole && place(found.people) && Object.hasOwn(data.curves, `${found.test}|${found.waves}|${found.kept}`) ? found : null;
  }

  function put() {
    for (const name of ["test", "effect", "people", "waves", "kept"]) controls[name].value = plan[name];
    controls.slide.value = plan.people;
  }

  function take(event) {
    const from = event.target;
    if (from === controls.slide) controls.people.value = controls.slide.value;
    const number = /^\d+$/.test(controls.people.value) ? Number(controls.people.value) : NaN;
    plan = { test: controls.test.value, effect: nearest(Number(controls.effect.value)), people: number, waves: controls.waves.value, kept: controls.kept.value };
    if (place(number)) {
      controls.slide.value = number;
      history.replaceState(null, "", address(plan));
    }
    shown.problem.hidden = true;
    show();
  }

  function open() {
    const found = decode();
    plan = found || { ...OPENING };
    shown.problem.hidden = found !== null;
    shown.problem.textContent = found === null ? BAD_LINK : "";
    put();
    show();
    return Boolean(found);
  }

  // --- what is shown ---

  const ROWS = [
    ["power", "Power", 3, ""],
    ["type_s", "Type S: wrong sign, among those that pass the test", 3, ""],
    ["type_m", "Type M: exaggeration, among those that pass the test", 2, ""],
    ["width", "Width of the 95 % interval", 3, " SD"],
    ["std_error", "Standard error", 3, " SD"],
    ["bias", "Bias: mean of the estimates less the causal effect", 3, " SD"],
    ["coverage", "Coverage: intervals that hold the causal effect", 3, ""],
    ["failed", "Fits that failed", 3, ""],
  ];
  const NONE = { type_s: "no effect has no sign", type_m: "no effect has no size" };

  function row(label, value, interval) {
    return el("tr", {}, el("th", { scope: "row" }, label), el("td", {}, value), el("td", {}, interval));
  }
  const range = ([low, high], decimals, unit) => `${format(low, decimals)} to ${format(high, decimals)}${unit}`;

  function table(found, need) {
    const rows = found ? ROWS.map(([name, label, decimals, unit]) => {
      const { value, interval } = found[name], words = name === "power" && plan.effect === 0 ? "Power, without an effect: false alarms" : label;
      if (value === null) return row(words, BLANK, plan.effect === 0 ? NONE[name] : "too few pass");
      return row(words, format(value, decimals) + unit, interval ? range(interval, decimals, unit) : BLANK);
    }) : [];
    const some = plan.effect > 0, [low, high] = need.interval.map(people);
    rows.push(row(`People for a power of ${data.target}`, some ? people(need.value) : BLANK, some ? (low === high ? low : `${low} to ${high}`) : "without an effect there is nothing to find"));
    return rows;
  }

  const WIDTH = 560, HEIGHT = 270, LEFT = 52, RIGHT = 34, TOP = 14, BOTTOM = 56;
  const x = (n) => LEFT + (Math.sqrt(n) - Math.sqrt(LEAST)) / (Math.sqrt(MOST) - Math.sqrt(LEAST)) * (WIDTH - LEFT - RIGHT);
  const y = (share) => TOP + (1 - share) * (HEIGHT - TOP - BOTTOM);
  const path = (points) => points.map(([n, share]) => `${x(n).toFixed(1)},${y(share).toFixed(1)}`).join(" ");

  function drawing(found, need, words) {
    const points = line(plan);
    const picture = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": words });
    for (const n of [50, 100, 200, 300, 500, 700, 1000].filter((each) => each >= LEAST && each <= MOST))
      picture.append(svg("line", { class: "power-tick", x1: x(n), x2: x(n), y1: y(0), y2: y(0) + 5 }), svg("text", { x: x(n), y: y(0) + 22, "text-anchor": "middle" }, thousands(n)));
    for (const share of [0, 0.2, 0.4, 0.6, 0.8, 1])
      picture.append(svg("line", { class: "power-tick", x1: LEFT - 5, x2: LEFT, y1: y(share), y2: y(share) }), svg("text", { x: LEFT - 9, y: y(share) + 4, "text-anchor": "end" }, String(share)));
    picture.append(
      svg("polyline", { class: "power-axis", points: `${LEFT},${TOP} ${LEFT},${y(0)} ${WIDTH - RIGHT},${y(0)}` }),
      svg("text", { x: (LEFT + WIDTH) / 2, y: HEIGHT - 6, "text-anchor": "middle" }, "people (square root scale)"),
      svg("text", { x: LEFT + 8, y: TOP + 5 }, "power"),
      svg("polygon", { class: "power-band", points: path([...points.map((p) => [p.people, p.interval[0]]), ...points.map((p) => [p.people, p.interval[1]]).reverse()]) }),
      svg("line", { class: "power-target", x1: LEFT, x2: WIDTH - RIGHT, y1: y(data.target), y2: y(data.target) }),
      svg("polyline", { class: "power-line", points: path(points.map((p) => [p.people, p.value])) }),
      ...points.map((p) => svg("circle", { class: "power-computed", cx: x(p.people), cy: y(p.value), r: 3 })));
    if (Number.isFinite(need.value) && plan.effect > 0) picture.append(svg("line", { class: "power-needed", x1: x(need.value), x2: x(need.value), y1: y(data.target), y2: y(0) }));
    if (found) {
      const [cx, cy] = [x(plan.people), y(found.power.value)];
      picture.append(svg("path", { class: "power-chosen", d: `M${cx} ${cy - 8} L${cx + 8} ${cy} L${cx} ${cy + 8} L${cx - 8} ${cy} Z` }));
    }
    return picture;
  }

  function sentence(found, need) {
    const outside = `${LEAST} to ${thousands(MOST)} people were computed, and nothing is guessed beyond them.`;
    if (!found) return `No figures: ${outside}`;
    const now = `${thousands(plan.people)} people: power ${format(found.power.value, 3)} (Monte Carlo interval ${range(found.power.interval, 3, "")}).`;
    if (plan.effect === 0) return `${now} Without an effect, that is the share of false alarms.`;
    const [low, high] = need.interval.map(people), spread = low === high ? "" : ` (Monte Carlo interval ${low} to ${high})`;
    const goal = `A power of ${data.target} takes ${people(need.value)} people${Number.isFinite(need.value) ? spread : ""}.`;
    return `${now} ${goal}${Number.isFinite(need.value) ? "" : ` ${outside}`}`;
  }

  function show() {
    const found = figures(plan), need = needed(plan), test = data.tests[plan.test];
    const words = sentence(found, need), usable = data.usable[plan.waves][plan.kept];
    shown.effect.textContent = `${plan.effect.toFixed(2)} SD, or ${size(plan.effect * test.unit)} ${test.units}`;
    shown.people.textContent = `${LEAST} to ${thousands(MOST)}`;
    controls.people.setAttribute("aria-invalid", String(!found));
    controls.effect.setAttribute("aria-valuetext", shown.effect.textContent);
    shown.usable.textContent = plan.waves.split(" ").map((month, w) => `month ${month}: ${percent(usable[w])}`).join(", ");
    shown.status.textContent = words;
    shown.rows.replaceChildren(...table(found, need));
    shown.drawing.replaceChildren(drawing(found, need, `Power over people, for ${test.group}: ${test.label}, ${plan.effect.toFixed(2)} SD. ${words}`));
    shown.link.href = found ? address(plan) : shown.link.href;
  }

  for (const control of Object.values(controls)) control.addEventListener("input", take);
  window.addEventListener("hashchange", () => { if (decode() !== undefined) open(); });
  if (open() && !parts().some((part) => !part.startsWith("plan="))) home.scrollIntoView();
})();
