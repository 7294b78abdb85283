"""Options, fixtures and markers of other plugins and conftests keep working beside ours."""

from __future__ import annotations

import pytest

from harness.plugin import fixtures
from harness.plugin.option_names import long_form
from harness.plugin.selection import FIXTURES
from tests.support.sessions import LIGHT, SMALL

OPTIONS = """
    mode engine model model-base-url judge-model judge-base-url temperature env-file
    extractor-model corrector-model user-model model-option response-format seed
    call-timeout call-timeout-total connect-timeout first-token-timeout
    provider-seed prices concurrency workers results-dir out notebooks
    accept-differences resume fresh accept-changes
    accept-lost-journal strict-checks exploratory report estimate seconds-per-call function-timeout play-timeout
    sentry-content rpm tpm max-cost max-wait max-calls max-tokens batch
"""
NAMES = tuple(f"--{name}" for name in OPTIONS.split())
CLAIMS = f"""
def pytest_addoption(parser):
    for name in {NAMES!r}:
        parser.addoption(name, default="theirs")
"""
ORDINARY = f"""
def test_theirs(request):
    values = {{name: request.config.getoption(name) for name in {NAMES!r}}}
    assert values.pop("--seed") == "words"
    assert set(values.values()) == {{"theirs"}}
"""
OURS = ("--harness-results-dir=runs", "--harness-seed", "5", "--harness-mode=long")
SEED = SMALL + "\n\ndef test_seed(request):\n    assert request.config.getoption('harness_seed') == 3\n"


@pytest.fixture
def session(pytester: pytest.Pytester):
    def run(*args: str) -> pytest.RunResult:
        return pytester.runpytest_inprocess(*LIGHT, *args)

    return run


def claimed_by(place: str, pytester: pytest.Pytester, claims: str = CLAIMS) -> tuple[str, ...]:
    """Have all names defined in ``place``; arguments that load it."""
    if place == "a conftest":
        pytester.makeconftest(claims)
        return ()
    pytester.makepyfile(theirs=claims)
    pytester.syspathinsert()
    ours = ("-p", "harness.plugin", "-p", "no:harness")
    return (*ours, "-p", "theirs") if place == "a later plugin" else ("-p", "theirs")


def test_the_list_of_names_is_complete(session) -> None:
    shown = session("--help").stdout.str()
    registered = {word.split("=")[0].split("[")[0] for word in shown.split() if word.startswith("--harness-")}
    assert registered == set(map(long_form, NAMES))


def test_help_has_both_names_of_every_option(session) -> None:
    shown = " ".join(session("--help").stdout.str().split())
    for name in NAMES:
        assert f" {name}: " in shown, name


@pytest.mark.parametrize("place", ["a conftest", "an earlier plugin", "a later plugin"])
def test_names_that_others_define_are_theirs(place: str, pytester: pytest.Pytester, session) -> None:
    load = claimed_by(place, pytester)
    pytester.makepyfile(test_ordinary=ORDINARY, test_small=SMALL)
    session(*load, "--strict-markers", "--seed", "words", "test_ordinary.py").assert_outcomes(passed=1)
    result = session(*load, "-m", "experiment", "--seed", "words", "--results-dir", "away", *OURS)
    result.assert_outcomes(passed=6)
    assert (pytester.path / "runs").is_dir()
    assert not (pytester.path / "away").exists()
    result.stdout.fnmatch_lines(["*--seed*another plugin or conftest*--harness-seed*"])


def test_an_error_names_the_form_that_works(pytester: pytest.Pytester, session) -> None:
    claimed_by("a conftest", pytester)
    pytester.makepyfile(SMALL)
    result = session("-m", "experiment", "--harness-call-timeout=-3")
    result.stderr.fnmatch_lines(
        [
            "ERROR: --call-timeout -3: expected*",
            "--call-timeout is an option of another plugin or conftest here; *",
        ]
    )
    assert "--seed" not in result.stderr.str()
    session("-m", "experiment", "--nope").stderr.fnmatch_lines(
        ["*unrecognized arguments: --nope", "  harness: *"]
    )


@pytest.mark.parametrize(
    "args",
    [
        ("--seed", "3"),
        ("--seed=3", "--", "."),
        ("--fresh", "--seed=3", "--report", "--model-option", "a=1", "--model-option=b=2"),
        ("--harness-seed=3",),
        ("@args.txt",),
    ],
)
def test_short_names_work_where_experiments_are_selected(
    args: tuple[str, ...], pytester: pytest.Pytester, session
) -> None:
    pytester.makepyfile(SEED)
    (pytester.path / "args.txt").write_text("--seed\n3\n")
    session("-m", "experiment or not experiment", "-k", "test_seed", *args).assert_outcomes(passed=1)


def test_short_names_in_a_configuration_file_work(pytester: pytest.Pytester, session) -> None:
    pytester.makepyfile(SEED)
    pytester.makeini("[pytest]\naddopts = --seed 3 --results-dir runs")
    session("-m", "experiment or not experiment", "-k", "test_seed").assert_outcomes(passed=1)


