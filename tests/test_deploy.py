"""The deployment files against the code they configure."""

import json
import re
import tomllib
from dataclasses import fields, is_dataclass
from pathlib import Path

import pytest
import yaml

from svc.config import EquivoxConfig
from svc.rpc.telemetry import Metrics
from svc.typed_config import load_config

DEPLOY = Path(__file__).parents[1] / "deploy"
QUERIES = [
    *(
        target["expr"]
        for panel in json.loads((DEPLOY / "grafana/equivox.json").read_text())["panels"]
        for target in panel["targets"]
    ),
    *(
        rule["expr"]
        for group in yaml.safe_load((DEPLOY / "prometheus/alerts.yml").read_text())["groups"]
        for rule in group["rules"]
    ),
]


def test_the_example_config_is_accepted() -> None:
    config = load_config(EquivoxConfig, DEPLOY / "equivox.toml")
    assert config.models.offline
    assert config.server.tokens_file is not None


def test_the_example_config_shows_every_setting() -> None:
    text = (DEPLOY / "equivox.toml").read_text()
    tables = tomllib.loads(text)
    for table in fields(EquivoxConfig):
        kind = table.default_factory
        assert is_dataclass(kind)
        for setting in fields(kind):
            assert setting.name in tables[table.name] or f"# {setting.name} =" in text, setting.name


@pytest.mark.parametrize("query", QUERIES)
def test_dashboards_and_alerts_ask_for_metrics_that_exist(query: str) -> None:
    exposed = {family.name for family in Metrics().registry.collect()}
    for name in re.findall(r"\b(?:equivox|process)_\w+", query):
        assert re.sub(r"_(total|bucket|sum|count)$", "", name) in exposed


def test_the_cluster_waits_longer_than_the_server_drains() -> None:
    manifests = list(yaml.safe_load_all((DEPLOY / "kubernetes/equivox.yaml").read_text()))
    pod = next(manifest for manifest in manifests if manifest["kind"] == "StatefulSet")["spec"]["template"]["spec"]
    config = load_config(EquivoxConfig, DEPLOY / "equivox.toml")
    assert pod["terminationGracePeriodSeconds"] > config.server.drain_s


def test_services_and_volumes_of_the_compose_file_exist() -> None:
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    for service in compose["services"].values():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            made_by_hand = source in ("./secrets", "./tls")
            assert made_by_hand or source in compose["volumes"] or (DEPLOY / source).exists(), source
