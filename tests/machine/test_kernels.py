from __future__ import annotations

from typing import Any

import pytest

from cxr.machine.kernels import kernel


def test_a_kernel_that_cannot_be_cached_is_compiled_anyway(caplog: pytest.LogCaptureFixture) -> None:
    names: dict[str, Any] = {}
    exec(compile("def double(x):\n    return 2 * x\n", "<no file>", "exec"), names)
    assert kernel(names["double"])(21) == 42
    assert "NUMBA_CACHE_DIR" in caplog.text
