"""Without the dependencies of an extra, an error says what to install."""

import subprocess
import sys

import pytest

from jumpgym.extras import needs_extra

CASES = [
    ("jumpgym.agents", "torch", "agents"),
    ("jumpgym.baselines", "yaml", "baselines"),
    ("jumpgym.baselines.sb3", "stable_baselines3", "baselines"),
]

CODE = f"""
import importlib
import sys
from importlib.abc import MetaPathFinder

class Missing(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == missing:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

import jumpgym.wrappers
sys.meta_path.insert(0, Missing())
for module, missing, _ in {CASES}:
    assert missing not in sys.modules
    try:
        importlib.import_module(module)
    except ModuleNotFoundError as error:
        print(error)
"""


def test_a_missing_dependency_names_the_extra():
    """In one new process, since Python keeps what it has imported."""
    output = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True).stdout
    messages = [
        f"needs {missing}, which is not installed: pip install 'jumpgym[{extra}]'"
        for _, missing, extra in CASES
    ]
    assert len(output.splitlines()) == len(messages)
    for line, message in zip(output.splitlines(), messages, strict=True):
        assert message in line


def test_other_errors_pass_as_they_are():
    with pytest.raises(ModuleNotFoundError, match="jumpgym"), needs_extra("a", "b"):
        import jumpgym.nothing  # noqa: F401
