"""Upgrade model cards of earlier schema versions, which spell some JSON keys differently."""

from __future__ import annotations

from typing import Any

# Schema 1 to 2: the new spelling of each key, by the object that holds it ("" is the card itself).
_SCHEMA_2 = {
    "": {"normalisation": "normalization", "licence": "license", "quantisation": "quantization"},
    "training": {"pictures": "images", "validation_pictures": "validation_images", "licence": "license"},
    "parity": {"pictures": "images"},
    "quantization": {"calibration_pictures": "calibration_images"},
}


def upgrade(card: Any) -> Any:
    """Convert a decoded card of schema 1 to the current schema; anything else is returned unchanged."""
    if not isinstance(card, dict) or card.get("schema") != 1:
        return card
    renamed = _rename(card, _SCHEMA_2[""]) | {"schema": 2}
    for name, keys in _SCHEMA_2.items():
        if isinstance(inner := renamed.get(name), dict):
            renamed[name] = _rename(inner, keys)
    return renamed


def _rename(values: dict[str, Any], keys: dict[str, str]) -> dict[str, Any]:
    return {keys.get(key, key): value for key, value in values.items()}
