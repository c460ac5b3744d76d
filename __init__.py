"""`cxr`: measure lesions on chest radiographs, from training to a table one can trust.

The names below load their modules on first use; importing `cxr` itself imports neither torch nor
onnxruntime. It turns off the telemetry of the packages that it uses (`cxr doctor` shows the state).

Examples
--------
>>> import cxr
>>> model = cxr.load("model.onnx")  # doctest: +SKIP
>>> result = model("image.png")  # doctest: +SKIP
>>> run = cxr.infer_folder("images/", model=model, out="results/")  # doctest: +SKIP
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .machine.telemetry import disable_telemetry

disable_telemetry()  # before anything imports onnxruntime

if TYPE_CHECKING:
    from .analysis.records import AnalysisSummary
    from .analysis.run import analyze_features
    from .data.datasets.open import open_dataset
    from .data.decode.reader import read_image
    from .data.image import Radiograph
    from .data.sample.write import make_sample
    from .errors import CxrError, DecodeError, InputError, ModelError, OutputError, ProviderError
    from .export.run import ExportSummary, export_model
    from .infer.bench.compare import bench_models
    from .infer.config import InferConfig
    from .infer.evaluate.config import EvaluateConfig
    from .infer.evaluate.records import Evaluation
    from .infer.evaluate.run import evaluate_model
    from .infer.features import measure
    from .infer.mask_folder.config import MeasureConfig
    from .infer.mask_folder.run import measure_folder
    from .infer.mask_folder.summary import MeasureSummary
    from .infer.model import Model, load
    from .infer.outputs.summary import RunSummary
    from .infer.result import Result
    from .infer.run import infer_folder
    from .infer.runtime.session import Session
    from .models.card import ModelCard
    from .models.file.verify import verify_model
    from .train.config import TrainConfig
    from .train.run import train_model
    from .train.run_folder import TrainResult

_HOME = {
    "AnalysisSummary": ".analysis.records",
    "CxrError": ".errors",
    "DecodeError": ".errors",
    "EvaluateConfig": ".infer.evaluate.config",
    "Evaluation": ".infer.evaluate.records",
    "ExportSummary": ".export.run",
    "InferConfig": ".infer.config",
    "InputError": ".errors",
    "MeasureConfig": ".infer.mask_folder.config",
    "MeasureSummary": ".infer.mask_folder.summary",
    "Model": ".infer.model",
    "ModelCard": ".models.card",
    "ModelError": ".errors",
    "OutputError": ".errors",
    "ProviderError": ".errors",
    "Radiograph": ".data.image",
    "Result": ".infer.result",
    "RunSummary": ".infer.outputs.summary",
    "Session": ".infer.runtime.session",
    "TrainConfig": ".train.config",
    "TrainResult": ".train.run_folder",
    "analyze_features": ".analysis.run",
    "bench_models": ".infer.bench.compare",
    "evaluate_model": ".infer.evaluate.run",
    "export_model": ".export.run",
    "infer_folder": ".infer.run",
    "load": ".infer.model",
    "make_sample": ".data.sample.write",
    "measure": ".infer.features",
    "measure_folder": ".infer.mask_folder.run",
    "open_dataset": ".data.datasets.open",
    "read_image": ".data.decode.reader",
    "train_model": ".train.run",
    "verify_model": ".models.file.verify",
}

__all__ = [
    "AnalysisSummary",
    "CxrError",
    "DecodeError",
    "EvaluateConfig",
    "Evaluation",
    "ExportSummary",
    "InferConfig",
    "InputError",
    "MeasureConfig",
    "MeasureSummary",
    "Model",
    "ModelCard",
    "ModelError",
    "OutputError",
    "ProviderError",
    "Radiograph",
    "Result",
    "RunSummary",
    "Session",
    "TrainConfig",
    "TrainResult",
    "analyze_features",
    "bench_models",
    "evaluate_model",
    "export_model",
    "infer_folder",
    "load",
    "make_sample",
    "measure",
    "measure_folder",
    "open_dataset",
    "read_image",
    "train_model",
    "verify_model",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("cxr")
    if name not in _HOME:
        raise AttributeError(f"module 'cxr' has no attribute {name!r}")
    return getattr(import_module(_HOME[name], __name__), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
