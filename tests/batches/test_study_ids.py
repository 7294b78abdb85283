"""Ids: what is made can be parsed, what is malformed is refused with the reason, nothing leaves the study's folder."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from harness.batches import ids
from harness.batches.study_layout import Study
from harness.errors import ConfigurationError

texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
moments = st.datetimes(datetime(2000, 1, 1), datetime(2099, 12, 31))
kebabs = st.from_regex(r"[a-z0-9]{1,6}(-[a-z0-9]{1,6}){0,2}", fullmatch=True)
values = st.one_of(
    texts, st.integers(-999, 10**6), st.floats(allow_nan=False, allow_infinity=False), st.booleans()
)


@given(texts)
@example("gpt-5-mini")
@example("0.5")
@example("openai:GPT 5/mini")
@example("..")
@example("../../etc")
def test_a_slug_can_be_read_back_and_is_one_name(text: str) -> None:
    slug = ids.slug(text)
    assert ids.unslug(slug) == text
    assert set(slug) <= set("abcdefghijklmnopqrstuvwxyz0123456789.-_")


@pytest.mark.parametrize(
    ("text", "slug"),
    [
        ("gpt-5-mini", "gpt-5-mini"),
        ("0.5", "0.5"),
        ("openai:gpt-5", "openai_3agpt-5"),
        ("A b", "_41_20b"),
        ("é", "_c3_a9"),
    ],
)
def test_slugs_as_documented(text: str, slug: str) -> None:
    assert ids.slug(text) == slug


@pytest.mark.parametrize("slug", ["", "_61", "_4", "A", "a/b", "_zz", "_ff", "a b", "_2E"])
def test_nobodys_slug_is_refused(slug: str) -> None:
    with pytest.raises(ValueError, match=r"has other characters|would be written|invalid start byte"):
        ids.unslug(slug)


@given(st.sampled_from([axis for axis in ids.COMMON_AXES if axis != "seed"]), values, st.integers(0, 10**9))
def test_a_variant_can_be_read_back(axis: str, value: ids.Value, seed: int) -> None:
    assume(len(ids.slug(ids.text_of(value))) < 80)
    made = ids.make_variant({axis: value}, seed)
    assert ids.parse_variant(str(made)) == made
    assert (made.axes, made.seed) == ((axis,), seed)
    assert Path(str(made)).name == str(made), "it is one name of a folder"


@given(st.integers(0, 10**6), texts, texts)
def test_a_variant_of_several_axes_can_be_read_back(seed: int, one: str, other: str) -> None:
    assume(len(ids.slug(one) + ids.slug(other)) < 80)
    made = ids.make_variant({"model": one, "provider": other}, seed)
    assert ids.parse_variant(str(made)).values == (("model", one), ("provider", other))


@given(moments, kebabs, st.integers(1, 5000))
def test_a_batch_can_be_read_back(moment: datetime, intent: str, version: int) -> None:
    made = ids.BatchId(moment.replace(second=0, microsecond=0, tzinfo=UTC), intent, version)
    assert ids.parse_batch(str(made)) == made


@given(values)
def test_a_value_keeps_its_type_through_its_text(value: ids.Value) -> None:
    assert ids.text_of(ids.value_of(ids.text_of(value))) == ids.text_of(value)


@given(st.text(max_size=30))
@example("..")
@example("a/../b")
@example("a\n")
def test_no_text_that_is_accepted_leaves_the_folder(text: str) -> None:
    root = Path("/runs")
    try:
        study = Study(root, text)
    except ConfigurationError:
        return
    assert study.folder.resolve().parent == root


@given(st.text(max_size=40))
@example("b20261120-2210-../../x-v01")
def test_no_batch_leaves_its_study(text: str) -> None:
    study = Study(Path("/runs"), "x")
    try:
        folder = study.batch(text).folder
    except ConfigurationError:
        return
    assert folder.resolve().parent == Path("/runs/x/batches")


def test_versions_go_on_after_99() -> None:
    assert str(ids.Revision("scn", 99)) == "scn-v99"
    assert str(ids.Revision("scn", 99).following) == "scn-v100"
    assert ids.parse_revision("cfg-v100", "cfg").number == 100
    now = datetime(2026, 11, 20, 22, 10, tzinfo=UTC)
    taken = [str(ids.BatchId(now, "x", number)) for number in range(1, 100)]
    assert str(ids.make_batch(now, "x", taken)) == "b20261120-2210-x-v100"


REFUSED = [
    (ids.study_id, "../x", "Study '../x': expected lower-case letters, digits and single hyphens"),
    (ids.study_id, "Tax", "expected lower-case"),
    (ids.study_id, "a--b", "single hyphens"),
    (ids.study_id, "-a", "single hyphens"),
    (ids.study_id, "a\n", "single hyphens"),
    (
        ids.parse_batch,
        "b20260230-1200-x-v01",
        "expected a date and time that exist in place of 20260230-1200",
    ),
    (ids.parse_batch, "b20261120-2460-x-v01", "expected a date and time that exist"),
    (ids.parse_batch, "b20261120-2210-X-v01", "in place of 'X'"),
    (ids.parse_batch, "b20261120-2210-x-v1", "two digits from 01"),
    (ids.parse_batch, "b20261120-2210-x-v00", "two digits from 01"),
    (ids.parse_batch, "b20261120-2210-x-v001", "two digits from 01"),
    (ids.parse_batch, "20261120", "bYYYYMMDD-HHMM-<intent>-vNN"),
    (ids.parse_variant, "vr-mood-3-s1", "one of the axes seed, threshold"),
    (ids.parse_variant, "vr-threshold--s1", "a value as its slug has it"),
    (ids.parse_variant, "vr-threshold-3", "vr-<axis>-<value>-s<seed>"),
    (ids.parse_variant, "vr-threshold-3-s01", "vr-<axis>-<value>-s<seed>"),
    (ids.parse_variant, "vr-threshold-_61-s1", "would be written 'a'"),
    (ids.parse_variant, "vr-seed-3-s4", "the same seed twice"),
    (ids.parse_variant, "vr-steps-3__steps-4-s4", "each axis once"),
    (lambda text: ids.parse_revision(text, "scn"), "cfg-v01", "expected scn-vNN"),
    (lambda text: ids.parse_revision(text, "scn"), "scn-v0", "two digits"),
    (lambda text: ids.vocabulary([text]), "model_size", "does not begin with another axis's, 'model'"),
    (lambda text: ids.vocabulary([text]), "Mood", "lower-case"),
]


@pytest.mark.parametrize(("parse", "text", "reason"), REFUSED)
def test_what_is_malformed_is_refused_with_the_reason(parse, text: str, reason: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        parse(text)
    assert reason in str(refused.value)
    assert repr(text)[1:-1].replace("_", "-") in str(refused.value).replace("_", "-")
    assert len(refused.value.problems) == 1


def test_an_experiments_own_axis_joins_the_vocabulary() -> None:
    axes = ids.vocabulary(["reading_age"])
    assert str(ids.make_variant({"reading-age": 12}, 7, axes)) == "vr-reading-age-12-s7"
    with pytest.raises(ConfigurationError, match="expected one of the axes seed, threshold"):
        ids.parse_variant("vr-reading-age-12-s7")
