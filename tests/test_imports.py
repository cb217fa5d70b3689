"""The order of the house: which folder may import which, no circles, and nothing that packaging forgets.

All files are parsed, not imported, so that imports inside functions and under ``TYPE_CHECKING`` count too.
"""

import ast
import fnmatch
import functools
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = {"jumpgym": "envs", "jumpgym.agents": "agents", "jumpgym.baselines": "baselines"}
"""The folder of each of the three packages, as ``package-dir`` in pyproject.toml maps them."""

SETUPTOOLS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]


def module_name(path: Path) -> str:
    """The import name of a source file, such as ``jumpgym.agents.base``; the folder's for ``__init__.py``."""
    folder, *parts = path.relative_to(ROOT).with_suffix("").parts
    package = next(name for name, top in FOLDERS.items() if top == folder)
    return ".".join([package, *parts]).removesuffix(".__init__")


SOURCES = {module_name(path): path for top in FOLDERS.values() for path in sorted((ROOT / top).rglob("*.py"))}
"""All source files by import name."""


def imports(module: str) -> set[str]:
    """The modules that a source file names in its import statements, ours by the file that is meant."""
    path = SOURCES[module]
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    targets = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            targets |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")[: len(package.split(".")) + 1 - node.level] if node.level else []
            source = ".".join([*parents, *([node.module] if node.module else [])])
            names = {f"{source}.{alias.name}" for alias in node.names}
            submodules = names & SOURCES.keys()
            targets |= submodules if names == submodules else submodules | {source}
    return targets - {module}


@functools.cache
def all_imports() -> dict[str, set[str]]:
    """The imports of every source file."""
    return {module: imports(module) for module in SOURCES}


def room(module: str) -> str:
    """The top folder of one of our modules."""
    return SOURCES[module].relative_to(ROOT).parts[0]


def within(target: str, *packages: str) -> bool:
    """Whether a module is one of ``packages`` or lies in one."""
    return any(target == package or target.startswith(f"{package}.") for package in packages)


COMMAND_LINE_DOOR = "jumpgym.__main__"
"""``python -m jumpgym`` starts the command line. Nothing imports this file, so all others keep the rule."""


@pytest.mark.parametrize(
    ("folder", "forbidden"),
    [
        ("envs", ("jumpgym.agents", "jumpgym.baselines", "torch", "jax", "stable_baselines3", "sb3_contrib")),
        ("agents", ("jumpgym.baselines", "stable_baselines3", "sb3_contrib")),
    ],
)
def test_imports_point_one_way(folder, forbidden):
    wrong = [
        f"{module} imports {target}"
        for module, targets in all_imports().items()
        if room(module) == folder and module != COMMAND_LINE_DOOR
        for target in sorted(targets)
        if within(target, *forbidden)
    ]
    assert not wrong, f"{folder}/ must not import {', '.join(forbidden)}"
    assert COMMAND_LINE_DOOR not in set().union(*all_imports().values())


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """The groups of nodes that reach one another, by Tarjan's algorithm."""
    order: dict[str, int] = {}
    lowest: dict[str, int] = {}
    stack: list[str] = []
    groups: list[list[str]] = []

    def visit(node: str) -> None:
        order[node] = lowest[node] = len(order)
        stack.append(node)
        for target in sorted(graph[node]):
            if target not in order:
                visit(target)
                lowest[node] = min(lowest[node], lowest[target])
            elif target in stack:
                lowest[node] = min(lowest[node], order[target])
        if lowest[node] == order[node]:
            group = stack[stack.index(node) :]
            del stack[stack.index(node) :]
            if len(group) > 1:
                groups.append(sorted(group))

    for node in sorted(graph):
        if node not in order:
            visit(node)
    return groups


def test_circles_are_found():
    graph = {"a": {"b"}, "b": {"c"}, "c": {"b", "d"}, "d": set()}
    assert circles(graph) == [["b", "c"]]


def circles_of_files() -> list[list[str]]:
    return circles({module: targets & SOURCES.keys() for module, targets in all_imports().items()})


def test_no_file_imports_itself_through_others():
    assert not circles_of_files()


@pytest.mark.parametrize("folder", FOLDERS.values())
def test_few_files_lie_loose(folder):
    loose = sorted(path.name for path in (ROOT / folder).glob("*.py"))
    assert len(loose) <= 14, f"move some of these into folders that say what they are about: {loose}"


def test_packages_names_every_folder():
    folders = {module for module, path in SOURCES.items() if path.name == "__init__.py"}
    assert folders == set(SETUPTOOLS["packages"])
    assert SETUPTOOLS["package-dir"] == FOLDERS
    without = {path.parent for path in SOURCES.values()} - {SOURCES[folder].parent for folder in folders}
    assert not without, "folders with sources but without an __init__.py"


DOCUMENTS = {"README.md"}
"""Files for readers of the repository, which nothing reads at run time."""


def test_package_data_covers_every_file_that_is_no_source():
    forgotten = []
    for package, folder in FOLDERS.items():
        for path in (ROOT / folder).rglob("*"):
            if path.is_dir() or path.suffix in (".py", ".pyc") or path.name in DOCUMENTS:
                continue
            owner = next(parent for parent in path.parents if (parent / "__init__.py").exists())
            name = ".".join([package, *owner.relative_to(ROOT / folder).parts])
            patterns = SETUPTOOLS["package-data"].get(name, [])
            if not any(fnmatch.fnmatch(path.relative_to(owner).as_posix(), pattern) for pattern in patterns):
                forgotten.append(str(path.relative_to(ROOT)))
    assert not forgotten, "add these to package-data in pyproject.toml"


def test_every_pattern_of_package_data_matches_a_file():
    for package, patterns in SETUPTOOLS["package-data"].items():
        for pattern in patterns:
            assert list(SOURCES[package].parent.glob(pattern)), f"{package}: {pattern}"
