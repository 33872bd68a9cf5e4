/* Exact REML from second moments: the engine of the explorer. Pure functions, no page.

   A sample holds, for each pattern of visits (a set of waves w1 < ... < wk), the number of people m and

       V = sum over people of v v',     v = [1, baseline, varying at w1, ..., varying at wk]        (helpers.waves)

   with every variable less its mean over the rows. A row of W = [X | y] at wave w is linear in v, W = H v, so that a
   choice of columns is a choice of H, and all that a fit needs follows from V (helpers.likelihood, same numbers):

       M = I + A T A'            T = L L', and Z = U A (QR) in each pattern                              (2)
       C = E + sum of S : M^-1   E = (I - UU') part of W'W, S = second moments of U'W                    (4) (5)
       f = sum log|M| + log|Cxx| + d (1 + log(2 pi r2 / d)),   r2 = |C| / |Cxx|,  d = n - p              (6)
       b = Cxx^-1 Cxy,   s2 = r2 / d,   cov(b) = s2 Cxx^-1                                               (7)
       G = df/dT = sum of A' (m M^-1 - M^-1 (S : O) M^-1) A,   O = df/dC                                 (8)
       at the optimum G T = 0, and G is not negative on the null space of T                              (9)

   Newton steps on L with exact second derivatives, from several starts; a direction of L that vanishes is dropped
   (a variance of zero, a correlation of one), one that pays is taken up again. ML leaves log|Cxx| out, and d = n. */

