// Scoring transcripts one by one. Texts come from models and are hostile: they reach the page as text nodes only.
"use strict";
(() => {
  const byId = (id) => document.getElementById(id);
  const { export: id, rehearsal, dimensions, items } = JSON.parse(byId("content").textContent);
  const KEPT = `harness-review:${id}`;
  const fields = dimensions.map((name) => document.querySelector(`[data-dimension="${name}"]`));
  const radios = (number) => [...fields[number].querySelectorAll("input")];

  // What has been entered: kept in the browser at every change, and read back with care, since others write there too.
  const object = (value) => (value && typeof value === "object" && !Array.isArray(value) ? value : {});
  const blank = () => ({ reviewer: byId("reviewer").value, at: 0, scores: {}, notes: {} });
  function load() {
    const state = blank();
    let kept = {};
    try {
      kept = object(JSON.parse(localStorage.getItem(KEPT)));
    } catch {
      byId("unkept").hidden = false;
    }
    if (typeof kept.reviewer === "string" && kept.reviewer) state.reviewer = kept.reviewer;
    if (Number.isInteger(kept.at) && items[kept.at]) state.at = kept.at;
    for (const item of items) {
      const given = object(object(kept.scores)[item.id]), note = object(kept.notes)[item.id];
      for (const name of dimensions) if ([1, 2, 3].includes(given[name])) (state.scores[item.id] ??= {})[name] = given[name];
      if (typeof note === "string" && note) state.notes[item.id] = note;
    }
    return state;
  }
  function keep() {
    try {
      localStorage.setItem(KEPT, JSON.stringify(state));
    } catch {
      byId("unkept").hidden = false;
    }
  }
  const scored = (item) => dimensions.filter((name) => state.scores[item.id]?.[name]).length;
  const whole = (item) => scored(item) === dimensions.length;
  const standing = (item) => (whole(item) ? "scored" : scored(item) ? "in part" : "");
  let state = load();

  // Showing an item.
  const make = (tag, name, ...children) => {
    const element = document.createElement(tag);
    if (name) element.className = name;
    element.append(...children);
    return element;
  };
  function show(focus) {
    const item = items[state.at];
    byId("place").textContent = `Transcript ${state.at + 1} of ${items.length}`;
    byId("asked-at").textContent = item.asked_at;
    byId("prompt").textContent = item.prompt;
    byId("tests").textContent = item.tests && `What is tested: ${item.tests}`;
    byId("reply").replaceChildren(item.reply.trim() ? item.reply : make("span", "none", "no words"));
    byId("acts").replaceChildren(...(item.acts.length ? item.acts.map(act) : [make("li", "none", "nothing was called")]));
    const count = item.hidden;
    byId("hidden-names").textContent = count ? `${count} ${count === 1 ? "name is" : "names are"} hidden in these texts.` : "";
    dimensions.forEach((name, number) => {
      for (const radio of radios(number)) radio.checked = Number(radio.value) === state.scores[item.id]?.[name];
    });
    byId("notes").value = state.notes[item.id] ?? "";
    byId("reviewer").value = state.reviewer;
    byId("previous").disabled = state.at === 0;
    byId("next").disabled = state.at === items.length - 1;
    tally();
    if (focus) {
      scrollTo(0, 0);
      ahead(-1);
    }
  }
  function act({ done, details }) {
    const told = details.flatMap(([label, value]) => [make("dt", "", label), make("dd", "", value)]);
    return make("li", "", make("p", "did", done), ...(told.length ? [make("dl", "", ...told)] : []));
  }
  function tally() {
    const done = items.filter(whole).length, all = done === items.length;
    byId("progress").value = done;
    byId("told").textContent = all ? `All ${done} scored: save them` : `${done} of ${items.length} scored`;
    byId("told").classList.toggle("all", all);
    byId("open").disabled = all;
    [...byId("go").options].forEach((option, place) => {
      const text = [place + 1, standing(items[place])].filter(Boolean).join(" · ");
      if (option.textContent !== text) option.textContent = text;
    });
    byId("go").value = state.at;
  }

  // Scoring, and going on: to the next dimension without a score after this one, else to the button for the next item.
  function focusOn(number) {
    (radios(number).find((radio) => radio.checked) ?? radios(number)[0]).focus({ preventScroll: number === 0 });
  }
  function ahead(from) {
    const given = state.scores[items[state.at].id] ?? {};
    const next = dimensions.findIndex((name, number) => number > from && !given[name]);
    if (next >= 0) focusOn(next);
    else if (from < 0) focusOn(0);
    else (byId("next").disabled ? byId("save-json") : byId("next")).focus();
  }
  function score(number, value) {
    const given = (state.scores[items[state.at].id] ??= {});
    if (value) given[dimensions[number]] = value;
    else delete given[dimensions[number]];
    for (const radio of radios(number)) radio.checked = Number(radio.value) === value;
    keep();
    tally();
  }
  function current() {
    const inside = fields.findIndex((field) => field.contains(document.activeElement));
    if (inside >= 0) return inside;
    return dimensions.findIndex((name) => !state.scores[items[state.at].id]?.[name]);
  }
  function go(place) {
    if (!items[place]) return;
    state.at = place;
    keep();
    show(true);
  }
  function goOpen() {
    const order = items.map((_, place) => (state.at + 1 + place) % items.length);
    const next = order.find((place) => !whole(items[place]));
    if (next !== undefined) go(next);
  }
  const KEYS = {
    n: () => go(state.at + 1), p: () => go(state.at - 1), u: goOpen, e: () => byId("notes").focus(),
    0: () => current() >= 0 && score(current(), undefined),
  };
  document.addEventListener("keydown", (event) => {
    const place = event.target;
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    if (place.id === "notes" && event.key === "Escape") return ahead(-1);
    if (place.matches("textarea, select, input:not([type=radio])")) return;
    const value = Number(event.key), number = current();
    if ([1, 2, 3].includes(value) && number >= 0) {
      score(number, value);
      ahead(number);
    } else if (Object.hasOwn(KEYS, event.key)) KEYS[event.key]();
    else return;
    event.preventDefault();
  });

  // Saving. A transcript with some of its scores only is left out, and said.
  const safe = (text) => (/^\s*[=+\-@＝＋－＠]/.test(text) || /^[\t\r]/.test(text) ? `'${text}` : text);
  const cell = (value) => `"${safe(String(value)).replaceAll('"', '""')}"`;
  const rows = () => items.filter(whole).map((item) => ({ item: item.id, ...state.scores[item.id], notes: state.notes[item.id] ?? "" }));
  const asJson = () => JSON.stringify({ type: "review_scores", export: id, rehearsal, reviewer: state.reviewer.trim(), items: rows() }, null, 1);
  function asCsv() {
    const columns = ["item", ...dimensions, "notes"];
    return "\ufeff" + [columns.join(","), ...rows().map((row) => columns.map((name) => cell(row[name])).join(","))].join("\r\n") + "\r\n";
  }
  function save(content, ending, type) {
    if (!state.reviewer.trim()) {
      byId("saved").textContent = "Who scored? Give a name first, at the top.";
      byId("reviewer").focus();
      return;
    }
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([content], { type }));
    link.download = `scores_${id}_${state.reviewer.trim().replace(/[^A-Za-z0-9_-]+/g, "-")}.${ending}`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
    const parts = items.flatMap((item, place) => (standing(item) === "in part" ? [place + 1] : []));
    const left = items.length - rows().length;
    byId("saved").textContent = `${link.download}: ${rows().length} transcripts` + (left ? `; ${left} are left` : "") +
      (parts.length ? `, of which scored in part and not in the file: ${parts.slice(0, 20).join(", ")}${parts.length > 20 ? " …" : ""}` : "") + ".";
  }

  // The controls.
  fields.forEach((field, number) => field.addEventListener("change", (event) => score(number, Number(event.target.value))));
  byId("notes").addEventListener("input", (event) => ((state.notes[items[state.at].id] = event.target.value), keep()));
  byId("reviewer").addEventListener("input", (event) => ((state.reviewer = event.target.value), keep()));
  byId("previous").addEventListener("click", () => go(state.at - 1));
  byId("next").addEventListener("click", () => go(state.at + 1));
  byId("open").addEventListener("click", goOpen);
  byId("go").addEventListener("change", (event) => go(Number(event.target.value)));
  byId("save-json").addEventListener("click", () => save(asJson(), "json", "application/json"));
  byId("save-csv").addEventListener("click", () => save(asCsv(), "csv", "text/csv"));
  byId("scores").addEventListener("submit", (event) => event.preventDefault());
  addEventListener("storage", (event) => {
    if (event.key !== KEPT) return;
    const at = state.at;
    state = { ...load(), at };
    show(false);
  });
  byId("go").replaceChildren(...items.map((_, place) => Object.assign(document.createElement("option"), { value: place })));
  byId("desk").hidden = false;
  show(false);
  document.documentElement.dataset.ready = "yes";
})();
