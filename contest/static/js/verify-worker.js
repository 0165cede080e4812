// Recomputes a published round from its bundle, beside the page, so that nothing freezes. It follows
// docs/bundle.md and docs/ranking.md and asks the server for nothing but the published files.
// Told {base, digest}; tells {step, …} as it goes, then {done} or {difference}.

const POINT = 840;
const LABELS = "abcdefgh";
// Of larger rounds a random part of the papers is drawn again; verify.py draws them all.
const ALL_PAPERS = 3000;
const SAMPLE = 1000;
const PIECE = 1 << 20;

class Difference extends Error {
  constructor(file, row, column, expected, found) {
    super(`${file} ${row} ${column}`);
    Object.assign(this, { file, row, column, expected: String(expected ?? ""), found: String(found ?? "") });
  }
}

function same(expected, found, file, row, column) {
  if (expected !== found) throw new Difference(file, row, column, expected, found);
}

function tell(step, facts = {}) {
  postMessage({ step, ...facts });
}

const hex = (buffer) => [...new Uint8Array(buffer)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
const bytes = (text) => Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16));
const encoded = (text) => new TextEncoder().encode(text);
const sha256 = async (content) => hex(await crypto.subtle.digest("SHA-256", content));
const normal = (text) => encoded(text.normalize("NFC").trim());

