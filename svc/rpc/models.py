"""Models: what this server runs, the cards of it, and its errors by group."""

import asyncio
from typing import Any

from grpc.aio import ServicerContext

from equivox.v1 import models_pb2
from equivox.v1.models_pb2 import (
    GetCardRequest,
    GetCardResponse,
    GetFairnessReportRequest,
    GetFairnessReportResponse,
    ModelsListRequest,
    ModelsListResponse,
)
from equivox.v1.models_pb2_grpc import ModelsServicer as Contract
from svc.application import Application
from svc.errors import ModelNotFoundError
from svc.loaded_model import LoadedModel


class ModelsServicer(Contract):
    """equivox.v1.Models. All but the reports is in memory; those are read from their files, off the event loop."""

    def __init__(self, application: Application) -> None:
        self.application = application

    async def List(self, request: ModelsListRequest, context: ServicerContext[Any, Any]) -> ModelsListResponse:
        return ModelsListResponse(models=[from_loaded(model) for model in self.application.loaded])

    async def GetCard(self, request: GetCardRequest, context: ServicerContext[Any, Any]) -> GetCardResponse:
        return GetCardResponse(card_toml=self.named(request.name).card_toml)

    async def GetFairnessReport(
        self, request: GetFairnessReportRequest, context: ServicerContext[Any, Any]
    ) -> GetFairnessReportResponse:
        report = await asyncio.to_thread(self.application.fairness_report, self.named(request.name))
        return GetFairnessReportResponse(report_json=report.report_json, report_html=report.report_html)

    def named(self, name: str) -> LoadedModel:
        """Raises ModelNotFoundError."""
        for model in self.application.loaded:
            if model.name == name:
                return model
        known = ", ".join(model.name for model in self.application.loaded)
        raise ModelNotFoundError(f"no model or calibration named {name!r} is loaded; there are {known}", field="name")


def from_loaded(model: LoadedModel) -> models_pb2.LoadedModel:
    return models_pb2.LoadedModel(
        name=model.name,
        role=model.role,
        fingerprint=model.fingerprint,
        licence=model.licence,
        runtime=model.runtime,
    )
