// The reader of transcripts. Texts come from models and are hostile: they reach the page as text nodes only.
"use strict";
(() => {
  const byId = (id) => document.getElementById(id);
  const index = JSON.parse(byId("index").textContent);
  const EVENT = Object.fromEntries(index.event.map((name, place) => [name, place]));
  const PAGE = 20, MAX_MATCHES = 500, LONG = 3000, KEPT_BLOCKS = 4;
  const KINDS = { TALK: ["said", "said"], THINK: ["thought", "thought"], DONE: ["other", "end of turn"], TOOL_CALL: ["tool", "called"] };
  const picks = ["run", "group", "rep", "trial"].map((name) => byId("pick-" + name));

  // An element with attributes and children; a string child becomes a text node.
  const make = (tag, attributes = {}, ...children) => {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (name === "onclick") element.addEventListener("click", value);
      else if (value !== false && value != null) element.setAttribute(name, value);
    }
    element.append(...children.filter((child) => child != null));
    return element;
  };
  const shown = (value) => (typeof value === "string" ? value : value == null ? "" : JSON.stringify(value, null, 2));
  const list = (value) => (Array.isArray(value) ? value : []);

  // Blocks of trials: JSON as it is, or a string of base64 over gzip over JSON. The last few stay unpacked.
  const unpacked = new Map();
  async function block(number) {
    if (!unpacked.has(number)) {
      const held = JSON.parse(byId("block-" + number).textContent);
      const trials = typeof held === "string" ? JSON.parse(await inflated(held)) : held;
      unpacked.set(number, trials);
      if (unpacked.size > KEPT_BLOCKS) unpacked.delete(unpacked.keys().next().value);
    }
    return unpacked.get(number);
  }
  async function inflated(base64) {
    if (typeof DecompressionStream === "undefined")
      throw new Error("This browser cannot unpack transcripts. Make the report with --uncompressed, or open it in a newer browser.");
    const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
    return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
  }
  const trialOf = async (row) => (await block(row.block))[row.at];

  // Choosing a trial: each list depends on the ones before it.
  const nameOf = (row) => `panel ${row.panel + 1}, proposal ${row.proposal + 1}`;
  const notes = (row) =>
    [
      row.status === "finished" ? "" : "failed",
      row.corrected ? `${row.corrected} corrected` : "",
      row.fired ? `${row.fired} intervened` : "",
    ].filter(Boolean);
  const trials = () => index.runs[picks[0].value]?.trials ?? [];
  const matching = (depth) =>
    trials().filter((row) => (depth < 1 || row.group === picks[1].value) && (depth < 2 || String(row.rep) === picks[2].value));
  function fill(select, options, wanted) {
    select.replaceChildren(...options.map(([value, text]) => make("option", { value }, text)));
    if (wanted != null && options.some(([value]) => String(value) === String(wanted))) select.value = wanted;
    select.disabled = options.length === 0;
  }
  const distinct = (values) => [...new Set(values)];
  function refill(from, wanted = {}) {
    if (from < 1) fill(picks[1], distinct(trials().map((row) => row.group)).map((name) => [name, name]), wanted.group);
    if (from < 2) fill(picks[2], distinct(matching(1).map((row) => row.rep)).sort((a, b) => a - b).map((rep) => [rep, rep]), wanted.rep);
    const rows = matching(2).slice().sort(inOrder);
    fill(picks[3], rows.map((row) => [trials().indexOf(row), [nameOf(row), ...notes(row)].join(" · ")]), wanted.row);
  }
  const inOrder = (a, b) => a.panel - b.panel || a.proposal - b.proposal;
  const current = () => trials()[picks[3].value];

  // Showing a trial.
  async function show(focus, hit) {
    const row = current(), place = byId("trial");
    if (!row) return place.replaceChildren(make("p", {}, "No trial ended in this run."));
    try {
      const trial = await trialOf(row);
      if (row !== current()) return undefined;
      place.replaceChildren(...parts(row, trial, hit));
    } catch (error) {
      place.replaceChildren(make("p", { class: "failed" }, String(error.message ?? error)));
    }
    byId("previous").disabled = picks[3].selectedIndex <= 0;
    byId("next").disabled = picks[3].selectedIndex >= picks[3].options.length - 1;
    filter();
    if (focus) (place.querySelector(".hit") ?? place).scrollIntoView({ block: "center" });
    if (focus) place.focus({ preventScroll: true });
    return undefined;
  }
  function parts(row, trial, hit) {
    const run = index.runs[picks[0].value];
    const where = `${run.experiment}, ${row.group}, repetition ${row.rep}, ${nameOf(row)}`;
    const about = [list(trial.people).join(", "), ...notes(row)].filter(Boolean).join(" · ");
    return [
      make("h3", { id: "trial-title" }, where),
      make("p", { class: "muted" }, about),
      ...(trial.status === "finished" ? [] : [make("p", { class: "failed" }, `Failed: ${shown(trial.reason) || "no reason recorded"}`)]),
      proposal(trial.proposal_fields),
      scores(trial.samples),
      ...conversation(trial, hit),
      folded("What was extracted", trial.extraction),
      folded("Replies that were of no use", list(trial.rejections).length ? trial.rejections : null),
    ].filter(Boolean);
  }
  const folded = (title, value) =>
    value == null ? null : make("details", {}, make("summary", {}, title), text(shown(value)));
  function proposal(fields) {
    const entries = Object.entries(fields ?? {});
    if (!entries.length) return null;
    const told = entries.flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, text(shown(value)))]);
    return make("details", {}, make("summary", {}, "The proposal"), make("dl", { class: "words" }, ...told));
  }
  function scores(samples) {
    if (!list(samples).length) return null;
    const head = make("tr", {}, ...["Metric", "About", "Value", "Because"].map((name) => make("th", { scope: "col" }, name)));
    const rows = samples.map((one) =>
      make(
        "tr", {},
        make("th", { scope: "row" }, shown(one.metric)), make("td", {}, shown(one.person) || "the panel"),
        make("td", { class: "number" }, one.value == null ? "–" : shown(one.value)),
        make("td", {}, text(one.value == null ? `missing: ${shown(one.reason)}` : shown(one.justification))),
      ));
    const table = make("table", {}, make("thead", {}, head), make("tbody", {}, ...rows));
    const region = make("div", { class: "scroll", role: "region", tabindex: "0", "aria-label": "Scores" }, table);
    return make("details", {}, make("summary", {}, `Scores (${samples.length})`), region);
  }
  // A text, cut when it is long, with a button that shows the rest.
  function text(content, className = "text") {
    const holder = make("div", { class: className });
    if (content.length <= LONG) return holder.append(content), holder;
    const more = make("button", { type: "button", class: "cut", onclick: () => holder.replaceChildren(content) },
      `Show all ${content.length.toLocaleString("en")} characters`);
    holder.append(content.slice(0, LONG), "… ", more);
    return holder;
  }

  // The conversation, step by step: what was corrected stands before what came of it.
  function conversation(trial, hit) {
    const events = list(trial.transcript);
    const corrections = list(trial.corrections).map((one, number) => ({ ...one, number }));
    const fired = list(trial.interventions).filter((one) => one && one.fired !== false);
    const steps = distinct([...events.map((e) => e[EVENT.step]), ...corrections.map((c) => c.step), ...fired.map((f) => f.step)]);
    steps.sort((a, b) => a - b);
    return steps.flatMap((step) => {
      const due = corrections.filter((one) => one.step === step), put = fired.filter((one) => one.step === step);
      const items = [];
      let last = null;
      events.forEach((event, number) => {
        if (event[EVENT.step] !== step) return;
        const person = event[EVENT.person], acts = event[EVENT.kind] === "action";
        const mine = acts ? due.findIndex((one) => one.person === person) : -1;
        if (mine >= 0) items.push(corrected(due.splice(mine, 1)[0], hit));
        const reason = put.findIndex((one) => !acts && one.person === person && one.name === event[EVENT.source]);
        items.push(said(event, last === person, hit?.event === number, reason >= 0 ? put.splice(reason, 1)[0] : null));
        last = acts ? person : null;
      });
      items.push(...due.map((one) => corrected(one, hit)), ...put.map(intervened));
      return [make("h4", {}, step === 0 ? "Introduction" : `Step ${shown(step)}`), make("ol", { class: "events" }, ...items)];
    });
  }
  const entry = (kind, hit, who, label, ...content) =>
    make("li", { class: `event ${kind}${hit ? " hit" : ""}` },
      make("div", { class: "who" }, who, make("span", { class: "kind" }, label)), make("div", {}, ...content));
  function said(event, again, hit, intervention) {
    const [type, source, target, content] = ["type", "source", "target", "content"].map((name) => shown(event[EVENT[name]]));
    const person = shown(event[EVENT.person]);
    if (event[EVENT.kind] === "action") {
      const [kind, label] = KINDS[type] ?? ["said", type.toLowerCase()];
      const about = !target ? label : type === "TOOL_CALL" ? `${label} ${target}` : `${label} to ${target}`;
      return entry(kind, hit, again ? "" : person, about, text(content));
    }
    if (type === "THOUGHT" && (intervention || source))
      return entry("intervened", hit, person || "everyone", `intervention ${source} put a thought`, text(content),
        intervention?.justification ? folded("Why it held", intervention.justification) : null);
    const heard = `heard${source ? " from " + source : ""}`;
    const label = { THOUGHT: "was made to think", SYSTEM: "system prompt", TOOL_RESULT: `result of ${source}` }[type] ?? heard;
    return entry(type === "TOOL_RESULT" ? "tool result" : "heard", hit, person || "everyone", label, text(content));
  }
  const intervened = (one) =>
    entry("intervened", false, shown(one.person) || "everyone", `intervention ${shown(one.name)}`, text(shown(one.justification ?? one)));
  function corrected(one, hit) {
    const attempts = list(one.attempts), last = attempts.length - 1;
    const path = attempts.map((attempt) => shown(attempt?.[1])).join(" → ");
    const items = attempts.map((attempt, number) =>
      make("li", { class: number === one.kept ? "kept" : "dropped" },
        make("strong", {}, `Score ${shown(attempt?.[1])}${number === one.kept ? ", kept" : number < last ? ", sent back" : ", not kept"}`),
        text(shown(attempt?.[0]))));
    const found = hit?.correction === one.number;
    const fold = make("details", { open: found ? "" : false },
      make("summary", {}, `${attempts.length} attempts, scores ${path}; attempt ${Number(one.kept) + 1} was kept`),
      make("ol", { class: "attempts" }, ...items));
    return entry("corrected", found, shown(one.person), "corrected", fold);
  }
  function filter() {
    for (const box of document.querySelectorAll("[data-shows]"))
      for (const one of byId("trial").querySelectorAll(".event." + box.dataset.shows)) one.hidden = !box.checked && !one.classList.contains("hit");
  }

  // Search: block after block, so that the page stays alive and few blocks are unpacked at a time.
  let search = 0, matches = [], listed = 0;
  const pattern = (words) => new RegExp(words.replace(/[.*+?^${}()|[\]\\/-]/g, (sign) => (sign === "-" ? "-" : "\\" + sign)), "iu");
  function* textsOf(trial) {
    let number = 0;
    for (const event of list(trial.transcript)) yield [{ event: number++ }, shown(event[EVENT.content]), shown(event[EVENT.person])];
    for (const [place, one] of list(trial.corrections).entries())
      for (const attempt of list(one?.attempts)) yield [{ correction: place }, shown(attempt?.[0]), `${shown(one.person)}, corrected`];
    for (const one of list(trial.samples)) yield [{}, shown(one?.justification), `${shown(one?.metric)}, justification`];
    yield [{}, shown(trial.extraction), "extraction"];
    yield [{}, shown(trial.reason), "failure"];
  }
  async function find(words) {
    const mine = ++search, wanted = pattern(words);
    matches = [], listed = 0;
    byId("found").replaceChildren();
    byId("more").hidden = byId("found").hidden = true;
    const rows = index.runs.flatMap((run, place) => run.trials.map((row, number) => ({ place, number, ...row }))).sort((a, b) => a.block - b.block);
    let seen = 0, pause = performance.now();
    for (const row of rows) {
      const trial = await trialOf(row);
      for (const [hit, content, who] of textsOf(trial)) {
        const match = content ? wanted.exec(content) : null;
        if (match) matches.push({ row, hit, who, content, at: match.index, length: match[0].length });
        if (matches.length >= MAX_MATCHES) break;
      }
      seen += 1;
      if (mine !== search) return;
      if (matches.length >= MAX_MATCHES) break;
      if (performance.now() - pause > 40) {
        byId("found-status").textContent = `Searched ${seen.toLocaleString("en")} of ${rows.length.toLocaleString("en")} trials…`;
        await new Promise((resume) => setTimeout(resume));
        pause = performance.now();
      }
      if (!listed && matches.length >= PAGE) listMore(false);
    }
    const much = matches.length >= MAX_MATCHES ? "The first " : "";
    byId("found-status").textContent = `${much}${matches.length} ${matches.length === 1 ? "match" : "matches"} for “${words}” in ${rows.length.toLocaleString("en")} trials.`;
    if (listed < PAGE) listMore(false);
    byId("more").hidden = listed >= matches.length;
    document.documentElement.dataset.searched = words;
  }
  function listMore(focus) {
    const fresh = matches.slice(listed, listed + PAGE).map(found);
    listed += fresh.length;
    byId("found").append(...fresh);
    byId("found").hidden = listed === 0;
    byId("more").hidden = listed >= matches.length;
    if (focus) fresh[0]?.querySelector("button").focus();
  }
  function found({ row, hit, who, content, at, length }) {
    const from = Math.max(0, at - 60), to = at + Math.min(length, 200);
    const where = `${index.runs[row.place].experiment} · ${row.group} · rep ${row.rep} · ${nameOf(row)} · ${who}`;
    const open = () => {
      picks[0].value = row.place;
      refill(0, { group: row.group, rep: row.rep, row: row.number });
      show(true, hit);
    };
    return make("li", {}, make("button", { type: "button", onclick: open }, make("span", { class: "where" }, where),
      (from ? "…" : "") + content.slice(from, at), make("mark", {}, content.slice(at, to)), content.slice(to, to + 90) + (content.length > to + 90 ? "…" : "")));
  }

  // The controls.
  picks.forEach((select, place) => select.addEventListener("change", () => (place < 3 && refill(place), show())));
  const move = (by) => ((picks[3].selectedIndex += by), show());
  byId("previous").addEventListener("click", () => move(-1));
  byId("next").addEventListener("click", () => move(1));
  byId("more").addEventListener("click", () => listMore(true));
  document.querySelectorAll("a[data-run]").forEach((link) => link.addEventListener("click", (event) => {
    event.preventDefault();
    const { run, group, rep, proposal } = link.dataset;
    const same = (row) => row.group === group && String(row.rep) === rep && String(row.proposal) === proposal;
    picks[0].value = run;
    refill(0, { group, rep, row: trials().findIndex(same) });
    show(true);
  }));
  document.querySelectorAll("[data-shows]").forEach((box) => box.addEventListener("change", filter));
  byId("search").addEventListener("submit", (event) => {
    event.preventDefault();
    const words = byId("query").value.trim();
    if (words) find(words).catch((error) => (byId("found-status").textContent = String(error.message ?? error)));
  });
  fill(picks[0], index.runs.map((run, place) => [place, `${run.experiment}, ${run.run}${run.rehearsal ? " (rehearsal)" : ""}`]));
  refill(0);
  byId("reader").hidden = false;
  show().finally(() => {
    performance.mark("ready");
    document.documentElement.dataset.ready = "yes";
  });
})();
