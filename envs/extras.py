"""What to install, said where a part of the package needs more than the environments do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def needs_extra(module: str, extra: str) -> Iterator[None]:
    """Imports of ``module`` that need the dependencies of an extra of this package.

    Raises:
        ModuleNotFoundError: if a dependency is missing, naming the extra to install.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing in ("", "jumpgym"):
            raise
        raise ModuleNotFoundError(
            f"{module} needs {missing}, which is not installed: pip install 'jumpgym[{extra}]'",
            name=error.name,
        ) from error
