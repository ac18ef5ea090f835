"""Contents of zoo-mlflow: the logger `mlflow`. Imports no mlflow."""

from __future__ import annotations

from zoo_core import LoggerSpec, hookimpl


@hookimpl
def zoo_loggers() -> list[LoggerSpec]:
    return [
        LoggerSpec(
            name="mlflow",
            summary="Runs in MLflow: parameters, metrics, pictures, texts, the record, and the model with --save",
            target="a tracking URI, by default MLFLOW_TRACKING_URI or else sqlite:///mlflow.db",
            needs=("mlflow",),
            entry="zoo_mlflow.logger:MlflowLogger",
        )
    ]