async function hmac(key, ...messages) {
  const imported = await crypto.subtle.importKey("raw", key, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  return Promise.all(messages.map((message) => crypto.subtle.sign("HMAC", imported, message)));
}

// --- reading -------------------------------------------------------------------------------------

function cellsOf(line) {
  if (!line.includes('"')) return line.split(",");
  return [...line.matchAll(/("(?:[^"]|"")*"|[^,]*)(?:,|$)/g)]
    .slice(0, -1)
    .map(([, cell]) => (cell[0] === '"' ? cell.slice(1, -1).replaceAll('""', '"') : cell));
}

function* linesOf(content) {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let rest = "";
  for (let at = 0; at < content.length; at += PIECE) {
    const text = rest + decoder.decode(content.subarray(at, at + PIECE), { stream: true });
    const lines = text.split("\n");
    rest = lines.pop();
    yield* lines;
  }
  if (rest) yield rest;
}

// Yields each row as an object of its cells, with the number of its line.
function* tableOf(files, name) {
  let header = null;
  let row = 0;
  for (const line of linesOf(files.get(name))) {
    row += 1;
    const cells = cellsOf(line);
    if (header === null) {
      header = cells;
      continue;
    }
    same(header.length, cells.length, name, row, "");
    const found = { row };
    for (let place = 0; place < header.length; place += 1) found[header[place]] = cells[place];
    yield found;
  }
}

const jsonOf = (files, name) => JSON.parse(new TextDecoder().decode(files.get(name)));
const number = (cell) => (cell === "" ? null : Number(cell));
// Microseconds since 1970: exact in a double until the year 2255.
const moment = (cell) =>
  cell === "" ? null : Date.parse(cell.slice(0, 19) + cell.slice(26)) * 1000 + Number(cell.slice(20, 26));

async function fetched(base, digest) {
  const get = async (name) => {
    const response = await fetch(base + encodeURIComponent(name));
    if (!response.ok) throw new Difference(name, "", "", "200", response.status);
    return new Uint8Array(await response.arrayBuffer());
  };
  const manifest = await get("manifest.json");
  same(digest, await sha256(manifest), "manifest.json", "", "SHA-256");
  const listed = JSON.parse(new TextDecoder().decode(manifest)).files;
  const files = new Map();
  const names = Object.keys(listed);
  for (const [place, name] of names.entries()) {
    tell("reading", { part: place / names.length, file: name });
    const content = await get(name);
    same(listed[name], await sha256(content), name, "", "SHA-256");
    files.set(name, content);
  }
  tell("files", { count: names.length });
  return files;
}

// --- seed and pools ------------------------------------------------------------------------------

// Only first versions were committed to: a later one is the one before it without corrected items.
function checkLaterPools(pools, corrections) {
  for (const [key, { division, version, items }] of pools) {
    if (version === 1) continue;
    const file = `pool-${key}.json`;
    const before = pools.get(`${division}-${version - 1}`);
    if (!before) throw new Difference(file, "", "version", version - 1, "");
    for (const [code, item] of items) {
      same(JSON.stringify(before.items.get(code)), JSON.stringify(item), file, "", code);
    }
    for (const code of before.items.keys()) {
      if (!items.has(code) && !Object.hasOwn(corrections, code)) throw new Difference(file, "", code, code, "");
    }
  }
}

async function checkedSeed(files, configuration) {
  const told = jsonOf(files, "seed.json");
  const promised = jsonOf(files, "commitment.json");
  const secret = bytes(told.secret);
  same(promised.sha256, await sha256(secret), "seed.json", "", "secret");
  const text = told.public_text === null ? null : normal(told.public_text);
  const seed = text === null ? told.secret : await sha256(new Uint8Array([...secret, ...text]));
  same(seed, told.seed, "seed.json", "", "seed");
  const versions = new Map();
  for (const name of Object.keys(promised.pools)) {
    same(promised.pools[name], await sha256(files.get(name) ?? new Uint8Array()), name, "", "SHA-256");
    const pool = jsonOf(files, name);
    const items = new Map(pool.items.map((item) => [item.code, item]));
    versions.set(`${pool.division}-${pool.version}`, { ...pool, items });
  }
  checkLaterPools(versions, configuration.corrections);
  const pools = new Map([...versions].map(([key, { items }]) => [key, items]));
  tell("seed", { count: pools.size });
  return { seed: bytes(seed), pools };
}

// --- attempts ------------------------------------------------------------------------------------

function readAttempts(files, configuration) {
  const file = "attempts.csv";
  const people = new Map();
  const full = BigInt(configuration.duration_ms);
  let count = 0;
  for (const cells of tableOf(files, file)) {
    const started = moment(cells.started_at);
    const submitted = moment(cells.submitted_at);
    const added = (Number(cells.extra_ms) + Number(cells.compensation_ms)) * 1000;
    const deadline = Math.min(started + configuration.duration_ms * 1000, moment(cells.closes_at)) + added;
    same(deadline, moment(cells.deadline_at), file, cells.row, "deadline_at");
    if (cells.voided === "0") {
      const taken = BigInt(Math.min(submitted, deadline) - started - Number(cells.outage_ms) * 1000);
      const took = taken > 0n ? (taken * full) / ((full + BigInt(cells.extra_ms)) * 1000n) : 0n;
      same(String(took), cells.duration_ms, file, cells.row, "duration_ms");
    }
    const mine = people.get(cells.draw_id) ?? [];
    if (!mine.length) people.set(cells.draw_id, mine);
    mine.push({
      row: cells.row,
      attempt: cells.attempt,
      drawId: cells.draw_id,
      number: Number(cells.number),
      division: cells.division,
      unit: cells.unit,
      pool: `${cells.division}-${cells.pool_version}`,
      points: number(cells.points),
      duration_ms: number(cells.duration_ms),
      submitted_at: submitted,
      submittedText: cells.submitted_at,
      registered_at: moment(cells.registered_at),
      registeredText: cells.registered_at,
      prediction: number(cells.prediction),
      voided: cells.voided === "1",
      counted: cells.counted === "1",
      out: cells.excluded === "1",
      outAtBooks: cells.excluded_at_books === "1",
    });
    count += 1;
  }
  for (const mine of people.values()) {
    mine.sort((a, b) => a.number - b.number);
    mine.forEach((one, place) => same(place + 1, one.number, file, one.row, "number"));
  }
  tell("times", { count });
  return { people, count };
}

function merit(one, criterion) {
  if (criterion === "points") return -one.points;
  if (criterion === "prediction_error") return one.error === null ? Infinity : one.error;
  return criterion === "attempts_used" ? one.used : one[criterion];
}

function inOrder(chain) {
  return (a, b) => {
    for (const criterion of chain) {
      const [mine, theirs] = [merit(a, criterion), merit(b, criterion)];
      if (mine !== theirs) return mine < theirs ? -1 : 1;
    }
    return 0;
  };
}

const byText = (a, b) => (a < b ? -1 : Number(a > b));

// Returns who is out now, and who was out when the books were closed.
function readExclusions(files) {
  const booksAt = moment(jsonOf(files, "books.json").closed_at);
  const [now, atBooks] = [new Set(), new Set()];
  for (const cells of tableOf(files, "exclusions.csv")) {
    const [begins, ends] = [moment(cells.excluded_at), moment(cells.lifted_at)];
    if (ends === null) now.add(cells.draw_id);
    if (begins <= booksAt && (ends === null || ends > booksAt)) atBooks.add(cells.draw_id);
  }
  return { now, atBooks };
}

function checkedCounted(files, people, configuration) {
  const excluded = readExclusions(files);
  const chains = new Map(configuration.divisions.map(({ code, chain }) => [code, chain]));
  const counted = [];
  for (const [drawId, mine] of people) {
    for (const one of mine) {
      same(excluded.now.has(drawId), one.out, "attempts.csv", one.row, "excluded");
      same(excluded.atBooks.has(drawId), one.outAtBooks, "attempts.csv", one.row, "excluded_at_books");
    }
    const valid = mine.filter((one) => !one.voided);
    let chosen = configuration.counts === "first" ? valid[0] : valid.at(-1);
    if (configuration.counts === "best") {
      for (const one of valid) one.used = valid.length;
      const chain = chains.get(mine[0].division).filter((criterion) => criterion !== "prediction_error");
      [chosen] = [...valid].sort(inOrder(chain)); // stable: of equals the earlier
    }
    for (const one of mine) same(one === chosen, one.counted, "attempts.csv", one.row, "counted");
    if (chosen) {
      chosen.used = valid.length;
      counted.push(chosen);
    }
  }
  tell("counted", { count: counted.length });
  return counted;
}

function checkTruth(files, configuration, counted) {
  const { truth } = jsonOf(files, "books.json");
  for (const { code, prediction } of configuration.divisions) {
    let expected = null;
    if (prediction) {
      const judged = counted.filter(
        (one) => !one.outAtBooks && (prediction.over === "round" || one.division === code),
      );
      const people = BigInt(judged.length);
      const full = BigInt(judged.filter((one) => one.points === fullPoints(configuration, one.division)).length);
      const percentage = () => (2n * 10n ** 7n * full + people) / (2n * people);
      if (people) expected = Number({ people: () => people, full: () => full, percentage }[prediction.counted]());
    }
    same(expected, truth[code] ?? null, "books.json", "", code);
  }
  tell("truth", { count: configuration.divisions.length });
  return truth;
}

function fullPoints(configuration, code) {
  const { specification } = configuration.divisions.find((division) => division.code === code);
  return POINT * specification.reduce((sum, cell) => sum + cell.count, 0);
}

// --- papers --------------------------------------------------------------------------------------

class MoreWords extends Error {}

function draw(pool, specification, words, had) {
  let next = 0;
  const below = (n) => {
    const limit = (2n ** 64n / BigInt(n)) * BigInt(n);
    for (;;) {
      if (next === words.length) throw new MoreWords();
      const word = words[next];
      next += 1;
      if (word < limit) return Number(word % BigInt(n));
    }
  };
  const pick = (list, k) => {
    const pile = [...list];
    for (let i = 0; i < Math.min(k, pile.length - 1); i += 1) {
      const j = i + below(pile.length - i);
      [pile[i], pile[j]] = [pile[j], pile[i]];
    }
    return pile.slice(0, k);
  };
  const taken = new Set();
  const paper = [];
  for (const cell of specification) {
    const fits = [...pool.values()]
      .filter((item) => item.topic === cell.topic && item.level === cell.level && !taken.has(item.code))
      .filter((item) => cell.tags.every((tag) => item.tags.includes(tag)))
      .map((item) => item.code)
      .sort(byText);
    const chosen = pick(fits.filter((code) => !had.has(code)), cell.count);
    if (chosen.length < cell.count) {
      chosen.push(...pick(fits.filter((code) => had.has(code)), cell.count - chosen.length));
    }
    for (const code of chosen) taken.add(code);
    paper.push(...chosen);
  }
  return pick(paper, paper.length).map((code) => {
    const { options, pinned } = pool.get(code);
    const order = [...Array(options).keys()];
    const free = order.filter((place) => !pinned.includes(place));
    const shuffled = pick(free, free.length);
    free.forEach((place, i) => { order[place] = shuffled[i]; });
    return [code, order];
  });
}

async function drawn(pool, specification, seed, had) {
  for (let blocks = 32; ; blocks *= 2) {
    const counters = Array.from({ length: blocks }, (_, block) => {
      const message = new DataView(new ArrayBuffer(8));
      message.setUint32(4, block);
      return message;
    });
    const words = (await hmac(seed, ...counters)).flatMap((block) =>
      [0, 8, 16, 24].map((at) => new DataView(block).getBigUint64(at)));
    try {
      return draw(pool, specification, words, had);
    } catch (error) {
      if (!(error instanceof MoreWords)) throw error;
    }
  }
}

function pointsOf(answer, order, item, configuration) {
  const corrected = configuration.corrections[item.code];
  if (corrected === "void") return POINT;
  const chosen = [...answer.chosen].map((label) => order[LABELS.indexOf(label)]);
  let best = 0;
  for (const key of corrected ?? [item.key]) {
    const right = chosen.filter((index) => key.includes(index)).length;
    const wrong = chosen.length - right;
    const isWhole = wrong === 0 && right === key.length;
    const points = configuration.partial ? Math.floor(((right - wrong) * POINT) / key.length) : isWhole * POINT;
    best = Math.max(best, points);
  }
  return best;
}

function sampled(people, count) {
  const all = [...people.keys()];
  if (count <= ALL_PAPERS) return all;
  const random = crypto.getRandomValues(new Uint32Array(SAMPLE));
  return [...new Set(random)].map((value) => all[value % all.length]);
}

async function checkPapers(files, configuration, { people, count }, { seed, pools }) {
  const file = "responses.csv";
  const specifications = new Map(configuration.divisions.map((one) => [one.code, one.specification]));
  const chosen = new Set(sampled(people, count));
  const answers = new Map();
  for (const drawId of chosen) for (const one of people.get(drawId)) answers.set(one.attempt, []);
  for (const cells of tableOf(files, file)) answers.get(cells.attempt)?.push(cells);
  const seen = new Map();
  for (const { attempt, code } of tableOf(files, "seen.csv")) {
    if (answers.has(attempt)) seen.set(attempt, [...(seen.get(attempt) ?? []), code]);
  }
  let done = 0;
  for (const drawId of chosen) {
    const had = new Set();
    for (const one of people.get(drawId)) {
      const [key] = await hmac(seed, encoded(`${drawId}|${one.number}`));
      const pool = pools.get(one.pool);
      const before = new Set([...had, ...(seen.get(one.attempt) ?? [])]);
      const paper = await drawn(pool, specifications.get(one.division), key, before);
      const mine = answers.get(one.attempt);
      let total = 0;
      for (const [place, [code, order]] of paper.entries()) {
        const answer = mine[place];
        if (!answer) throw new Difference(file, "", "position", `${place + 1}, ${one.attempt}`, "");
        same(String(place + 1), answer.position, file, answer.row, "position");
        same(code, answer.code, file, answer.row, "code");
        same(order.join(" "), answer.options, file, answer.row, "options");
        const points = pointsOf(answer, order, pool.get(code), configuration);
        same(String(points), answer.points, file, answer.row, "points");
        total += points;
        had.add(code);
      }
      same(paper.length, mine.length, file, mine.at(-1)?.row ?? "", "position");
      if (!one.voided) same(total, one.points, "attempts.csv", one.row, "points");
      done += 1;
      if (done % 50 === 0) tell("drawing", { part: done / answers.size });
    }
  }
  tell("papers", { count: done, all: count });
}

// --- order, prizes, units ------------------------------------------------------------------------

function checkStandings(files, configuration, counted, truth) {
  const file = "standings.csv";
  const orders = new Map();
  for (const { code, chain: whole } of configuration.divisions) {
    const known = truth[code] ?? null;
    const chain = whole.filter((criterion) => criterion !== "prediction_error" || known !== null);
    const rows = counted.filter((one) => one.division === code && !one.out);
    for (const one of rows) {
      one.error = known === null || one.prediction === null ? null : Math.abs(one.prediction - known);
    }
    const compare = inOrder(chain);
    rows.sort((a, b) => compare(a, b) || byText(a.attempt, b.attempt));
    for (const [place, one] of rows.entries()) {
      const above = rows[place - 1];
      one.rank = above && compare(above, one) === 0 ? above.rank : place + 1;
      if (above) above.separatedBy = chain.find((name) => merit(above, name) !== merit(one, name)) ?? "tie";
      one.separatedBy = "";
    }
    orders.set(code, { rows, next: 0 });
  }
  for (const cells of tableOf(files, file)) {
    const order = orders.get(cells.division);
    const one = order?.rows[order.next];
    if (!one) throw new Difference(file, cells.row, "attempt", "", cells.attempt);
    order.next += 1;
    const expected = {
      attempt: one.attempt,
      rank: String(one.rank),
      points: String(one.points),
      prediction_error: one.error === null ? "" : String(one.error),
      duration_ms: String(one.duration_ms),
      submitted_at: one.submittedText,
      attempts_used: String(one.used),
      registered_at: one.registeredText,
      separated_by: one.separatedBy,
    };
    for (const [column, value] of Object.entries(expected)) same(value, cells[column], file, cells.row, column);
  }
  let count = 0;
  for (const { rows, next } of orders.values()) {
    if (next < rows.length) throw new Difference(file, "", "attempt", rows[next].attempt, "");
    count += next;
  }
  tell("standings", { count });
  return orders;
}

// The people that prizes can reach, each tie in the order of its lots.
async function queueOf(code, rows, most, key) {
  const queue = [];
  for (let start = 0; start < rows.length && queue.length < most; ) {
    let end = start + 1;
    while (end < rows.length && rows[end].rank === rows[start].rank) end += 1;
    const tied = rows.slice(start, end);
    const lots = await hmac(key, ...tied.map((one) => encoded(`lot|${code}|${one.drawId}`)));
    queue.push(...tied.map((one, i) => [hex(lots[i]), one]).sort((a, b) => byText(a[0], b[0])).map(([, one]) => one));
    start = end;
  }
  return queue;
}

async function checkPrizes(files, configuration, orders, seed) {
  const file = "prizes.csv";
  const { prizes, lot } = configuration;
  const key = lot.public_text === null ? seed : bytes(await sha256(normal(lot.public_text)));
  const out = new Set([
    ...configuration.left_out,
    ...(configuration.skip_earlier_winners ? configuration.earlier_winners : []),
  ]);
  const queues = new Map();
  for (const [code, { rows }] of orders) {
    const most = prizes.filter((one) => one.division === code).reduce((sum, one) => sum + one.count, 0);
    queues.set(code, await queueOf(code, rows.filter((one) => !out.has(one.drawId)), most, key));
  }
  const published = new Map();
  for (const cells of tableOf(files, file)) published.set(`${cells.prize} ${cells.attempt}`, cells);
  const unitPoints = new Map();
  let count = 0;
  for (const prize of prizes) {
    for (const one of queues.get(prize.division).splice(0, prize.count)) {
      if (!published.delete(`${prize.code} ${one.attempt}`)) {
        throw new Difference(file, "", prize.code, one.attempt, "");
      }
      const place = `${one.division} ${one.unit}`;
      unitPoints.set(place, (unitPoints.get(place) ?? 0) + prize.unit_points);
      count += 1;
    }
  }
  for (const cells of published.values()) throw new Difference(file, cells.row, "attempt", "", cells.attempt);
  tell("prizes", { count });
  return unitPoints;
}

// Fractions are pairs of whole numbers.
const divisor = (a, b) => (b ? divisor(b, a % b) : a);
function fraction([above, under]) {
  const shared = divisor(above, under);
  return `${above / shared}/${under / shared}`;
}
const compared = ([a, b], [c, d]) => (a * d < c * b ? -1 : Number(a * d > c * b));

function judged(total, headcount, rule) {
  const [people, points, full, prizePoints, excluded] = total.map(BigInt);
  const present = BigInt(headcount ?? 0) - excluded;
  const rate = present > 0n ? [people, present] : null;
  const mean = full > 0n ? [points, full] : null;
  const threshold = rule.threshold.split("/").map(BigInt);
  if (!people || !rate || compared(rate, threshold) < 0 || present < BigInt(rule.minimum_headcount)) {
    return { people, rate, mean, value: null };
  }
  const capped = compared(rate, [1n, 1n]) > 0 ? [1n, 1n] : rate;
  const value = {
    rate: capped,
    rate_mean: [capped[0] * mean[0], capped[1] * mean[1]],
    points: [100n * capped[0] + prizePoints * capped[1], capped[1]],
  }[rule.formula];
  return { people, rate, mean, value };
}

function checkUnits(files, configuration, counted, unitPoints) {
  const file = "unit_standings.csv";
  const sums = new Map();
  for (const one of counted) {
    if (one.out) continue;
    const place = `${one.division} ${one.unit}`;
    const mine = sums.get(place) ?? [0, 0, 0];
    sums.set(place, [mine[0] + 1, mine[1] + one.points, mine[2] + fullPoints(configuration, one.division)]);
  }
  const published = new Map();
  for (const cells of tableOf(files, file)) published.set(`${cells.division} ${cells.unit}`, cells);
  const listed = [...tableOf(files, "units.csv")];
  for (const { code, units: rule } of configuration.divisions) {
    const mine = listed.filter((unit) => unit.division === code);
    const own = ({ unit, excluded }) => {
      const place = `${code} ${unit}`;
      return [...(sums.get(place) ?? [0, 0, 0]), unitPoints.get(place) ?? 0, Number(excluded)];
    };
    const groups = new Map();
    for (const unit of mine) {
      const total = mine
        .filter((child) => child.parent === unit.unit)
        .reduce((sum, child) => own(child).map((value, i) => value + sum[i]), own(unit));
      const row = { unit: unit.unit, rank: null, ...judged(total, number(unit.headcount), rule) };
      groups.set(unit.group, [...(groups.get(unit.group) ?? []), row]);
    }
    for (const rows of groups.values()) {
      const order = (a, b) =>
        compared(b.value, a.value) || compared(b.mean, a.mean) || Number(b.people - a.people);
      const ranked = rows.filter((row) => row.value).sort(order);
      for (const [place, row] of ranked.entries()) {
        const above = ranked[place - 1];
        row.rank = above && order(above, row) === 0 ? above.rank : place + 1;
      }
      for (const row of rows) {
        if (row.rank === null && !rule.list_below) continue;
        const cells = published.get(`${code} ${row.unit}`);
        if (!cells) throw new Difference(file, "", "unit", row.unit, "");
        published.delete(`${code} ${row.unit}`);
        const expected = { rank: row.rank === null ? "" : String(row.rank), people: String(row.people) };
        for (const name of ["rate", "mean", "value"]) expected[name] = row[name] ? fraction(row[name]) : "";
        for (const [column, value] of Object.entries(expected)) same(value, cells[column], file, cells.row, column);
      }
    }
  }
  for (const cells of published.values()) throw new Difference(file, cells.row, "unit", "", cells.unit);
  tell("units", { count: listed.length });
}

async function verify({ base, digest }) {
  const files = await fetched(base, digest);
  const configuration = jsonOf(files, "configuration.json");
  const fair = await checkedSeed(files, configuration);
  const attempts = readAttempts(files, configuration);
  files.delete("attempts.csv");
  await checkPapers(files, configuration, attempts, fair);
  files.delete("responses.csv");
  const counted = checkedCounted(files, attempts.people, configuration);
  const truth = checkTruth(files, configuration, counted);
  const orders = checkStandings(files, configuration, counted, truth);
  const unitPoints = await checkPrizes(files, configuration, orders, fair.seed);
  checkUnits(files, configuration, counted, unitPoints);
  postMessage({ done: true });
}

addEventListener("message", async ({ data }) => {
  try {
    await verify(data);
  } catch (error) {
    const { file, row, column, expected, found } = error;
    if (error instanceof Difference) postMessage({ difference: { file, row, column, expected, found } });
    else if (error instanceof TypeError && !navigator.onLine) postMessage({ offline: true });
    else postMessage({ difference: { file: "", row: "", column: "", expected: "", found: String(error) } });
  }
});
