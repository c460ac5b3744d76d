from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from cxr.errors import ProviderError
from cxr.infer.runtime.providers import PROVIDERS, Provider, choose
from cxr.infer.runtime.selection import Best, recall, remember
from cxr.infer.runtime.session import Session
from cxr.models.card import ModelCard

HASH = "cd" * 32


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def test_what_was_remembered_is_recalled() -> None:
    best = Best("openvino", 8, 12.5)
    remember(HASH, best)
    assert recall(HASH) == best
    assert recall("ef" * 32) is None


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
def test_an_entry_that_no_run_could_use_is_left_aside_and_said(
    text: bytes, model: Path, caplog: pytest.LogCaptureFixture
) -> None:
    model_hash = Session.open(model).model_hash
    remember(model_hash, Best("cpu", 1, 1.0)).write_bytes(text)
    assert recall(model_hash) is None
    assert "run cxr bench again" in caplog.text
    session = Session.open(model, provider="auto")
    assert (session.provider, session.batch_size) == ("cpu", PROVIDERS["cpu"].batch_size)


@pytest.mark.skipif(sys.platform == "win32", reason="the stand-in for nvidia-smi is a shell script")
def test_cards_are_asked_for_only_where_something_was_remembered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool, asked = tmp_path / "nvidia-smi", tmp_path / "asked"
    tool.write_text(f"#!/bin/sh\necho > '{asked}'\necho a card, 1.0\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    assert recall(HASH) is None
    assert not asked.exists()
    remember("ef" * 32, Best("cpu", 1, 1.0))
    asked.unlink()
    assert recall(HASH) is None
    assert not asked.exists()
    assert recall("ef" * 32) == Best("cpu", 1, 1.0)
    assert asked.exists()


def test_another_machine_s_best_is_not_this_one_s() -> None:
    path = remember(HASH, Best("cpu", 1, 1.0))
    path.rename(path.with_name(f"{HASH[:32]}-{'0' * 16}.json"))
    assert recall(HASH) is None


def test_a_remembered_provider_that_fails_is_said(
    make_model: Callable[..., Path], card_of: Callable[..., ModelCard], caplog: pytest.LogCaptureFixture
) -> None:
    model = make_model(card=card_of(name="benched on a card"))
    remember(Session.open(model).model_hash, Best("cuda", 32, 900.0))
    session = Session.open(model, provider="auto")
    assert (session.provider, session.batch_size) == ("cpu", PROVIDERS["cpu"].batch_size)
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert record.getMessage().startswith("falling back from cuda: ")


def test_after_a_remembered_provider_come_the_usual_ones_without_repeats() -> None:
    tried: list[str] = []

    def fail(provider: Provider) -> None:
        tried.append(provider.name)
        raise ProviderError(provider.name)

    for best in ("openvino", "cuda"):
        with pytest.raises(ProviderError, match="cpu"):
            choose("auto", fail, best=best)
    assert tried == ["openvino", "cuda", "cpu", "cuda", "cpu"]
