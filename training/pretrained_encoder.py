"""Whisper's encoder as the start of ours: weights read from a CTranslate2 file, and a map between the two front ends.

Whisper (Radford et al. 2022) hears log10 mel energies of its own filterbank. Ours are natural logs of Kaldi's; an
affine map fitted on speech takes one to the other (R^2 0.98 over frames and mels), so the convolutions start where they
were trained. What stays different, attention over 40 ms chunks with bounded left context instead of 30 s windows, is
what fine-tuning is for.
"""

import struct
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from svc.audio.filterbank import Filterbank, FilterbankConfig
from svc.errors import ArtifactError
from svc.models.amortised_transformer import AmortisedTransformer
from svc.models.chunked_transformer import ChunkedTransformer
from svc.types import FloatArray

Array = npt.NDArray[np.float64]
# CTranslate2's codes of element types that appear here.
ELEMENTS = {0: np.float32, 1: np.int8, 2: np.int16, 3: np.int32, 4: np.float16}
FORMAT_VERSION = 6
WHISPER_FFT, WHISPER_HOP = 400, 160
RIDGE = 1e-5


def read_ctranslate2(path: Path) -> dict[str, npt.NDArray[np.generic]]:
    """All variables of a CTranslate2 model.bin by name. Raises ArtifactError for another format."""
    with path.open("rb") as file:
        version, spec = _number(file, "I"), _text(file)
        if version != FORMAT_VERSION:
            raise ArtifactError(f"{path} is a {spec} file of format {version}, only {FORMAT_VERSION} can be read")
        _revision, num_variables = _number(file, "I"), _number(file, "I")
        return dict(_variable(file) for _ in range(num_variables))


def whisper_log_mels(samples: FloatArray, filters: FloatArray) -> FloatArray:
    """(N,) at 16 kHz and Whisper's filters (M, F) -> (T, M): its features, but for the clamp at 8 below the maximum.

    A stream does not know its maximum.
    """
    window = np.hanning(WHISPER_FFT + 1)[:-1].astype(np.float32)
    padded = np.pad(samples, WHISPER_FFT // 2, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, WHISPER_FFT)[::WHISPER_HOP]
    power = np.abs(np.fft.rfft(frames * window, axis=1)) ** 2  # (T, F)
    return np.asarray((np.log10(np.maximum(power @ filters.T, 1e-10)) + 4) / 4, np.float32)


def fit_input_map(clips: Iterable[FloatArray], filters: FloatArray) -> tuple[Array, Array]:
    """Clips (N,) at 16 kHz -> map (M, M) and bias (M,): Whisper's log-mels ~ map @ ours + bias, least squares."""
    ours_of = Filterbank(FilterbankConfig())
    ours, theirs = [], []
    for samples in clips:
        kaldi, whisper = ours_of(samples), whisper_log_mels(samples, filters)
        # Our frame t is centred on sample 160 t + 200, theirs on 160 t.
        length = min(len(kaldi), len(whisper) - 2)
        ours.append(kaldi[:length])
        theirs.append(0.75 * whisper[1 : length + 1] + 0.25 * whisper[2 : length + 2])
    inputs = np.concatenate(ours).astype(np.float64)
    inputs = np.hstack([inputs, np.ones((len(inputs), 1))])  # (T, M + 1)
    ridge = RIDGE * len(inputs) * np.eye(inputs.shape[1])
    weights = np.linalg.solve(inputs.T @ inputs + ridge, inputs.T @ np.concatenate(theirs))
    return weights[:-1].T, weights[-1]


def start_from_whisper(
    encoder: ChunkedTransformer | AmortisedTransformer, model: Path, clips: Iterable[FloatArray], filters: FloatArray
) -> None:
    """Loads Whisper's encoder into one of the same sizes, whose arbitrators, if it has any, stay as they are.

    Raises ArtifactError when sizes differ, the number of layers and heads among them.
    """
    variables = read_ctranslate2(model)
    state = encoder.state_dict()
    heads = variables.get("encoder/num_heads")
    if heads is not None and int(heads) != encoder.config.num_heads:
        raise ArtifactError(f"{model} has {int(heads)} heads, the encoder {encoder.config.num_heads}: make them equal")
    matrix, bias = fit_input_map(clips, filters)
    loaded = _renamed(variables) | {"input_map": _tensor(matrix), "input_bias": _tensor(bias)}
    for name, value in loaded.items():
        if name not in state or state[name].shape != value.shape:
            ours = tuple(state[name].shape) if name in state else "absent"
            raise ArtifactError(f"{model}: {name} is {tuple(value.shape)}, in the encoder {ours}: make the sizes equal")
    if missing := [name for name in state.keys() - loaded.keys() if "_norm." in name]:
        raise ArtifactError(f"{model} has no {min(missing)}, which the encoder has: make the numbers of layers equal")
    encoder.load_state_dict(state | loaded)


def _renamed(variables: dict[str, npt.NDArray[np.generic]]) -> dict[str, Tensor]:
    """CTranslate2's names -> those of ChunkedTransformer; its fused projections cut into query, key and value."""
    given = {name.removeprefix("encoder/"): _tensor(value) for name, value in variables.items()}
    loaded = {
        f"{layer}.{part}": given[f"{layer}/{part}"] for layer in ("conv1", "conv2") for part in ("weight", "bias")
    }
    loaded |= _norm(given, "layer_norm", "final_norm")
    layers = {name.split("/")[0] for name in given if "/self_attention/" in name and name.startswith("layer_")}
    for layer in layers:
        loaded |= _block(given, layer, layer.replace("layer_", "blocks."))
    return loaded


def _block(given: dict[str, Tensor], theirs: str, ours: str) -> dict[str, Tensor]:
    fused, fused_bias = (given[f"{theirs}/self_attention/linear_0/{part}"].chunk(3) for part in ("weight", "bias"))
    loaded = {f"{ours}.{name}.weight": fused[index] for index, name in enumerate(("query", "key", "value"))}
    loaded |= {f"{ours}.query.bias": fused_bias[0], f"{ours}.value.bias": fused_bias[2]}  # keys have none
    for name, layer in (("out", "self_attention/linear_1"), ("up", "ffn/linear_0"), ("down", "ffn/linear_1")):
        loaded |= {f"{ours}.{name}.{part}": given[f"{theirs}/{layer}/{part}"] for part in ("weight", "bias")}
    loaded |= _norm(given, f"{theirs}/self_attention/layer_norm", f"{ours}.attention_norm")
    return loaded | _norm(given, f"{theirs}/ffn/layer_norm", f"{ours}.mlp_norm")


def _norm(given: dict[str, Tensor], theirs: str, ours: str) -> dict[str, Tensor]:
    return {f"{ours}.weight": given[f"{theirs}/gamma"], f"{ours}.bias": given[f"{theirs}/beta"]}


def _tensor(values: npt.NDArray[np.generic]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values, np.float32))


def _number(file: BinaryIO, code: str) -> int:
    (value,) = struct.unpack(f"<{code}", file.read(struct.calcsize(code)))
    return int(value)


def _text(file: BinaryIO) -> str:
    return file.read(_number(file, "H")).rstrip(b"\0").decode()


def _variable(file: BinaryIO) -> tuple[str, npt.NDArray[np.generic]]:
    name = _text(file)
    shape = [_number(file, "I") for _ in range(_number(file, "B"))]
    element = ELEMENTS[_number(file, "B")]
    return name, np.frombuffer(file.read(_number(file, "I")), element).reshape(shape)
