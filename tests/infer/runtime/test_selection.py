from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from cxr.errors import ProviderError
from cxr.infer.runtime.providers import PROVIDERS, Provider, choose_provider
from cxr.infer.runtime.selection import BestSetting, load_best_setting, store_best_setting
from cxr.infer.runtime.session import Session
from cxr.models.card import ModelCard

HASH = "cd" * 32


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def test_stored_setting_is_loaded() -> None:
    best = BestSetting("openvino", 8, 12.5)
    store_best_setting(HASH, best)
    assert load_best_setting(HASH) == best
    assert load_best_setting("ef" * 32) is None


@pytest.mark.parametrize(
    "text",
    [
        b'{"provider":"tpu","batch_size":8,"rate":1.0}',
        b'{"provider":"cpu","batch_size":0,"rate":1.0}',
        b'{"provider":"cpu","batch_size":"8","rate":1.0}',
        b'{"provider":"cpu"}',
        b'{"provider":"\xff","batch_size":8,"rate":1.0}',
        b"",
    ],
)
def test_unusable_stored_setting_is_ignored_with_a_warning(
    text: bytes, model: Path, caplog: pytest.LogCaptureFixture
) -> None:
    model_hash = Session.open(model).model_hash
    store_best_setting(model_hash, BestSetting("cpu", 1, 1.0)).write_bytes(text)
    assert load_best_setting(model_hash) is None
    assert "run cxr bench again" in caplog.text
    session = Session.open(model, provider="auto")
    assert (session.provider, session.batch_size) == ("cpu", PROVIDERS["cpu"].batch_size)


@pytest.mark.skipif(sys.platform == "win32", reason="the stand-in for nvidia-smi is a shell script")
def test_gpus_are_queried_only_if_a_setting_is_stored_for_the_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool, queried = tmp_path / "nvidia-smi", tmp_path / "queried"
    tool.write_text(f"#!/bin/sh\necho > '{queried}'\necho a GPU, 1.0\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    assert load_best_setting(HASH) is None
    assert not queried.exists()
    store_best_setting("ef" * 32, BestSetting("cpu", 1, 1.0))
    queried.unlink()
    assert load_best_setting(HASH) is None
    assert not queried.exists()
    assert load_best_setting("ef" * 32) == BestSetting("cpu", 1, 1.0)
    assert queried.exists()


def test_setting_of_another_machine_is_not_used() -> None:
    path = store_best_setting(HASH, BestSetting("cpu", 1, 1.0))
    path.rename(path.with_name(f"{HASH[:32]}-{'0' * 16}.json"))
    assert load_best_setting(HASH) is None


def test_stored_provider_that_fails_is_skipped_with_a_warning(
    make_model: Callable[..., Path], card_of: Callable[..., ModelCard], caplog: pytest.LogCaptureFixture
) -> None:
    model = make_model(card=card_of(name="measured on a GPU"))
    store_best_setting(Session.open(model).model_hash, BestSetting("cuda", 32, 900.0))
    session = Session.open(model, provider="auto")
    assert (session.provider, session.batch_size) == ("cpu", PROVIDERS["cpu"].batch_size)
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert record.getMessage().startswith("falling back from cuda: ")


def test_auto_tries_the_stored_provider_and_then_the_usual_ones_once_each() -> None:
    tried: list[str] = []

    def fail(provider: Provider) -> None:
        tried.append(provider.name)
        raise ProviderError(provider.name)

    for best in ("openvino", "cuda"):
        with pytest.raises(ProviderError, match="cpu"):
            choose_provider("auto", fail, best=best)
    assert tried == ["openvino", "cuda", "cpu", "cuda", "cpu"]
