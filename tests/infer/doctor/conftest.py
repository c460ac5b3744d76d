from __future__ import annotations

import os
import sysconfig

import pytest


@pytest.fixture(autouse=True)
def activated_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put this environment's pip first on the path, so that commands begin with `pip`."""
    monkeypatch.setenv("PATH", f"{sysconfig.get_path('scripts')}{os.pathsep}{os.environ['PATH']}")
