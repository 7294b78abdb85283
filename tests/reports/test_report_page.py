"""The page and its Markdown as text: what is in it, what cannot be, and that equal runs give equal bytes."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from harness.errors import ConfigurationError, HarnessError
from harness.reports import Published, Selection, select, write_report
from harness.reports.markdown import markdown
from harness.reports.page import html
from harness.reports.parts import as_markdown
from harness.reports.transcripts import escaped, transcripts
from tests.support import records
from tests.support.journal_files import ASKED, stored, write_journal
from tests.support.reports import BOUNDARY, DESIGN, HOSTILE, told_trial, write_run

TAME = ("A plain remark.", "Another one.")


class Elements(HTMLParser):
    """Every start tag with its attributes, and the contents of scripts and styles."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.raw: list[tuple[dict[str, str | None], str]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self.lasttag in ("script", "style") and self.cdata_elem:
            self.raw.append((self.tags[-1][1], data))


@pytest.fixture(scope="module")
def selection(tmp_path_factory: pytest.TempPathFactory) -> Selection:
    return select(write_run(tmp_path_factory.mktemp("real"), texts=TAME))


@pytest.fixture(scope="module")
def page(selection: Selection) -> str:
    return html(selection).decode()


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A page over names, reasons and replies that mean harm."""
    bad = HOSTILE[1]
    design = replace(
        DESIGN,
        metrics=("Fluency", bad, "$x_{1}$"),
        person_metrics=("Fluency",),
        panels=(("Ada", HOSTILE[3]),),
    )
    folder = tmp_path_factory.mktemp("hostile")
    files = write_run(folder, texts=HOSTILE, design=design)
    lost = records.failed(next(design.trials("exp_3", "Control")), reason=bad)
    files.append(
        records.write_file(
            folder / "more.jsonl",
            records.metadata(design=design, provider="openai") | {"provider": "openai"},
            [lost],
        )
    )
    return html(select(files), compress=False).decode()


def test_the_first_request_of_an_arm_is_shown_as_text(tmp_path: Path) -> None:
    files = write_run(tmp_path, texts=TAME)
    assert "Requests as sent" not in html(select(files)).decode()
    trial, run_id = next(iter(select(files).reports[0].run.outcomes)), select(files).reports[0].run_id
    request = ASKED | {"messages": [{"role": "system", "content": "<script>alert(1)</script>"}]}
    write_journal(tmp_path / "journal" / f"{run_id}.sqlite", asked=stored(request), trial=trial)
    text = html(select(files)).decode()
    shown = text.split("Requests as sent")[1].split("</section>")[0]
    assert "[system]\n&lt;script&gt;alert(1)&lt;/script&gt;\n[temperature] 0.5\n[tools]" in shown
    assert "act, Ada, step 1, to m" in shown


def test_sections_come_in_the_order_of_a_careful_reader(page: str) -> None:
    found = [attrs.get("id") or "" for tag, attrs in Elements(page).tags if tag == "section"]
    assert found == [
        "run-1", *(f"run-1-{part}" for part in ("verdict", "outcomes", "effects", "distributions", "stability",
                                               "instrument", "missing", "cost", "provenance")), "transcripts",
    ]  # fmt: skip


def test_the_policy_allows_the_pages_own_style_and_script_alone(page: str) -> None:
    elements = Elements(page)
    (policy,) = [a["content"] for tag, a in elements.tags if a.get("http-equiv") == "Content-Security-Policy"]
    own = [text for attrs, text in elements.raw if attrs.get("type") != "application/json"]
    hashes = ["sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in own]
    assert policy == (
        f"default-src 'none'; style-src '{hashes[0]}'; script-src '{hashes[1]}'; base-uri 'none'; form-action 'none'"
    )


@pytest.mark.parametrize("which", ["page", "hostile"])
def test_nothing_in_it_could_ask_for_anything_or_run(which: str, request: pytest.FixtureRequest) -> None:
    text = request.getfixturevalue(which)
    for tag, attrs in Elements(text).tags:
        assert tag not in ("img", "link", "iframe", "object", "embed", "base", "image", "video", "audio")
        for name, value in attrs.items():
            assert not name.startswith("on")
            assert name not in ("src", "srcset", "style", "action", "ping")
            assert name != "href" or (value or "").startswith("#")
    style = text[text.index("<style>") : text.index("</style>")]
    assert "@import" not in style
    assert "url(" not in style


def test_ids_are_unique_and_references_lead_somewhere(page: str) -> None:
    tags = Elements(page).tags
    ids = [attrs["id"] for _, attrs in tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    named = {(attrs.get("href") or "").removeprefix("#") for _, attrs in tags if attrs.get("href")}
    named |= {value or "" for _, a in tags for value in (a.get("for"), a.get("aria-labelledby")) if value}
    clipped = set(re.findall(r"url\(#([^)]+)\)", page))
    assert named | clipped <= {*ids, "trial-title"}  # the last comes with a trial


def test_hostile_texts_stay_texts(hostile: str, page: str) -> None:
    """The same elements as a tame page: the texts added none."""
    kinds = {tag for tag, _ in Elements(page).tags}
    assert {tag for tag, _ in Elements(hostile).tags} <= kinds
    assert sum(tag == "script" for tag, _ in Elements(hostile).tags) == hostile.count("<script")
    assert "&lt;/script&gt;&lt;script&gt;window.__pwned = 2" in hostile
    assert "{{ 7 * 7 }}" in hostile
    assert "$x_{1}$" in hostile


def test_data_in_the_page_has_no_signs_that_html_reads(hostile: str) -> None:
    blocks = [text for attrs, text in Elements(hostile).raw if attrs.get("type") == "application/json"]
    assert len(blocks) > 1
    for block in blocks:
        assert not set(block) & {"<", ">", "&", *BOUNDARY.replace(" ", "")}
        assert block.isascii()
    spoken = {event[4] for trial in json.loads(blocks[1]) for event in trial["transcript"]}
    assert spoken >= set(HOSTILE)


def test_equal_runs_give_equal_bytes(selection: Selection) -> None:
    assert html(selection) == html(selection)


def test_a_rehearsal_is_marked_in_every_part_and_figure(tmp_path: Path) -> None:
    text = html(select(write_run(tmp_path, provider="rehearsal"))).decode()
    tags = Elements(text).tags
    assert "<title>REHEARSAL: " in text
    assert 'class="banner"' in text
    assert [a.get("class") for tag, a in tags if a.get("id") == "run-1"] == ["run rehearsal"]
    assert [a.get("class") for tag, a in tags if a.get("id") == "transcripts"] == ["rehearsal"]
    assert text.count(">REHEARSAL</text>") == text.count("<svg")


def test_a_real_run_is_not_marked(page: str) -> None:
    body = page[page.index("<body>") : page.index('<script type="application/json"')]
    assert "rehearsal" not in body.lower()


def test_published_values_stand_beside_ours(tmp_path: Path) -> None:
    row = Published(6.16, 1.59, 6.63, 1.34, 0.47, ".015", 120, 120)
    out = tmp_path / "r.md"
    write_report(write_run(tmp_path), out, published=lambda experiment, metrics: {metrics[0]: row})
    lines = [line for line in out.read_text().splitlines() if "6.16 (1.59), 6.63 (1.34)" in line]
    assert len(lines) == 1
    assert re.search(r"^\| Fluency .*\+0\.47 \|\s+\.015 \|$", lines[0])


def test_outcomes_of_0_and_1_are_counted_with_their_test(page: str, tmp_path: Path) -> None:
    assert "counted" not in page
    for path in write_run(tmp_path):
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        for sample in (one for line in lines for one in line.get("samples", ())):
            sample["value"] = sample["value"] % 2
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    chosen = select([tmp_path])
    for text in (html(chosen).decode(), markdown(chosen).decode()):
        assert "Binary outcomes" in text
        assert re.search(r"\d+ of 24\b", text) and "claimed for these personas" in text


def test_each_table_of_p_values_names_unit_df_and_estimand_and_times_are_known(selection: Selection) -> None:
    text = markdown(selection).decode()
    assert re.search(r"^Primary analysis: .* n = 6, unit: blocks .*Claimed for these personas", text, re.M)
    (control,) = re.findall(r"^\| Control +\| +12 \| +12 \| +(\S+ s|–) \|", text, re.M)
    assert control != "–"


def test_small_transcripts_are_plain_and_large_ones_packed(selection: Selection) -> None:
    plain, packed = transcripts(selection.reports), transcripts(selection.reports, compress=True)
    assert isinstance(json.loads(plain.blocks[0]), list)
    unpacked = [gzip.decompress(base64.b64decode(json.loads(block))).decode() for block in packed.blocks]
    assert unpacked == list(plain.blocks)
    assert plain.index == packed.index


def test_each_trial_is_there_once_with_the_record_that_counts(tmp_path: Path) -> None:
    files = write_run(tmp_path)
    first, second = list(DESIGN.trials("exp_3", "Control"))[:2]
    again = [
        records.failed(first, reason="a hiccup", second=1),
        told_trial(second, ("Too late, it has finished.",), second=99, attempt=2),
    ]
    files.append(records.write_file(tmp_path / "z.jsonl", records.metadata(design=DESIGN), again))
    index, trials = _opened(transcripts(select(files).reports))
    assert len(trials) == len(index["runs"][0]["trials"]) == 24
    assert "Too late" not in json.dumps(trials)
    assert {one["status"] for one in trials} == {"finished"}


def test_a_trial_that_only_failed_is_there_with_its_reason(tmp_path: Path) -> None:
    trial = next(DESIGN.trials("exp_3", "Control"))
    file = records.write_file(
        tmp_path / "a.jsonl", records.metadata(design=DESIGN), [records.failed(trial, "no reply came")]
    )
    index, trials = _opened(transcripts(select([file]).reports))
    assert [row["status"] for row in index["runs"][0]["trials"]] == ["failed"]
    assert trials[0]["reason"] == "no reply came"


def _opened(found: Any) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    return json.loads(found.index), [trial for block in found.blocks for trial in json.loads(block)]


def test_escaped_json_is_the_same_json() -> None:
    data = {"text": "".join(HOSTILE[:-1]), "n": [1, None]}
    assert json.loads(escaped(data)) == data


def test_markdown_takes_no_markup_from_texts(tmp_path: Path) -> None:
    reason = "<script>x</script> | a `b` **c** [d](http://e.invalid) ![f](g)\n# heading\n- item"
    trial = next(DESIGN.trials("exp_3", "Control"))
    file = records.write_file(
        tmp_path / "a.jsonl", records.metadata(design=DESIGN), [records.failed(trial, reason)]
    )
    write_report([file], tmp_path / "r.md")
    (row,) = [line for line in (tmp_path / "r.md").read_text().splitlines() if "heading" in line]
    assert "<script" not in row.replace("\\<", "")
    assert not re.search(r"(?<!\\)[`\[\]*]", row)
    assert len(re.findall(r"(?<!\\)\|", row)) == 5


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ideas_qty", "ideas_qty"),
        ("_stressed_ ~struck~", "\\_stressed\\_ \\~struck\\~"),
        ("# no heading", "\\# no heading"),
        ("- no item", "\\- no item"),
        ("&lt;b&gt; R&D", "\\&lt;b\\&gt; R&D"),
        ("http://e.invalid www.e.invalid", "http\\://e.invalid www\\.e.invalid"),
        ("<.001, +0.47, −0.11", "<.001, +0.47, −0.11"),
    ],
)
def test_markdown_escapes_what_would_be_markup_and_no_more(text: str, expected: str) -> None:
    assert as_markdown([text]) == f"{expected}\n"


def test_the_newest_run_of_each_experiment_is_told_and_a_real_one_before_rehearsals(tmp_path: Path) -> None:
    small = replace(DESIGN, reps=1)
    for run_id, provider, experiment in (
        ("20250101T000000-a", "openai", "exp_3"),
        ("20250102T000000-b", "openai", "exp_3"),
        ("20250103T000000-c", "rehearsal", "exp_3"),
        ("20250101T000000-d", "rehearsal", "exp_1"),
    ):
        write_run(tmp_path, run_id=run_id, provider=provider, experiment=experiment, design=small)
    found = select([tmp_path])
    assert [one.run_id for one in found.reports] == ["20250101T000000-d", "20250102T000000-b"]
    assert found.left_out == {"exp_3": ("20250101T000000-a", "20250103T000000-c")}
    chosen = select([tmp_path], ["20250103T000000-c"])
    assert [one.run_id for one in chosen.reports] == ["20250103T000000-c"]


@pytest.mark.parametrize(
    ("name", "format", "expected"),
    [
        ("test_mine.py", None, "expected a name that ends with .html or .htm or .md"),
        ("report", None, "not a report file"),
        ("report.html", "md", "not a report file in md; expected a name that ends with .md"),
    ],
)
def test_only_a_report_is_overwritten(tmp_path: Path, name: str, format: str | None, expected: str) -> None:
    (tmp_path / name).write_text("mine")
    with pytest.raises(ConfigurationError, match=re.escape(expected)):
        write_report([tmp_path], tmp_path / name, format=format)
    assert (tmp_path / name).read_text() == "mine"


def test_mistakes_are_named(tmp_path: Path) -> None:
    with pytest.raises(HarnessError, match=r"No records in .*; expected a folder of results"):
        write_report([tmp_path], tmp_path / "r.html")
    files = write_run(tmp_path)
    with pytest.raises(
        ConfigurationError, match=re.escape("Run r9: not in the files given; expected one of r1.")
    ):
        write_report(files, tmp_path / "r.html", runs=["r9"])
