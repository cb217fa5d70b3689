"""Without the dependencies of an extra, an error says what to install."""

import subprocess
import sys

import pytest

from jumpgym.extras import needs_extra

CODE = """
import sys
from importlib.abc import MetaPathFinder

class Missing(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "{missing}":
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Missing())
import jumpgym.wrappers
try:
    import {module}
except ModuleNotFoundError as error:
    print(error)
"""


@pytest.mark.parametrize(
    ("module", "missing", "extra"),
    [
        ("jumpgym.baselines", "yaml", "baselines"),
        ("jumpgym.baselines.sb3", "stable_baselines3", "baselines"),
        ("jumpgym.agents", "torch", "agents"),
    ],
)
def test_a_missing_dependency_names_the_extra(module, missing, extra):
    code = CODE.format(module=module, missing=missing)
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert f"needs {missing}, which is not installed: pip install 'jumpgym[{extra}]'" in output


def test_other_errors_pass_as_they_are():
    with pytest.raises(ModuleNotFoundError, match="jumpgym"), needs_extra("a", "b"):
        import jumpgym.nothing  # noqa: F401