(function (root) {
  "use strict";

  const Z95 = 1.959963984540054; // normal quantile of an interval at 95 %
  const REPEATS = 1e-10; // share of a column's square that those before it leave, below which it counts as given
  const STOP = 1e-9, SMALL = 1e-3, TOLERANCE = 1e-7, FLAT = 1e-6, EQUAL = 1e-7, TAKEN_UP = 0.1;
  const STARTS = [0.02, 0.1, 1, 5, 25, 200, 5000], SIDEWAYS = [5, 0.1], ITERATIONS = 100, HALVINGS = 40;
  const FEW = 50, SOME = [0.1, 5]; // starts enough for as many people (helpers.likelihood.FEW: there one is)

  // --- small matrices, row by row in one array ---

  const zeros = (n) => Array(n).fill(0); // typed arrays cost more to make than to use: twice the time in all

  /* Upper R with R'R = G (n, n), the rows of given columns left at zero; which columns they are. */
  function cholesky(G, n, given) {
    const R = zeros(n * n), out = [];
    for (let j = 0; j < n; j++) {
      for (let i = 0; i < j; i++) {
        if (!R[i * n + i]) continue;
        let sum = G[i * n + j];
        for (let k = 0; k < i; k++) sum -= R[k * n + i] * R[k * n + j];
        R[i * n + j] = sum / R[i * n + i];
      }
      let left = G[j * n + j];
      for (let k = 0; k < j; k++) left -= R[k * n + j] ** 2;
      if (left > (given === undefined ? 0 : given) * G[j * n + j]) R[j * n + j] = Math.sqrt(left);
      else out.push(j);
    }
    return { R, out };
  }

  /* Inverse of an upper triangular matrix. */
  function inverse(R, n) {
    const X = zeros(n * n);
    for (let j = 0; j < n; j++) {
      X[j * n + j] = 1 / R[j * n + j];
      for (let i = j - 1; i >= 0; i--) {
        let sum = 0;
        for (let k = i + 1; k <= j; k++) sum += R[i * n + k] * X[k * n + j];
        X[i * n + j] = -sum / R[i * n + i];
      }
    }
    return X;
  }

  /* X (n, n) upper triangular: X X'. */
  function square(X, n) {
    const P = zeros(n * n);
    for (let i = 0; i < n; i++) {
      for (let j = i; j < n; j++) {
        let sum = 0;
        for (let k = j; k < n; k++) sum += X[i * n + k] * X[j * n + k];
        P[i * n + j] = P[j * n + i] = sum;
      }
    }
    return P;
  }

  /* Eigenvalues, ascending, and vectors (columns) of a symmetric matrix of a few rows, by Jacobi's rotations. */
  function eigen(matrix, n) {
    const A = [...matrix], X = zeros(n * n);
    for (let i = 0; i < n; i++) X[i * n + i] = 1;
    for (let sweep = 0; sweep < 60; sweep++) {
      let off = 0;
      for (let i = 0; i < n; i++) for (let j = 0; j < i; j++) off += A[i * n + j] ** 2;
      if (off < 1e-300) break;
      for (let i = 0; i < n; i++) {
        for (let j = i + 1; j < n; j++) {
          const a = A[i * n + j];
          if (a === 0) continue;
          const tau = (A[j * n + j] - A[i * n + i]) / (2 * a);
          const t = (tau < 0 ? -1 : 1) / (Math.abs(tau) + Math.sqrt(1 + tau * tau));
          const c = 1 / Math.sqrt(1 + t * t), s = t * c;
          for (let k = 0; k < n; k++) {
            const p = A[k * n + i], q = A[k * n + j];
            A[k * n + i] = c * p - s * q;
            A[k * n + j] = s * p + c * q;
          }
          for (let k = 0; k < n; k++) {
            const p = A[i * n + k], q = A[j * n + k];
            A[i * n + k] = c * p - s * q;
            A[j * n + k] = s * p + c * q;
          }
          A[i * n + j] = A[j * n + i] = 0;
          for (let k = 0; k < n; k++) {
            const p = X[k * n + i], q = X[k * n + j];
            X[k * n + i] = c * p - s * q;
            X[k * n + j] = s * p + c * q;
          }
        }
      }
    }
    const order = [...Array(n).keys()].sort((i, j) => A[i * n + i] - A[j * n + j]);
    const vectors = zeros(n * n);
    order.forEach((from, to) => { for (let k = 0; k < n; k++) vectors[k * n + to] = X[k * n + from]; });
    return { values: order.map((i) => A[i * n + i]), vectors };
  }

  // --- from a choice to columns ---

  /* The numerical codings of time; `wave` counts the sample's waves, and lies between them in between. */
  const CODINGS = {
    months: (data) => (month) => month,
    centred: (data) => (month) => month - data.midpoint,
    wave: (data, waves) => (month) => {
      const after = Math.max(1, waves.findIndex((wave) => wave >= month));
      return after + (month - waves[after - 1]) / (waves[after] - waves[after - 1]);
    },
    log: (data) => (month) => Math.log(month),
    categorical: (data) => (month) => month - data.midpoint, // of the random slope and of the square
  };

  const wavesOf = (sample) => [...new Set(sample.waves.flat())].sort((a, b) => a - b);

  /* The columns of a specification, in order: {name, at, times}. `at` holds coefficients of [1, baseline, varying,
     varying's person mean] in natural units, `times` is a function of the month that multiplies them. */
  function columns(data, spec) {
    const sample = data.samples[spec.sample], { baseline, varying } = sample, b = baseline.length, t = varying.length;
    const size = 1 + b + 2 * t, moment = spread(sample);
    const unit = (place) => { const at = zeros(size); at[place] = 1; return at; };
    const own = (name) => unit(1 + b + varying.indexOf(name)), mean = (name) => unit(1 + b + t + varying.indexOf(name));
    const fixed = (name) => unit(1 + baseline.indexOf(name));
    const shift = (name) => (spec.centre === "mean" && !data.yes_no.includes(name) ? moment.mean[name] : 0);
    const scale = (name) => (spec.scale === "sd" && !data.yes_no.includes(name) ? moment.sd[name] : 1);
    const mix = (...parts) => {
      const at = zeros(size);
      for (const [factor, part] of parts) for (let i = 0; i < size; i++) at[i] += factor * part[i];
      return at;
    };
    const one = unit(0);
    const scaled = (name, part, moved) => mix([1 / scale(name), part], [-moved / scale(name), one]);
    const forms = {
      observed: (name) => scaled(name, own(name), shift(name)),
      mean: (name) => scaled(name, mean(name), shift(name)),
      within: (name) => scaled(name, mix([1, own(name)], [-1, mean(name)]), 0),
    };
    const entry = `${spec.outcome}_0`, others = baseline.filter((name) => name.endsWith("_0") && name !== entry);
    const covariates = spec.covariates.flatMap((key) => (key === "entry" ? [entry] : key === "others" ? others : [key]));

    const flat = () => 1, coding = CODINGS[spec.time](data, wavesOf(sample));
    const late = wavesOf(sample).slice(1);
    const times = spec.time === "categorical"
      ? late.map((wave) => [`wave_${wave}`, (month) => Number(month === wave)])
      : [["time", coding]];
    const list = [{ name: "Intercept", at: one, times: flat }], products = [];
    for (const name of sample.predictors) {
      for (const form of ["observed", "mean", "within"]) {
        if (!(spec.terms[name] || []).includes(form)) continue;
        const term = form === "observed" ? name : `${name}_${form}`;
        list.push({ name: term, at: forms[form](name), times: flat });
        if (spec.terms[name].includes("time")) {
          products.push(...times.map(([time, by]) => ({ name: `${term}:${time}`, at: forms[form](name), times: by })));
        }
      }
    }
    for (const product of spec.products) {
      const [a, c] = product.split(":");
      if (varying.includes(c)) {
        const both = mix([1, own(product)], [-shift(a), own(c)], [-shift(c), own(a)], [shift(a) * shift(c), one]);
        list.push({ name: product, at: mix([1 / scale(a) / scale(c), both]), times: flat });
        continue;
      }
      for (const form of ["observed", "mean", "within"]) {
        if (!(spec.terms[a] || []).includes(form)) continue;
        const whole = { observed: [[1, own(product)]], mean: [[1, mean(product)]], within: [[1, own(product)], [-1, mean(product)]] };
        const less = form === "within" ? 0 : shift(a);
        const at = mix([1 / scale(a), mix(...whole[form], [-less, fixed(c)])]);
        list.push({ name: `${form === "observed" ? a : `${a}_${form}`}:${c}`, at, times: flat });
      }
    }
    list.push(...times.map(([name, by]) => ({ name, at: one, times: by })));
    if (spec.bend) list.push({ name: "time2", at: one, times: (month) => coding(month) ** 2 });
    for (const name of covariates) {
      const at = scaled(name, fixed(name), shift(name));
      list.push({ name, at, times: flat });
      if (spec.drift) products.push(...times.map(([time, by]) => ({ name: `${name}:${time}`, at, times: by })));
    }
    return { list: [...list, ...products], outcome: own(spec.outcome), coding };
  }

  /* Mean and SD of each variable over the sample's rows, and its values at one row: both from V. */
  function spread(sample) {
    const b = sample.baseline.length, t = sample.varying.length, sums = zeros(b + t);
    let n = 0;
    whole(sample).forEach((V, j) => {
      const k = sample.waves[j].length, d = 1 + b + k * t;
      n += sample.m[j] * k;
      for (let i = 0; i < b; i++) sums[i] += k * V[(1 + i) * d + 1 + i];
      for (let s = 0; s < k; s++) for (let i = 0; i < t; i++) sums[b + i] += V[(1 + b + s * t + i) * (d + 1)];
    });
    const names = [...sample.baseline, ...sample.varying];
    return {
      n,
      mean: Object.fromEntries(names.map((name, i) => [name, sample.centre[1 + i]])),
      sd: Object.fromEntries(names.map((name, i) => [name, Math.sqrt(sums[i] / (n - 1))])),
    };
  }

  const unpacked = new WeakMap();
  function whole(sample) {
    if (!unpacked.has(sample)) {
      const { baseline, varying } = sample;
      unpacked.set(sample, sample.V.map((packed, j) => {
        const d = 1 + baseline.length + sample.waves[j].length * varying.length, V = zeros(d * d);
        let at = 0;
        for (let i = 0; i < d; i++) for (let k = i; k < d; k++) V[i * d + k] = V[k * d + i] = packed[at++];
        return V;
      }));
    }
    return unpacked.get(sample);
  }

  /* H (k visits, c columns, d) of a pattern, centres put back: row by row in one array. */
  function maps(sample, columns, waves) {
    const b = sample.baseline.length, t = sample.varying.length, k = waves.length, d = 1 + b + k * t, c = columns.length;
    const H = zeros(k * c * d);
    waves.forEach((wave, s) => columns.forEach((column, j) => {
      const row = (s * c + j) * d, by = column.times(wave), { at } = column;
      if (!by) return;
      H[row] = at[0];
      for (let i = 0; i < b + t; i++) H[row] += at[1 + i] * sample.centre[1 + i];
      for (let i = 0; i < t; i++) H[row] += at[1 + b + t + i] * sample.centre[1 + b + i];
      for (let i = 0; i < b; i++) H[row + 1 + i] = at[1 + i];
      for (let i = 0; i < t; i++) {
        H[row + 1 + b + s * t + i] += at[1 + b + i];
        for (let other = 0; other < k; other++) H[row + 1 + b + other * t + i] += at[1 + b + t + i] / k;
      }
      for (let i = 0; i < d; i++) H[row + i] *= by;
    }));
    return H;
  }

  /* H V H' (r, r) of H (r, d). */
  function sandwich(H, V, r, d) {
    const HV = zeros(r * d), B = zeros(r * r);
    for (let i = 0; i < r; i++) {
      for (let a = 0; a < d; a++) {
        const h = H[i * d + a];
        if (h) for (let e = 0; e < d; e++) HV[i * d + e] += h * V[a * d + e];
      }
    }
    for (let i = 0; i < r; i++) {
      for (let j = i; j < r; j++) {
        let sum = 0;
        for (let e = 0; e < d; e++) sum += HV[i * d + e] * H[j * d + e];
        B[i * r + j] = B[j * r + i] = sum;
      }
    }
    return B;
  }

  /* Sum over patterns and visits of the blocks H_s V H_s', divided by n: W'W / n. */
  function gram(blocks, ks, c, n) {
    const G = zeros(c * c);
    blocks.forEach((B, j) => {
      const r = ks[j] * c;
      for (let s = 0; s < ks[j]; s++) {
        for (let i = 0; i < c; i++) for (let e = 0; e < c; e++) G[i * c + e] += B[(s * c + i) * r + s * c + e] / n;
      }
    });
    return G;
  }

  /* The rows of H (k, c, d) turned to W~ = W R^-1. */
  function turned(H, Rinv, k, c, d) {
    const out = zeros(H.length);
    for (let s = 0; s < k; s++) {
      for (let e = 0; e < c; e++) {
        for (let i = 0; i <= e; i++) {
          const r = Rinv[i * c + e];
          if (r) for (let a = 0; a < d; a++) out[(s * c + e) * d + a] += r * H[(s * c + i) * d + a];
        }
      }
    }
    return out;
  }

  // --- the sums of a model ---

  /* E, S, A, m of `helpers.likelihood`, in columns W~ = W R^-1 that are orthonormal (times sqrt n), by a Cholesky
     factor made twice: the second time of columns that are nearly so. Aliased columns are left out and named. */
  function sums(data, spec) {
    const sample = data.samples[spec.sample], made = columns(data, spec), V = whole(sample);
    const ks = sample.waves.map((waves) => waves.length), m = sample.m;
    const n = ks.reduce((sum, k, j) => sum + k * m[j], 0), width = (k) => 1 + sample.baseline.length + k * sample.varying.length;
    const outcome = { name: spec.outcome, at: made.outcome, times: () => 1 };
    let list = made.list, H, blocks, first, dropped = [];
    for (;;) {
      const all = [...list, outcome];
      H = sample.waves.map((waves) => maps(sample, all, waves));
      blocks = H.map((h, j) => sandwich(h, V[j], ks[j] * all.length, width(ks[j])));
      first = cholesky(gram(blocks, ks, all.length, n), all.length, REPEATS);
      if (first.out.includes(list.length)) return { error: "The chosen columns give the outcome exactly; nothing is left to explain." };
      if (!first.out.length) break;
      dropped = first.out.map((j) => list[j].name);
      list = list.filter((column, j) => !first.out.includes(j));
    }
    const c = list.length + 1, p = list.length, q = spec.random === "slope" ? 2 : 1, people = m.reduce((a, b) => a + b, 0);
    if (n <= p) return { error: `${n} visits cannot carry ${p} coefficients.` };
    if (people < q || Math.max(...ks) <= q) return { error: "Too few visits a person for these random effects." };
    const Rinv = inverse(first.R, c);
    H = H.map((h, j) => turned(h, Rinv, ks[j], c, width(ks[j])));
    blocks = H.map((h, j) => sandwich(h, V[j], ks[j] * c, width(ks[j])));
    const second = cholesky(gram(blocks, ks, c, n), c).R, again = inverse(second, c), R = zeros(c * c);
    for (let i = 0; i < c; i++) for (let j = i; j < c; j++) for (let k = i; k <= j; k++) R[i * c + j] += second[i * c + k] * first.R[k * c + j];

    const pairs = q * (q + 1) / 2, packed = c * (c + 1) / 2, P = m.length;
    const E = zeros(packed), S = zeros(P * pairs * packed), A = m.map(() => zeros(q * q));
    for (let j = 0; j < P; j++) {
      const k = ks[j], z = sample.waves[j].map((wave) => (q === 2 ? [1, made.coding(wave)] : [1])), U = orthonormal(z, q, A[j]);
      const flat = turnedBlocks(blocks[j], again, k, c);
      let pair = 0;
      for (let a = 0; a < q; a++) for (let b = a; b < q; b++, pair++) {
        const to = (j * pairs + pair) * packed;
        for (let s = 0; s < k; s++) for (let t = 0; t < k; t++) add(S, to, flat, k, c, s, t, U[s][a] * U[t][b], a === b ? 1 : 2);
      }
      for (let s = 0; s < k; s++) for (let t = 0; t < k; t++) {
        let left = Number(s === t);
        for (let a = 0; a < q; a++) left -= U[s][a] * U[t][a];
        add(E, 0, flat, k, c, s, t, left, 1);
      }
    }
    const { Rz, scaledA } = standard(A, m, q, people);
    return { list, dropped, R, Rz, A: scaledA, m, S, E, n, people, p, c, q, P, pairs, packed, reml: spec.method !== "ml",
      d: spec.method !== "ml" ? n - p : n, made };
  }

  /* Blocks (k, c) x (k, c) turned once more by an upper triangular matrix. */
  function turnedBlocks(B, X, k, c) {
    const r = k * c, half = zeros(r * r), out = zeros(r * r);
    for (let s = 0; s < k; s++) for (let e = 0; e < c; e++) for (let i = 0; i <= e; i++) {
      const x = X[i * c + e];
      if (x) for (let a = 0; a < r; a++) half[(s * c + e) * r + a] += x * B[(s * c + i) * r + a];
    }
    for (let a = 0; a < r; a++) for (let s = 0; s < k; s++) for (let e = 0; e < c; e++) {
      let sum = 0;
      for (let i = 0; i <= e; i++) sum += half[a * r + s * c + i] * X[i * c + e];
      out[a * r + s * c + e] = sum;
    }
    return out;
  }

  /* Add factor * multiple times the symmetric part of block (s, t) to a packed upper triangle at `to`. */
  function add(target, to, flat, k, c, s, t, factor, multiple) {
    if (!factor) return;
    const r = k * c;
    let at = to;
    for (let i = 0; i < c; i++) for (let e = i; e < c; e++, at++) {
      target[at] += multiple * factor * (flat[(s * c + i) * r + t * c + e] + flat[(s * c + e) * r + t * c + i]) / 2;
    }
  }

  /* Orthonormal columns U (k, q) of z (k, q), filling A (q, q) so that z = U A; a column that others give is zero. */
  function orthonormal(z, q, A) {
    const U = z.map((row) => [...row]);
    for (let a = 0; a < q; a++) {
      const before = Math.hypot(...U.map((row) => row[a]));
      for (let pass = 0; pass < 2; pass++) for (let b = 0; b < a; b++) {
        const along = U.reduce((sum, row) => sum + row[a] * row[b], 0);
        A[b * q + a] += along;
        U.forEach((row) => { row[a] -= along * row[b]; });
      }
      const length = Math.hypot(...U.map((row) => row[a])), there = length > 1e-12 * before;
      A[a * q + a] = there ? length : 0;
      U.forEach((row) => { row[a] = there ? row[a] / length : 0; });
    }
    return U;
  }

  /* Random columns in units of a typical schedule: A Rz^-1, with sum m A'A = people Rz'Rz. */
  function standard(A, m, q, people) {
    const G = zeros(q * q);
    A.forEach((own, j) => times(transposed(own), own).forEach((value, i) => { G[i] += m[j] / people * value; }));
    const Rz = cholesky(G, q).R, inv = inverse(Rz, q);
    return { Rz, scaledA: A.map((own) => times(own, inv)) };
  }

  // --- the criterion ---

  /* f, G and what the second derivatives need, at L: a list of columns, each (q). */
  function evaluate(data, L) {
    const { A, m, S, E, p, c, q, P, pairs, packed, d, reml } = data;
    const Mi = [], C = [...E];
    let logV = 0;
    for (let j = 0; j < P; j++) {
      let det = 1; // |I + K K'| and its inverse, K = A L, from sums of squares: nothing cancels where T is near singular
      const K = L.map((column) => onto(A[j], column));
      if (q === 1) {
        for (const k of K) det += k[0] ** 2;
        Mi.push([1 / det]);
      } else {
        let a = 1, b = 0, e = 1;
        for (const k of K) { a += k[0] ** 2; b += k[0] * k[1]; e += k[1] ** 2; }
        det = a + e - 1 + (K.length === 2 ? (K[0][0] * K[1][1] - K[0][1] * K[1][0]) ** 2 : 0);
        Mi.push([e / det, -b / det, -b / det, a / det]);
      }
      logV += m[j] * Math.log(det);
      let from = j * pairs * packed;
      for (let a = 0; a < q; a++) for (let b = a; b < q; b++, from += packed) {
        const weight = Mi[j][a * q + b];
        for (let i = 0; i < packed; i++) C[i] += weight * S[from + i];
      }
    }
    const full = zeros(c * c);
    for (let i = 0, at = 0; i < c; i++) for (let e = i; e < c; e++, at++) full[i * c + e] = full[e * c + i] = C[at];
    const { R, out } = cholesky(full, c);
    if (out.length) return { f: Infinity };
    const r2 = R[p * c + p] ** 2, X = zeros(p * p);
    for (let i = 0; i < p; i++) for (let e = i; e < p; e++) X[i * p + e] = R[i * c + e];
    const Xi = inverse(X, p), w = zeros(c), Pxx = square(Xi, p);
    for (let i = 0; i < p; i++) for (let e = i; e < p; e++) w[i] += Xi[i * p + e] * R[e * c + p];
    w[p] = -1;
    let logCxx = 0;
    for (let i = 0; i < p; i++) logCxx += 2 * Math.log(R[i * c + i]);
    const f = logV + d * (1 + Math.log(2 * Math.PI * r2 / d)) + (reml ? logCxx : 0);

    const O = zeros(packed); // df/dC, entries off the diagonal twice
    for (let i = 0, at = 0; i < c; i++) for (let e = i; e < c; e++, at++) {
      O[at] = (d * w[i] * w[e] / r2 + (reml && i < p && e < p ? Pxx[i * p + e] : 0)) * (i === e ? 1 : 2);
    }
    const SO = [], G = zeros(q * q);
    let size = 0;
    for (let j = 0; j < P; j++) {
      const so = zeros(q * q);
      let from = j * pairs * packed;
      for (let a = 0; a < q; a++) for (let b = a; b < q; b++, from += packed) {
        let sum = 0;
        for (let i = 0; i < packed; i++) sum += O[i] * S[from + i];
        so[a * q + b] = so[b * q + a] = a === b ? sum : sum / 2;
      }
      SO.push(so);
      const MA = times(Mi[j], A[j]), AMA = times(transposed(A[j]), MA), inner = times(transposed(MA), times(so, MA));
      for (let i = 0; i < q * q; i++) G[i] += m[j] * AMA[i] - inner[i];
      for (let a = 0; a < q; a++) size += m[j] * AMA[a * q + a];
    }
    return { f, G, w, r2, Xi, Pxx, Mi, SO, size };
  }

  // Products and transposes of the (q, q) matrices of a pattern, q = 1 or 2: plain arrays, which cost next to nothing.
  const times = (X, Y) => (X.length === 1 ? [X[0] * Y[0]]
    : [X[0] * Y[0] + X[1] * Y[2], X[0] * Y[1] + X[1] * Y[3], X[2] * Y[0] + X[3] * Y[2], X[2] * Y[1] + X[3] * Y[3]]);
  const transposed = (X) => (X.length === 1 ? X : [X[0], X[2], X[1], X[3]]);
  const onto = (X, x) => (X.length === 1 ? [X[0] * x[0]] : [X[0] * x[0] + X[1] * x[1], X[2] * x[0] + X[3] * x[1]]);

  /* Second derivatives (K, K) of f along the directions D, each a list of columns like L. */
  function hessian(data, L, at, D) {
    const { A, m, S, p, c, q, P, pairs, packed, d, reml } = data, { Mi, SO, w, r2, Xi, G } = at, K = D.length;
    const H = zeros(K * K), N = [], dMs = [];
    const sides = D.map((direction) => { // Q = X^-T dCxx X^-1, u = X^-T (dC w)_x, v = w' dC w
      const dT = zeros(q * q);
      direction.forEach((column, r) => {
        for (let a = 0; a < q; a++) for (let b = 0; b < q; b++) dT[a * q + b] += column[a] * L[r][b] + L[r][a] * column[b];
      });
      const dC = zeros(packed), Ns = [], dM = [];
      for (let j = 0; j < P; j++) {
        const change = times(times(A[j], dT), transposed(A[j])), n = times(times(Mi[j], change), Mi[j]);
        Ns.push(n); dM.push(change);
        let from = j * pairs * packed;
        for (let a = 0; a < q; a++) for (let b = a; b < q; b++, from += packed) {
          const weight = n[a * q + b];
          if (weight) for (let i = 0; i < packed; i++) dC[i] -= weight * S[from + i];
        }
      }
      N.push(Ns); dMs.push(dM);
      const dCw = zeros(c), X = zeros(p * p);
      for (let i = 0, k = 0; i < c; i++) for (let e = i; e < c; e++, k++) {
        dCw[i] += dC[k] * w[e];
        if (e !== i) dCw[e] += dC[k] * w[i];
        if (e < p) X[i * p + e] = X[e * p + i] = dC[k];
      }
      let v = 0;
      for (let i = 0; i < c; i++) v += w[i] * dCw[i];
      const u = zeros(p), Q = zeros(reml ? p * p : 0);
      for (let e = 0; e < p; e++) for (let i = 0; i <= e; i++) u[e] += Xi[i * p + e] * dCw[i];
      if (reml) {
        const half = zeros(p * p);
        for (let i = 0; i < p; i++) for (let k = 0; k < p; k++) {
          const x = X[i * p + k];
          for (let e = k; e < p; e++) half[i * p + e] += x * Xi[k * p + e];
        }
        for (let i = 0; i < p; i++) for (let k = i; k < p; k++) {
          const x = Xi[i * p + k];
          for (let e = 0; e < p; e++) Q[k * p + e] += x * half[i * p + e];
        }
      }
      return { Q, u, v };
    });
    const inner = m.map((count, j) => {
      const part = times(Mi[j], SO[j]).map((x) => 2 * x);
      for (let a = 0; a < q; a++) part[a * q + a] -= count;
      return part;
    });
    const GD = D.map((direction) => direction.map((column) => onto(G, column)));
    for (let k = 0; k < K; k++) for (let l = k; l < K; l++) {
      let sum = 0;
      for (let j = 0; j < P; j++) {
        const part = times(dMs[l][j], inner[j]);
        for (let a = 0; a < q; a++) for (let b = 0; b < q; b++) sum += N[k][j][a * q + b] * part[b * q + a];
      }
      const a = sides[k], b = sides[l];
      for (let i = 0; i < a.Q.length; i++) sum -= a.Q[i] * b.Q[i];
      for (let i = 0; i < p; i++) sum -= 2 * d * a.u[i] * b.u[i] / r2;
      sum -= d * a.v * b.v / r2 ** 2;
      GD[k].forEach((column, r) => { for (let i = 0; i < q; i++) sum += 2 * column[i] * D[l][r][i]; });
      H[k * K + l] = H[l * K + k] = sum;
    }
    return H;
  }

  // --- the search ---

  /* Orthonormal changes of L, without the rotation of its columns into each other, which leaves T as it is. */
  function directions(L, q) {
    const r = L.length, basis = [];
    for (let col = 0; col < r; col++) for (let a = 0; a < q; a++) {
      basis.push(L.map((_, k) => { const column = zeros(q); if (k === col) column[a] = 1; return column; }));
    }
    if (r < 2) return basis;
    const turn = [L[1].map((x) => -x), L[0]], size = Math.hypot(...turn[0], ...turn[1]);
    const out = [turn.map((column) => column.map((x) => x / size))];
    const dot = (x, y) => x.reduce((sum, column, k) => sum + column.reduce((all, value, a) => all + value * y[k][a], 0), 0);
    const left = [...basis];
    while (out.length < q * r) { // Gram-Schmidt, the longest remainder first
      let best, most = -1;
      for (const direction of left) {
        let rest = direction;
        for (let pass = 0; pass < 2; pass++) for (const done of out) {
          const along = dot(rest, done);
          rest = rest.map((column, k) => column.map((x, a) => x - along * done[k][a]));
        }
        const length = Math.sqrt(dot(rest, rest));
        if (length > most) { most = length; best = rest.map((column) => column.map((x) => x / length)); }
      }
      out.push(best);
    }
    return out.slice(1);
  }

  const norm = (L) => Math.sqrt(L.reduce((sum, column) => column.reduce((all, x) => all + x * x, sum), 0));
  const moved = (L, D, share) => L.map((column, k) => column.map((x, a) => x + share * D[k][a]));

  function slopes(L, at, D) {
    const GL = L.map((column) => onto(at.G, column));
    return D.map((direction) => direction.reduce((sum, column, r) => column.reduce((all, x, a) => all + 2 * x * GL[r][a], sum), 0));
  }

  /* Newton steps from L, uphill directions turned round, each halved until f falls. */
  function newton(data, L) {
    const { q } = data;
    let at = evaluate(data, L);
    if (!L.length || !Number.isFinite(at.f)) return { L, at };
    for (let round = 0; round < ITERATIONS; round++) {
      const D = directions(L, q), K = D.length, { values, vectors } = eigen(hessian(data, L, at, D), K);
      const most = Math.max(...values.map(Math.abs)), turned = values.some((value) => value < -1e-6 * most), slope = slopes(L, at, D);
      let decrement = 0;
      const step = L.map(() => zeros(q));
      values.forEach((value, k) => {
        const steep = Math.max(Math.abs(value), 1e-9 * most + 1e-100);
        let along = 0;
        for (let i = 0; i < K; i++) along += vectors[i * K + k] * slope[i];
        decrement += along ** 2 / steep;
        for (let i = 0; i < K; i++) step.forEach((column, r) => {
          for (let a = 0; a < q; a++) column[a] -= along / steep * vectors[i * K + k] * D[i][r][a];
        });
      });
      const done = decrement <= STOP && !turned;
      let share = Math.min(1, (1 + norm(L)) / Math.max(norm(step), 1e-300)), next = moved(L, step, share), ahead = evaluate(data, next);
      for (let halving = 0; halving < HALVINGS && !done; halving++) {
        if (ahead.f <= at.f - 0.01 * share * decrement + 1e-12 * Math.abs(at.f)) break;
        share /= 2;
        next = moved(L, step, share);
        ahead = evaluate(data, next);
      }
      if (!Number.isFinite(ahead.f)) return { L, at };
      L = next;
      at = ahead;
      if (done) break;
    }
    return { L, at };
  }

  /* Columns along the axes of T, the longest first, and their lengths. */
  function principal(L, q) {
    const r = L.length, G = zeros(r * r);
    L.forEach((x, i) => L.forEach((y, j) => { for (let a = 0; a < q; a++) G[i * r + j] += x[a] * y[a]; }));
    const { vectors } = eigen(G, r);
    return [...Array(r).keys()].reverse().map((k) => {
      const column = zeros(q);
      L.forEach((x, i) => { for (let a = 0; a < q; a++) column[a] += vectors[i * r + k] * x[a]; });
      return { column, length: Math.hypot(...column) };
    });
  }

  const stationary = (L, at) => norm(L.map((column) => onto(at.G, column))) <= TOLERANCE * at.size * norm(L);

  /* Whether f falls into the null space of T, and the direction in which it falls most. */
  function offFace(L, at, q) {
    if (L.length === q) return { pays: false };
    if (L.length === 0) {
      const { values, vectors } = eigen(at.G, q);
      return { pays: values[0] < -TOLERANCE * at.size, off: zeros(q).map((_, a) => vectors[a * q]) };
    }
    const [x, y] = L[0], size = Math.hypot(x, y), off = [-y / size, x / size];
    const value = off[0] ** 2 * at.G[0] + 2 * off[0] * off[1] * at.G[1] + off[1] ** 2 * at.G[3];
    return { pays: value < -TOLERANCE * at.size, off };
  }

  /* From one start to an optimum of its face from which nothing pays. */
  function descend(data, L) {
    const { q } = data;
    let kept = null, at;
    for (let face = 0; face < 4 * q + 2; face++) {
      ({ L, at } = newton(data, L));
      if (!Number.isFinite(at.f)) break;
      const axes = principal(L, q), held = axes.filter((axis) => axis.length > SMALL), { pays, off } = offFace(L, at, q);
      if (held.length < L.length) {
        kept = stationary(L, at) && !pays ? { L, at } : null;
        L = held.map((axis) => axis.column);
      } else if (!pays) break;
      else if (kept) return kept; // what was dropped pays: a small variance, but not zero
      else L = [...L, off.map((x) => TAKEN_UP * x)];
    }
    return { L, at };
  }

  /* A start by least squares from the second moments of U'r, residuals at T = 0. */
  function byMoments(data) {
    const { A, m, S, E, p, q, P, pairs, packed, n, c } = data, at = evaluate(data, []), rr = zeros(packed);
    for (let i = 0, k = 0; i < c; i++) for (let e = i; e < c; e++, k++) rr[k] = at.w[i] * at.w[e] * (i === e ? 1 : 2);
    const dot = (all, from) => { let sum = 0; for (let i = 0; i < packed; i++) sum += all[from + i] * rr[i]; return sum; };
    const people = m.reduce((a, b) => a + b, 0), s2 = dot(E, 0) / Math.max(n - p - q * people, 0.1 * n);
    const size = q * q, normal = zeros(size * size), right = zeros(size);
    for (let j = 0; j < P; j++) {
      const X = times(transposed(A[j]), A[j]), inside = zeros(size);
      let pair = 0;
      for (let a = 0; a < q; a++) for (let b = a; b < q; b++, pair++) {
        inside[a * q + b] = inside[b * q + a] = dot(S, (j * pairs + pair) * packed) / s2 / (a === b ? 1 : 2);
      }
      for (let a = 0; a < q; a++) inside[a * q + a] -= m[j];
      const part = times(times(transposed(A[j]), inside), A[j]);
      for (let i = 0; i < q; i++) for (let k = 0; k < q; k++) {
        right[i * q + k] += part[i * q + k];
        for (let e = 0; e < q; e++) for (let l = 0; l < q; l++) normal[(i * q + k) * size + e * q + l] += m[j] * X[i * q + e] * X[k * q + l];
      }
    }
    let trace = 0;
    for (let i = 0; i < size; i++) trace += normal[i * (size + 1)];
    for (let i = 0; i < size; i++) normal[i * (size + 1)] += 1e-6 * trace;
    const N = inverse(cholesky(normal, size).R, size), inv = square(N, size), T = zeros(size);
    for (let i = 0; i < size; i++) for (let k = 0; k < size; k++) T[i] += inv[i * size + k] * right[k];
    const { values, vectors } = eigen(T, q);
    return values.map((value, k) => zeros(q).map((_, a) => vectors[a * q + k] * Math.sqrt(Math.min(Math.max(value, 0.02), 1e6))));
  }

  function starts({ q, people }) {
    const diagonal = (sizes) => sizes.map((size, k) => { const column = zeros(q); column[k] = size; return column; });
    const all = (people < FEW ? STARTS : SOME).map((size) => diagonal(Array(q).fill(size)));
    if (q > 1) all.push(diagonal(SIDEWAYS), diagonal([...SIDEWAYS].reverse()));
    return all;
  }

  /* Nothing falls on the face or off it, and f is not flat along it. */
  function certified(data, { L, at }) {
    const { q } = data;
    if (!stationary(L, at) || offFace(L, at, q).pays) return false;
    if (!L.length) return Math.max(...at.G.map(Math.abs)) > TOLERANCE * at.size;
    const D = directions(L, q), K = D.length, { values, vectors } = eigen(hessian(data, L, at, D), K), slope = slopes(L, at, D);
    let left = 0;
    values.forEach((value, k) => {
      let along = 0;
      for (let i = 0; i < K; i++) along += vectors[i * K + k] * slope[i];
      left += along ** 2 / value;
    });
    return values[0] * norm(L) ** 2 > FLAT && left <= EQUAL;
  }

  /* The best of the optima that the starts lead to. */
  function optimum(data) {
    let best = null;
    for (const start of [byMoments(data), ...starts(data)]) {
      const found = descend(data, start);
      if (!Number.isFinite(found.at.f)) continue;
      const level = stationary(found.L, found.at);
      if (!best || found.at.f < best.at.f - EQUAL || (found.at.f < best.at.f + EQUAL && level && !best.level)) best = { ...found, level };
    }
    return best;
  }

  // --- the door ---

  const now = () => (root.performance ? root.performance.now() : Date.now());

  /* The fitted model of a specification (see `press.explorer.PRESETS` for its fields), or {error} in plain words.

     {criterion, terms: [{name, estimate, se, low, high}], covariance, variances, singular, rank, certified, dropped,
      n_persons, n_visits, ms}. Intervals are z: estimate +- 1.96 se. Variances are in the outcome's units squared. */
  function fit(data, spec) {
    const began = now(), model = sums(data, spec);
    if (model.error) return { error: model.error };
    const best = optimum(model);
    if (!best) return { error: "The search found no optimum." };
    const { R, Rz, p, c, q, d, n, list } = model, { at, L } = best;
    const s2 = R[p * c + p] ** 2 * at.r2 / d, X = zeros(p * p);
    for (let i = 0; i < p; i++) for (let e = i; e < p; e++) X[i * p + e] = R[i * c + e];
    const toBeta = inverse(X, p), F = zeros(p * p); // F = toBeta Xi, so that cov = s2 F F'
    for (let i = 0; i < p; i++) for (let e = i; e < p; e++) for (let k = i; k <= e; k++) F[i * p + e] += toBeta[i * p + k] * at.Xi[k * p + e];
    const covariance = square(F, p).map((value) => s2 * value), toU = inverse(Rz, q), random = zeros(q * q);
    const columns = L.map((column) => zeros(q).map((_, a) => {
      let sum = 0;
      for (let k = a; k < q; k++) sum += toU[a * q + k] * column[k];
      return sum;
    }));
    for (const column of columns) for (let a = 0; a < q; a++) for (let b = 0; b < q; b++) random[a * q + b] += s2 * column[a] * column[b];
    let constant = 2 * d * Math.log(R[p * c + p]);
    if (model.reml) for (let i = 0; i < p; i++) constant += 2 * Math.log(R[i * c + i]);
    const terms = list.map(({ name }, i) => {
      let estimate = 0;
      for (let k = i; k < p; k++) estimate += toBeta[i * p + k] * (R[k * c + p] + R[p * c + p] * at.w[k]);
      const se = Math.sqrt(covariance[i * p + i]);
      return { name, estimate, se, low: estimate - Z95 * se, high: estimate + Z95 * se };
    });
    return {
      criterion: at.f + constant, terms, covariance, dropped: model.dropped,
      variances: { random, residual: s2 }, rank: L.length, singular: L.length < q,
      certified: certified(model, best), n_persons: model.people, n_visits: n, ms: now() - began,
    };
  }

  /* What each of a fit's coefficients counts in the mean outcome at natural values {contact: 2.9, contact_mean: ...} and
     a month; what is not named stands at its mean over the sample's rows, a product at the product of its parts. */
  function row(data, spec, found, values, month) {
    const sample = data.samples[spec.sample], { baseline, varying } = sample, b = baseline.length, t = varying.length;
    const moment = spread(sample), value = (name) => (name in values ? values[name] : moment.mean[name]);
    const mean = (name) => (`${name}_mean` in values ? values[`${name}_mean`] : value(name));
    const v = zeros(1 + b + 2 * t);
    v[0] = 1;
    baseline.forEach((name, i) => { v[1 + i] = value(name); });
    varying.forEach((name, i) => {
      const parts = name.split(":");
      v[1 + b + i] = parts.reduce((product, part) => product * value(part), 1);
      v[1 + b + t + i] = parts.reduce((product, part) => product * mean(part), 1);
    });
    const names = found.terms.map((term) => term.name);
    return columns(data, spec).list.filter((column) => names.includes(column.name)).map((column) => {
      let sum = 0;
      for (let i = 0; i < v.length; i++) sum += column.at[i] * v[i];
      return sum * column.times(month);
    });
  }

  /* A sum of a fit's coefficients, each times its weight in x, with its z interval. */
  function combined(found, x) {
    const p = x.length;
    let estimate = 0, variance = 0;
    for (let i = 0; i < p; i++) {
      estimate += x[i] * found.terms[i].estimate;
      for (let k = 0; k < p; k++) variance += x[i] * x[k] * found.covariance[i * p + k];
    }
    const se = Math.sqrt(variance);
    return { estimate, se, low: estimate - Z95 * se, high: estimate + Z95 * se };
  }

  /* Mean outcome and z interval at the values and month of `row`. */
  function predict(data, spec, found, values, month) {
    return { month, ...combined(found, row(data, spec, found, values, month)) };
  }

  /* The outcome's plain mean at each wave of the sample. */
  function observed(data, spec) {
    const sample = data.samples[spec.sample], b = sample.baseline.length, t = sample.varying.length, y = sample.varying.indexOf(spec.outcome);
    return wavesOf(sample).map((wave) => {
      let sum = 0, n = 0;
      whole(sample).forEach((V, j) => {
        const s = sample.waves[j].indexOf(wave);
        if (s < 0) return;
        sum += V[1 + b + s * t + y];
        n += sample.m[j];
      });
      return { month: wave, estimate: sum / n + sample.centre[1 + b + y] };
    });
  }

  root.ExplorerREML = { fit, row, combined, predict, observed, spread, waves: wavesOf };
})(typeof globalThis === "undefined" ? window : globalThis);
