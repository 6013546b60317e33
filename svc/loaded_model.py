"""What runs, as Models.List and Models.GetCard tell it: of each model and calibration its name, licence and card."""

import json
from dataclasses import dataclass, fields
from pathlib import Path

from svc.artifact import read_card
from svc.backends.lockfile import LockEntry
from svc.scoring.calibration import Calibration

TRANSCRIBER = "transcriber"
# Of the models that have but one; others tell theirs.
RUNTIME_OF = {"segmenter": "torch", TRANSCRIBER: "ctranslate2"}


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedModel:
    """A model or calibration in use."""

    name: str
    role: str
    fingerprint: str
    licence: str
    runtime: str
    card_toml: str
    # Where an audit of it may lie, the first one counts.
    audited_in: tuple[Path, ...] = ()


def loaded_entry(name: str, role: str, model: object, *, entry: LockEntry | None) -> LoadedModel:
    """Its entry in the lock file is its card; a model of the user's own has none."""
    return LoadedModel(
        name=name,
        role=role,
        fingerprint=getattr(model, "fingerprint", "") or (entry.sha256[:16] if entry else ""),
        licence=entry.licence if entry else "",
        runtime=getattr(model, "runtime", RUNTIME_OF.get(role, "onnxruntime")),
        card_toml=toml_of(entry) if entry else f"name = {json.dumps(name)}\nrole = {json.dumps(role)}\n",
    )


def loaded_artifact(folder: Path, role: str, fingerprint: str) -> LoadedModel:
    """A model of our own training: the artifact's card is its card."""
    read = read_card(folder)
    return LoadedModel(
        name=str(read.card.get("name", folder.name)),
        role=role,
        fingerprint=fingerprint,
        licence=str(read.card.get("licence", "")),
        runtime="torch",
        card_toml=read.card_toml,
    )


def loaded_calibration(calibration: Calibration) -> LoadedModel:
    return LoadedModel(
        name=calibration.calibration_id,
        role="calibration",
        fingerprint=calibration.model_fingerprint,
        licence=calibration.licence,
        runtime="none",
        card_toml=calibration.card_toml,
        audited_in=(calibration.folder,) if calibration.folder else (),
    )


def toml_of(entry: LockEntry) -> str:
    """A lock entry as TOML. JSON's strings and numbers are TOML's too."""
    plain = {name: getattr(entry, name) for name in ("name", "role", "description", "licence", "sha256", "bytes")}
    lines = [f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in plain.items()]
    for source in entry.sources:
        lines += ["", "[[sources]]", f"kind = {json.dumps(source.kind)}"]
        lines += [f"{part.name} = {json.dumps(getattr(source, part.name))}" for part in fields(source)]
    return "\n".join(lines) + "\n"
