"""What one training step of a transcriber computes: a batch in, named losses out. The stage decides what is trained."""

import torch
from torch import Tensor, nn

from svc.models.attention_encoder import POSITION_RING
from svc.models.transcriber import Transcriber, TranscriberOutput
from training.data.batches import Batch
from training.losses.auxiliary import MeanCount, alone
from training.losses.transcriber_loss import LossTerms, transcriber_loss
from training.transcriber_recipe import Stage

# With either a step takes less time in bfloat16.
FAST_IN_BF16 = ("amx_bf16", "avx512_bf16")


class TrainingStep(nn.Module):
    """The transcriber and its losses as one module, so that its gradients can be averaged over processes.

    Shapes: B mixtures, C = 2 channels, T mel frames, T' encoder frames, M mels, D encoder width.
    """

    def __init__(self, model: Transcriber, mean_count: MeanCount = alone) -> None:
        super().__init__()
        self.model = model
        self.mean_count = mean_count

    def forward(self, batch: Batch, stage: Stage) -> LossTerms:
        """(B, T, M) mixtures and their targets -> losses."""
        separated: tuple[TranscriberOutput, Batch] | None = None
        if stage.trains == "separator":
            output = self.model.separate_whole(batch.mels)
        elif stage.trains == "recogniser":
            # Where nobody is talked over all speech is on channel 0, and the mixture is its own separation.
            batch = batch.first_channel()
            offset = _anywhere_on_the_ring(batch.mels)
            output = self.model.recognise_whole(batch.mels[:, None], offset, cohorts=batch.cohorts)
        elif stage.silent_share < 1:
            separated = self.model.separate_whole(batch.mels), batch
            rows = _channels_to_hear(batch.target_lengths.flatten(), stage.silent_share)
            batch = batch.channels(rows)
            heard = separated[0].masked.flatten(0, 1)[rows][:, None]
            offset = _anywhere_on_the_ring(batch.mels)
            output = self.model.recognise_whole(heard, offset, cohorts=batch.cohorts)
        else:
            output = self.model(batch.mels, _anywhere_on_the_ring(batch.mels), cohorts=batch.cohorts)
        return transcriber_loss(
            output,
            batch,
            joint_logits=self.model.joint_logits,
            joint_nodes=self.model.joint_nodes,
            config=stage.losses,
            separated=separated,
            mean_count=self.mean_count,
        )


def _channels_to_hear(target_lengths: Tensor, silent_share: float) -> Tensor:
    """(B * C,) -> the indices of channels somebody speaks on, and of some of the others; never none."""
    kept = (target_lengths > 0) | (torch.rand(len(target_lengths), device=target_lengths.device) < silent_share)
    kept[0] = True
    return kept.nonzero().squeeze(1)


def _anywhere_on_the_ring(mels: Tensor) -> Tensor:
    """(B,) random starts: a stream's positions go round every 30 s, so no position may mean anything."""
    return torch.randint(POSITION_RING, (len(mels),), device=mels.device)


def bf16_pays(precision: str, device: torch.device) -> bool:
    """Whether to compute in bfloat16: as told, or where the processor multiplies it faster than float32."""
    if precision != "auto":
        return precision == "bf16"
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    has = torch.cpu.get_capabilities()
    return any(has.get(instructions) for instructions in FAST_IN_BF16)
