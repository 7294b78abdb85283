"""The answers of surveys as a table: one row per answer, and per option or row where an item has several."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from harness.model import FreeText, Likert, read_items
from harness.model.survey.item import Item
from harness.records.reader import stream
from harness.reports.data.arrays import table
from harness.reports.data.columns import ANSWERS, PLACE
from harness.reports.data.record_rows import Row, RunRows, record_mark, whole

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

_COMPOSITES = frozenset({"multiple_choice", "ranking", "allocation", "matrix"})


def answers(runs: Sequence[RunRows]) -> pa.Table:
    """One row per answer, in the order of the design and of each survey; the files are read again for it."""
    return table(ANSWERS, [row for run in runs for row in sorted(_answers(run), key=_place_in(run))])


def widened(long: pd.DataFrame, attributes: Sequence[str] = ()) -> pd.DataFrame:
    """One row per persona, arm and repetition: a column per item, or per option or row of it.

    Numbers where an answer has one, else its text; opt-outs are texts, skipped and missing answers are empty. The
    columns ``attributes`` are kept. ``p[item=option]`` has the probability of an option, where those were asked for.
    An item with the name of another column becomes ``NAME_item``, and an attribute with that of an item
    ``NAME_attribute``.
    """
    import pandas as pd

    keys = [*(one.name for one in PLACE), "person"]
    if long.empty:
        return pd.DataFrame(columns=keys)
    plain = long.astype(
        {name: object for name in (*keys, "item", "part", "answer", "status") if name in long}
    )
    parts = plain["part"].map(lambda part: "" if part is None or part != part else f"[{part}]")
    values = plain["value"].astype(object).where(plain["value"].notna(), plain["answer"])
    names = plain["item"].map(lambda name: f"{name}_item" if name in keys else name)
    cells = plain[keys].assign(column=names + parts, cell=values)
    cells = pd.concat([cells, *_shares(plain, keys)])
    order = list(dict.fromkeys(cells["column"]))
    wide = cells.set_index([*keys, "column"])["cell"].unstack("column")[order]
    wide = wide.reindex(pd.MultiIndex.from_frame(plain[keys].drop_duplicates())).reset_index()
    wide.columns.name = None
    kept = plain[["run_id", "trial", *attributes]].drop_duplicates(["run_id", "trial"])
    kept = kept.rename(columns={name: f"{name}_attribute" for name in attributes if name in wide})
    return wide.infer_objects().merge(kept, on=["run_id", "trial"], how="left")


def _shares(plain: pd.DataFrame, keys: Sequence[str]) -> Iterator[pd.DataFrame]:
    asked = plain[plain["probabilities"].notna()]
    for item, some in asked.groupby("item", sort=False):
        shares = some["probabilities"].map(json.loads)
        for option in dict.fromkeys(name for one in shares for name in one):
            found = [one.get(option) for one in shares]
            yield some[list(keys)].assign(column=f"p[{item}={option}]", cell=found)


def _answers(run: RunRows) -> Iterator[Row]:
    items = _items(run)
    if not items:
        return
    wanted = {record_mark(row): row for row in run.rows if row["accepted"]}
    for path in sorted(run.files):
        for record in stream(path, problems=[]):
            trial = wanted.get(record_mark(record)) if record.get("run_id") == run.run_id else None
            found = record.get("answers") if trial is not None else None
            if trial is None or not isinstance(found, Mapping):
                continue
            del wanted[record_mark(record)]
            person = next(iter(record.get("people") or ()), None)
            place = {**{one.name: trial[one.name] for one in PLACE}, "person": person}
            order = record.get("order")
            orders = order if isinstance(order, Mapping) else {}
            shuffled = {**_mapping(orders.get("options")), **_mapping(orders.get("rows"))}
            for item in items:
                one = found.get(item.name)
                if isinstance(one, Mapping):
                    yield from _rows(item, one, {**place, "options": _text(shuffled.get(item.name))})


def _place_in(run: RunRows) -> Callable[[Row], tuple[int, ...]]:
    """Sorts rows by arm, repetition, panel and proposal."""
    groups = () if run.design is None else run.design.groups
    arms = {group: number for number, group in enumerate(groups)}
    return lambda row: (
        arms.get(row["group"], len(arms)),
        *(-1 if row[name] is None else row[name] for name in ("rep", "panel", "proposal")),
    )


def _items(run: RunRows) -> Sequence[Item]:
    play = run.said("play")
    return read_items(play.get("survey")) if isinstance(play, Mapping) else ()


def _rows(item: Item, answer: Mapping[str, Any], place: Row) -> Iterator[Row]:
    row = {
        **place,
        "item": item.name,
        "kind": item.kind,
        "position": whole(answer.get("position")),
        **{name: answer.get(name) for name in ("status", "reason", "category", "covered")},
        "probabilities": _text(answer.get("probabilities")),
        **dict.fromkeys(("part", "value", "answer")),
    }
    value, given = answer.get("value"), answer.get("status") == "answered"
    numbers = item.numbers(value) if given and not isinstance(item, FreeText) else {}
    if item.kind in _COMPOSITES:
        for part, metric in zip(item.choices, item.measures, strict=True):
            one = value[part] if isinstance(value, Mapping) and part in value else value
            said = None if value is None else _said(item, one, whole_answer=not isinstance(value, list))
            yield {**row, "part": part, "value": numbers.get(metric.name), "answer": said}
        return
    number = numbers.get(item.name)
    yield {**row, "value": number, "answer": None if value is None else _said(item, value)}


def _said(item: Item, value: Any, *, whole_answer: bool = True) -> str | None:
    if not whole_answer:
        return None
    if isinstance(value, int) and (isinstance(item, Likert) or item.kind == "matrix"):
        return (item.label(value) if hasattr(item, "label") else "") or str(value)
    return str(value)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _text(value: Any) -> str | None:
    return None if value is None else json.dumps(value, ensure_ascii=False)
