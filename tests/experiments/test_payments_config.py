"""Settings of the payments experiment: each mistake is one clear sentence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support.payments import TWO

from harness.errors import ConfigurationError
from harness.experiments.payments.config import PaymentsConfig
from harness.experiments.payments.experiment import check, payments
from harness.model import Group


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"banks": []}, "Payments: 0 banks; expected 2 or more, who pay each other."),
        ({"banks": ["A"]}, "Payments: 1 banks; expected 2 or more, who pay each other."),
        ({"banks": ["A", "B", "A"]}, "Payments: banks=['A', 'B', 'A']; expected each name once."),
        ({"banks": "AB"}, "Payments: banks='AB'; expected a list of names."),
        ({"window": 0}, "Payments: Convergence: window=0; expected a whole number of iterations, 1 or more."),
        ({"window": 2.5}, "Payments: Convergence: window=2.5; expected a whole number of iterations, 1 or more."),
        (
            {"window": 2, "convergence": "bootstrap"},
            "Payments: Convergence: window=2; fewer than 4 costs show no trend; expected 3 or more.",
        ),
        ({"convergence": "hope"}, "Payments: Convergence: mode='hope'; expected stability or bootstrap."),
        ({"tolerance": 2}, "Payments: Convergence: tolerance=2; expected a share from 0 to below 1."),
        ({"tolerance": "x"}, "Payments: tolerance='x'; expected a share from 0 to below 1."),
        ({"samples": 0}, "Payments: samples=0; expected a whole number, 1 or more."),
        ({"samples": 1.0}, "Payments: samples=1.0; expected a whole number, 1 or more."),
        ({"liquidity_bps": -1}, "Payments: liquidity_bps=-1; expected a whole number, 0 or more."),
        ({"tries": True}, "Payments: tries=True; expected a whole number, 1 or more."),
        ({"confidence": 1.0}, "Payments: confidence=1.0; expected a share from 0.5 to below 1, or none."),
        (
            {"confidence": 0.9, "samples": 1},
            "Payments: samples=1 with a confidence; one difference has no interval; expected 2 samples or more.",
        ),
        (
            {"opening_liquidity": 5, "most_liquidity": 4},
            "Payments: opening_liquidity=5, most_liquidity=4; expected opening_liquidity to be the smaller.",
        ),
        (
            {"days": [[[99, "BANK_A", "BANK_B", 5]]]},
            "Payments: day 1: a payment is due at tick 99; expected 0 to 11.",
        ),
        ({"days": [[]]}, "Payments: day 1 has no payments; expected one or more."),
        (
            {"days": [[[1, "BANK_A", "BANK_A", 5]]]},
            "Payments: day 1: a payment goes from 'BANK_A' to 'BANK_A'; expected two of BANK_A, BANK_B, BANK_C.",
        ),
        (
            {"days": [[[1, "BANK_A"]]]},
            "Payments: a payment is [1, 'BANK_A']; expected [tick, sender, receiver, amount].",
        ),
        (
            {"days": [[[1, "BANK_A", "BANK_B", 1.5]]]},
            "Payments: day 1: a payment has tick 1 and amount 1.5; expected whole numbers, 1 cent or more.",
        ),
        ({"smaples": 5}, "Payments: unknown setting 'smaples'; did you mean 'samples'?"),
    ],
)  # fmt: skip
def test_each_mistake_is_one_sentence(change: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        PaymentsConfig.read(change)
    assert caught.value.problems == (said,)


def test_all_mistakes_come_at_once() -> None:
    with pytest.raises(ConfigurationError) as caught:
        PaymentsConfig.read({"samples": 0, "window": 0, "banks": []})
    assert len(caught.value.problems) == 3


def test_zero_is_a_value() -> None:
    config = PaymentsConfig(opening_liquidity=0, liquidity_bps=0, delay_bps=0, unsettled_bps=0)
    assert (config.opening_liquidity, config.rates.delay) == (0, 0)


@pytest.mark.parametrize(
    "config", [PaymentsConfig(), PaymentsConfig(banks=("BANK_A", "BANK_B"), days=(TWO.day,))]
)
def test_settings_are_plain_and_read_again(config: PaymentsConfig) -> None:
    assert PaymentsConfig.read(json.loads(json.dumps(config.as_settings()))) == config


def test_a_yaml_file(tmp_path: Path) -> None:
    path = tmp_path / "market.yaml"
    path.write_text("banks: [A, B]\nsamples: 4\ndays:\n- - [0, A, B, 500]\n  - [3, B, A, 200]\n")
    config = PaymentsConfig.load(path)
    assert config.banks == ("A", "B") and config.days[0][1].amount == 200
    assert payments(path).settings["payments"]["samples"] == 4


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("banks: [A, B", "not YAML"),
        ("- A\n- B\n", "a list; expected settings by name"),
        ("samples: none\n", "samples='none'; expected a whole number, 1 or more"),
        ("!!python/object/apply:os.system ['true']\n", "not YAML"),
        ("samples: 5\nsurprise: 1\n", "unknown setting 'surprise'"),
    ],
)
def test_a_bad_yaml_file_is_named(tmp_path: Path, content: str, said: str) -> None:
    path = tmp_path / "market.yaml"
    path.write_text(content)
    with pytest.raises(ConfigurationError) as caught:
        payments(path)
    assert len(caught.value.problems) == 1 and str(path) in str(caught.value) and said in str(caught.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="No such file"):
        payments(tmp_path / "none.yaml")


def test_an_empty_file_is_the_defaults(tmp_path: Path) -> None:
    (tmp_path / "e.yaml").write_text("")
    assert PaymentsConfig.load(tmp_path / "e.yaml") == PaymentsConfig()


@pytest.mark.parametrize(("told", "faults"), [(None, 0), (0, 0), (5, 0), (-1, 1), ("5", 1), (True, 1)])
def test_what_an_arm_is_told(told: Any, faults: int) -> None:
    experiment = payments(groups=(Group("Mine", settings={"earlier_proposals": told}),))
    assert len(list(check(experiment))) == faults