def test_an_options_value_is_no_path_of_tests(pytester: pytest.Pytester, session) -> None:
    folder = pytester.mkdir("elsewhere")
    (folder / "conftest.py").write_text("raise RuntimeError('loaded')")
    pytester.makepyfile(test_small=SEED)
    result = session(
        "-m", "experiment", "test_small.py", "--results-dir", folder.name, "--seed=3", "-k", "Control"
    )
    result.assert_outcomes(passed=1)


def test_nothing_after_two_dashes_is_an_option(pytester: pytest.Pytester, session) -> None:
    pytester.makepyfile(SEED)
    session("-m", "experiment", "--", "--seed").stderr.fnmatch_lines(["*: --seed"])


def test_short_names_are_unknown_where_no_experiment_is_selected(pytester: pytest.Pytester, session) -> None:
    pytester.makepyfile("def test_theirs(): pass")
    session("--seed=3").stderr.fnmatch_lines(["*unrecognized arguments: --seed=3"])
    session("--harness-seed=3").assert_outcomes(passed=1)


def test_fixtures_are_offered_to_experiments_alone(pytester: pytest.Pytester, session) -> None:
    offered = {
        name for name, value in vars(fixtures).items() if type(value).__name__ == "FixtureFunctionDefinition"
    }
    assert {name for name in offered if not name.startswith("_")} == FIXTURES
    pytester.makepyfile("def test_theirs(): pass")
    assert "fixtures defined from harness" not in session("--fixtures").stdout.str()


def test_a_marker_of_the_same_name_is_theirs(pytester: pytest.Pytester, session) -> None:
    pytester.makeini("[pytest]\nmarkers = experiment: theirs")
    pytester.makepyfile(
        SMALL
        + """

@pytest.fixture
def engine():
    return "steam"


@pytest.mark.experiment
def test_engine(engine):
    assert engine == "steam"


@pytest.mark.experiment("7")
@pytest.mark.parametrize("group", "ab")
def test_group(group):
    assert group in "ab"
"""
    )
    session("--strict-markers").assert_outcomes(passed=3, deselected=1)


EVERY_KIND_OF_NAME = f"""
import pytest

NAMES, FIXTURES = {NAMES!r}, {sorted(FIXTURES)!r}


def pytest_addoption(parser):
    for name in NAMES:
        parser.addoption(name, default="theirs")
        for ini in {{name[2:].replace("-", "_"), name[2:], "harness_" + name[2:].replace("-", "_")}}:
            parser.addini(ini, "theirs", default="their default")


def pytest_configure(config):
    for name in FIXTURES:
        config.addinivalue_line("markers", name + ": theirs")


for name in FIXTURES:
    globals()[name] = pytest.fixture(name=name)(lambda: "their fixture")
"""
THEIR_TEST = f"""
import pytest

NAMES, FIXTURES = {NAMES!r}, {sorted(FIXTURES)!r}


@pytest.mark.parametrize("name", FIXTURES)
def test_fixture(name, request):
    request.node.add_marker(getattr(pytest.mark, name))
    assert request.getfixturevalue(name) == "their fixture"


@pytest.mark.parametrize("name", NAMES)
def test_option(name, request):
    assert request.config.getoption(name) == "theirs"
    for prefix in ("", "harness_"):
        assert request.config.getini(prefix + name[2:].replace("-", "_")) == "their default"
"""


@pytest.mark.parametrize("place", ["a conftest", "an earlier plugin", "a later plugin"])
@pytest.mark.parametrize(
    "options",
    [
        ("--strict-markers", "--strict-config"),
        *(
            ("-p", f"no:{name}")
            for name in ("cacheprovider", "terminal", "logging", "repeat", "rerunfailures")
        ),
        ("-n", "1"),
    ],
    ids=" ".join,
)
def test_every_name_of_ours_may_be_theirs(
    place: str, options: tuple[str, ...], pytester: pytest.Pytester, session, monkeypatch: pytest.MonkeyPatch
) -> None:
    if options[0] == "-n":
        pytest.importorskip("xdist")
        monkeypatch.setenv("PYTHONPATH", str(pytester.path))  # of worker processes
    load = claimed_by(place, pytester, EVERY_KIND_OF_NAME)
    pytester.makepyfile(test_ordinary=THEIR_TEST)
    run = session if options[0] != "-n" else pytester.runpytest_subprocess
    result = run(*load, *options)
    assert result.ret == 0, result.stdout.str() + result.stderr.str()
    if "no:terminal" not in options:
        result.assert_outcomes(passed=len(NAMES) + len(FIXTURES))


@pytest.mark.parametrize(
    "plugin",
    ["terminal", "capture", "logging", "cacheprovider", "repeat", "rerunfailures", "xdist", "harness"],
)
def test_a_session_without_a_plugin_is_as_before(plugin: str, pytester: pytest.Pytester, session) -> None:
    pytester.makepyfile("def test_theirs(): pass")
    assert session("-p", f"no:{plugin}", "--strict-markers", "--strict-config").ret == 0


def test_xdist_workers_have_the_options(pytester: pytest.Pytester, session) -> None:
    pytest.importorskip("xdist")
    claimed_by("a conftest", pytester)
    pytester.makepyfile(SEED.replace("== 3", "== 5"))
    result = session(
        "-n1",
        "-m",
        "experiment or not experiment",
        "--seed",
        "words",
        "-k",
        "test_seed or Control",
        *OURS,
    )
    result.assert_outcomes(passed=4)
