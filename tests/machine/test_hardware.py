from __future__ import annotations

import platform
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import pytest

from cxr.infer.runtime.session import Session
from cxr.machine.hardware import int8_saturates
from cxr.models.card import ModelCard, Precision, Quantization


@pytest.mark.parametrize(
    ("machine", "vnni", "saturates"),
    [("x86_64", False, True), ("AMD64", False, True), ("x86_64", True, False), ("aarch64", False, False)],
)
def test_int8_products_saturate_on_x86_without_vnni(
    machine: str, vnni: bool, saturates: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platform, "machine", lambda: machine)
    monkeypatch.setattr("cxr.machine.hardware.has_vnni", lambda: vnni)
    assert int8_saturates() is saturates


@pytest.mark.parametrize(
    ("precision", "method", "saturates", "warned"),
    [
        (Precision.INT8, "minmax u8s8", True, True),
        (Precision.INT8, "minmax u8s8", False, False),
        (Precision.INT8, "minmax u8s7, head in float", True, False),
        (Precision.FP16, "fp16", True, False),
    ],
)
def test_a_model_whose_int8_products_may_saturate_here_gives_a_warning(
    precision: Precision,
    method: str,
    saturates: bool,
    warned: bool,
    make_model: Callable[..., Path],
    card_of: Callable[..., ModelCard],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(import_module("cxr.infer.runtime.session"), "int8_saturates", lambda: saturates)
    made = Quantization(method, 100, 0.0, 2.0, "cpu")
    Session.open(make_model(card=card_of(precision=precision, quantization=made)))
    assert ("without VNNI, so masks may differ" in caplog.text) is warned
