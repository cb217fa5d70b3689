"""Every page of documentation: its examples run, its commands parse, its links lead somewhere."""

import doctest
import importlib.metadata
import re
import shlex
import sys
import tomllib
import types
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import warm
import yaml
from matplotlib.image import imread

import jumpgym
from jumpgym.adapters.registry import environment_id
from jumpgym.baselines import cli
from jumpgym.baselines.cli.main import make_parser
from jumpgym.baselines.runs.methods import METHODS

ROOT = Path(__file__).parents[1]
PAGES = (
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "envs/README.md",
    "agents/README.md",
    "baselines/README.md",
    "results/README.md",
)

every_page = pytest.mark.parametrize("page", PAGES)


class Block(NamedTuple):
    """A fenced block of a page."""

    page: str
    line: int  # of its first line, from 1
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def blocks() -> Iterator[Block]:
    """The fenced blocks of all pages, in order."""
    for page in PAGES:
        text = (ROOT / page).read_text()
        for match in re.finditer(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
            yield Block(page, text[: match.start(2)].count("\n") + 1, match[1], match[2])


BLOCKS = tuple(blocks())
SCRIPTS = [block for block in BLOCKS if block.language == "python" and ">>>" not in block.text]
COMMANDS = [block for block in BLOCKS if block.language == "sh"]


def test_all_blocks_have_a_language_that_is_checked():
    assert {block.language for block in BLOCKS} <= {"python", "sh", "text"}


@every_page
def test_the_examples_of_a_page(page, tmp_path, monkeypatch):
    """All examples of a page in one namespace, in an empty folder, as a reader would type them in."""
    examples = [block for block in BLOCKS if block.page == page and ">>>" in block.text]
    if not examples:
        pytest.skip("no examples")
    lines: list[str] = []
    for block in examples:
        lines += [""] * (block.line - 1 - len(lines)) + block.text.splitlines()
    (tmp_path / "results").symlink_to(ROOT / "results")
    monkeypatch.chdir(tmp_path)
    test = doctest.DocTestParser().get_doctest("\n".join(lines) + "\n", {}, page, str(ROOT / page), 0)
    runner = doctest.DocTestRunner()
    runner.run(test)
    assert runner.summarize(verbose=False).failed == 0


def run(script: str) -> None:
    """What ``python -c script`` does."""
    warnings.simplefilter("ignore")
    main = sys.modules["__main__"] = types.ModuleType("__main__")
    exec(compile(script, "<page>", "exec"), vars(main))


def output_of(script: str, folder: Path) -> str:
    """What a script prints in a process of its own; it skips the test if a library is missing."""
    code, output = warm.Process(run, script, folder=folder).finish()
    missing = re.findall(r"^(?:ModuleNotFound|Import)Error: .*$", output, re.MULTILINE)
    if code and missing:
        library = re.search(r"No module named '(\w+)", missing[-1])
        if library is None or library[1] not in sys.modules | {"jumpgym": None}:
            pytest.skip(f"not installed by .[dev], see constraints-peers.txt: {missing[-1]}")
    assert code == 0, output
    return output


@pytest.mark.parametrize("block", SCRIPTS, ids=str)
def test_the_scripts_of_the_pages(block, tmp_path):
    output = output_of(block.text, tmp_path)
    if "% above the optimum" in block.text:
        assert -0.1 < float(output.split()[0]) < 1.0
    for picture in tmp_path.glob("*.png"):
        shown = ROOT / "results" / "pictures" / picture.name
        difference = np.abs(imread(picture) - imread(shown))
        assert difference.mean() < 0.01, f"{shown} is not what {block} draws: copy the picture that it writes"


def test_the_method_on_the_page_is_that_of_the_example():
    example = (ROOT / "tests" / "examples" / "kiosk.py").read_text()
    (method,) = re.findall(r"^class LevelSearch:\n.*?\n(?=\n\n\S)", example, re.MULTILINE | re.DOTALL)
    assert method in (ROOT / "baselines" / "README.md").read_text()


def lines_of(text: str) -> list[list[str]]:
    """The words of each command of a shell block, comments left out."""
    lines = text.replace("\\\n", " ").splitlines()
    return [words for line in lines if (words := shlex.split(line, comments=True))]


CHEAP = {"list", "solve", "traces"}
"""Commands that take a second or two, which the tests run; of the others they parse the arguments."""


@pytest.mark.parametrize("block", COMMANDS, ids=str)
def test_the_commands_of_the_pages(block, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for words in lines_of(block.text):
        program, *arguments = words
        if program.endswith("python"):
            assert arguments[:2] in (["-m", "jumpgym"], ["-m", "pytest"])
            program, *arguments = arguments[1:]
        if program.removeprefix(".venv/bin/") == "jumpgym":
            args = make_parser().parse_args(arguments)
            env, methods = (getattr(args, name, None) or [] for name in ("env", "methods"))
            for name in [env] if isinstance(env, str) else env:
                assert ":" in name or environment_id(name) in jumpgym.ENVIRONMENTS
            assert all(":" in name or name in METHODS for name in methods)
            if args.command in CHEAP:
                assert cli.main(arguments) == 0, capsys.readouterr().err
        elif program == "make":
            assert set(arguments) <= targets
        elif program == "pip":
            extras = re.findall(r"\[([\w,]+)\]", " ".join(arguments))
            assert {name for extra in extras for name in extra.split(",")} <= project[
                "optional-dependencies"
            ].keys()
        else:
            assert program in {"git", "cd", "pytest", ".venv/bin/ruff"}, f"{block}: check this one too"


@every_page
def test_links_lead_somewhere(page):
    folder = (ROOT / page).parent
    text = re.sub(r"^```.*?^```$", "", (ROOT / page).read_text(), flags=re.MULTILINE | re.DOTALL)
    for target in re.findall(r"\]\(([^)]+)\)", text):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        linked = folder / path if path else ROOT / page
        assert linked.exists(), f"{page}: {target}"
        if anchor and linked.suffix == ".md":
            headings = re.findall(r"^#+ (.*)$", linked.read_text(), re.MULTILINE)
            anchors = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
            assert anchor in anchors, f"{page}: {target}"


def test_the_first_page_is_short():
    assert len((ROOT / "README.md").read_text().splitlines()) <= 180


@every_page
def test_figures_have_a_digit_before_the_point(page):
    assert not re.findall(r"(?<![\w./*])\.\d+(?![\w.])", (ROOT / page).read_text())


def test_the_citation_is_of_this_version():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["cff-version"] == "1.2.0"
    assert {"message", "title", "authors", "license", "references"} <= citation.keys()
    assert citation["version"] == jumpgym.__version__ == importlib.metadata.version("jumpgym")


def test_the_changelog_names_this_version():
    headings = re.findall(r"^## \[([^\]]+)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert headings[0] == "Unreleased"
    assert jumpgym.__version__ in headings
