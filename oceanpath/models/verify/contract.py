"""Numerical contract checks of an aggregator. Each takes a model in eval mode and returns the violation, or "".

`batch` has features of the model's input dimension, and coordinates.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from oceanpath.bags.batch import Batch
from oceanpath.models import streaming
from oceanpath.models.base import BaseMIL

CLOSE = {torch.float32: 1e-5, torch.float64: 1e-10}


def ragged(lengths: list[int], dim: int, dtype: torch.dtype = torch.float32, seed: int = 0) -> Batch:
    """Standard normal bags of these lengths at random coordinates; equal for equal arguments."""
    generator = torch.Generator().manual_seed(seed)
    total = sum(lengths)
    features = torch.randn(total, dim, generator=generator, dtype=torch.float64).to(dtype)
    coords = torch.randint(0, 50_000, (total, 2), generator=generator, dtype=torch.int32)
    return Batch(features, torch.tensor([0, *lengths]).cumsum(0), coords)


@torch.no_grad()
def packed_padded_and_single_agree(model: BaseMIL, batch: Batch) -> str:
    """Embedding and attention of a bag are equal in a packed batch, in a padded batch, and for the bag alone."""
    h, mask, coords = batch.padded()
    packed, packed_attention = _both(model.forward_packed(batch, return_attention=True))
    padded, padded_attention = _both(model.forward_features(h, mask, coords, return_attention=True))
    if not packed.shape == padded.shape == (len(batch), model.embed_dim):
        return f"shapes {tuple(packed.shape)} packed, {tuple(padded.shape)} padded for embed_dim {model.embed_dim}"
    differences = {"packed and padded": packed - padded, "their attention": packed_attention - padded_attention[mask]}
    for i, (start, stop) in enumerate(batch.spans()):
        bag = Batch(batch.features[start:stop], torch.tensor([0, stop - start]), batch.coords[start:stop])  # type: ignore[index]  # it has coordinates
        single, attention = _both(model.forward_features(*_dense(bag), return_attention=True))
        differences |= {
            f"bag {i} single and packed": single[0] - packed[i],
            f"attention of bag {i}": attention[0] - padded_attention[i, : stop - start],
        }
    return _differences(differences, CLOSE[packed.dtype])


@torch.no_grad()
def streamed_and_whole_agree(model: BaseMIL, batch: Batch) -> str:
    """Embedding and attention of bags in blocks of one, three or five rows equal those of whole bags."""
    whole, attention = _both(model.forward_packed(batch, return_attention=True))
    differences: dict[str, Tensor] = {}
    for rows in (1, 3, 5):
        with streaming.limits(0, rows):
            streamed, weights = _both(model.forward_packed(batch, return_attention=True))
            without, _ = model.forward_packed(batch)
        if not (streamed.shape == without.shape == whole.shape and weights.shape == attention.shape):
            return f"streamed shapes {tuple(streamed.shape)} and {tuple(weights.shape)}"
        differences |= {f"whole and blocks of {rows}": whole - streamed, "their attention": attention - weights}
        differences |= {f"blocks of {rows} with and without attention": streamed - without}
    return _differences(differences, CLOSE[whole.dtype])


def checkpointing_keeps_gradients(model: BaseMIL, batch: Batch) -> str:
    """With and without `checkpoint`, and equal dropout: the same embedding and the same gradients."""
    results = []
    for checkpoint in (False, True):
        trained = copy.deepcopy(model).train()
        trained.checkpoint = checkpoint
        torch.manual_seed(0)
        embedding, _ = trained.forward_packed(batch)
        embedding.square().mean().backward()  # type: ignore[no-untyped-call]  # untyped in torch
        gradients = {k: p.grad for k, p in trained.named_parameters() if p.grad is not None}
        results.append(
            {"the embedding": embedding.detach()} | {f"the gradient of {k}": v for k, v in gradients.items()}
        )
    plain, checkpointed = results
    if plain.keys() != checkpointed.keys():
        return f"{', '.join(sorted(plain.keys() ^ checkpointed.keys()))} exists only with or only without checkpointing"
    return _differences({name: plain[name] - checkpointed[name] for name in plain}, CLOSE[batch.features.dtype])


@torch.no_grad()
def padding_never_matters(model: BaseMIL, batch: Batch) -> str:
    """More padding with large numbers, NaN or infinity changes no embedding and has no attention."""
    h, mask, coords = batch.padded()
    plain, _ = model.forward_features(h, mask, coords)
    more = torch.nn.functional.pad(mask, (0, 60))
    far = torch.nn.functional.pad(coords, (0, 0, 0, 60), value=-7) if coords is not None else None
    differences = {}
    for garbage in (1e6, float("nan"), float("inf")):
        wide = torch.nn.functional.pad(h, (0, 0, 0, 60))
        wide[~more] = garbage
        padded, attention = _both(model.forward_features(wide, more, far, return_attention=True))
        if attention[~more].any():
            return f"padding of {garbage} has attention"
        differences[f"with and without padding of {garbage}"] = plain - padded
    return _differences(differences, CLOSE[plain.dtype])


@torch.no_grad()
def other_bags_never_matter(model: BaseMIL, batch: Batch) -> str:
    """Changing the second bag changes its embedding and no other."""
    start, stop = list(batch.spans())[1]
    changed = batch.features.clone()
    changed[start:stop] = changed[start:stop].flip(-1) * 3 + 1
    before, _ = model.forward_packed(batch)
    after, _ = model.forward_packed(Batch(changed, batch.offsets, batch.coords))
    differences = (before - after).abs().amax(dim=1)
    if not differences[1] > 1e-4:
        return "the embedding of a changed bag did not change"
    others = torch.arange(len(batch)) != 1
    return _differences({"other bags before and after": differences[others]}, 1e-6)


@torch.no_grad()
def order_never_matters(model: BaseMIL, batch: Batch) -> str:
    """Reordering the patches, with their coordinates, changes neither the embedding nor the attention per patch."""
    if model.ordered:
        return ""
    h, mask, coords = batch.padded()
    order = torch.randperm(h.shape[1], generator=torch.Generator().manual_seed(h.shape[1]))
    moved = None if coords is None else coords[:, order]
    plain, attention = _both(model.forward_features(h, mask, coords, True))
    shuffled, shuffled_attention = _both(model.forward_features(h[:, order], mask[:, order], moved, True))
    return _differences(
        {
            "embeddings of two orders": plain - shuffled,
            "attention of two orders": attention[:, order] - shuffled_attention,
        },
        CLOSE[plain.dtype],
    )


@torch.no_grad()
def attention_is_a_distribution(model: BaseMIL, batch: Batch) -> str:
    """Attention is returned only if requested; it is not negative, is 0 on padding and sums to 1."""
    h, mask, coords = batch.padded()
    if model.forward_features(h, mask, coords)[1] is not None or model.forward_packed(batch)[1] is not None:
        return "attention is returned without being requested"
    for scale in (1e-3, 1.0, 1e4):
        _, attention = _both(model.forward_features(h * scale, mask, coords, return_attention=True))
        if attention.shape != mask.shape:
            return f"attention has shape {tuple(attention.shape)}, the bags {tuple(mask.shape)}"
        if not (attention >= 0).all() or attention[~mask].any():
            return f"attention is negative, NaN or on padding (features x {scale})"
        off = float((attention.sum(dim=1) - 1).abs().max())
        if not off <= 1e-5:
            return f"attention sums to 1 ± {off:.1e} (features x {scale})"
    return ""


@torch.no_grad()
def one_patch_works(model: BaseMIL, batch: Batch) -> str:
    """A bag of one patch has a finite embedding and attention 1."""
    first = Batch(batch.features[:1], torch.tensor([0, 1]), None if batch.coords is None else batch.coords[:1])
    embedding, attention = _both(model.forward_packed(first, return_attention=True))
    if not torch.isfinite(embedding).all():
        return "the embedding is not finite"
    return _differences({"attention and 1": attention - 1}, 1e-6)


def gradients_are_finite(model: BaseMIL, batch: Batch) -> str:
    """In training under bfloat16 autocast, with features × 1 and × 10⁴, every parameter has a finite gradient."""
    for scale in (1.0, 1e4):
        trained = copy.deepcopy(model).train()
        with torch.autocast(batch.features.device.type, torch.bfloat16):
            scaled = Batch(batch.features * scale, batch.offsets, batch.coords)
            embedding, attention = _both(trained.forward_packed(scaled, return_attention=True))
        if attention.dtype != torch.float32:
            return f"attention is {attention.dtype} under autocast"
        embedding.float().square().mean().backward()  # type: ignore[no-untyped-call]  # untyped in torch
        for name, parameter in trained.named_parameters():
            if parameter.grad is None:
                return f"{name} has no gradient"
            if not torch.isfinite(parameter.grad).all():
                return f"the gradient of {name} is not finite (features x {scale:g})"
    return ""


@torch.no_grad()
def softmax_is_float32(model: BaseMIL, batch: Batch) -> str:
    """Under bfloat16 autocast no softmax is in half precision: packed, padded and streamed, with and without attention.

    Fused attention of half-precision rows accumulates in float32 and is not seen as a softmax.
    """
    softmaxes = _Softmaxes()
    with torch.autocast(batch.features.device.type, torch.bfloat16), softmaxes:
        for wanted in (False, True):
            model.forward_packed(batch, wanted)
            h, mask, coords = batch.padded()
            model.forward_features(h, mask, coords, wanted)
            with streaming.limits(0, 3):
                model.forward_packed(batch, wanted)
    half = sorted(str(dtype) for dtype in softmaxes.dtypes - {torch.float32, torch.float64})
    return f"a softmax is in {', '.join(half)} under autocast" if half else ""


class _Softmaxes(TorchDispatchMode):  # type: ignore[no-untyped-call]  # untyped in torch
    """Dtypes of the results of every softmax within the context."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # untyped in torch
        self.dtypes: set[torch.dtype] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if func in (torch.ops.aten._softmax.default, torch.ops.aten._log_softmax.default):
            self.dtypes.add(result.dtype)
        return result


@torch.no_grad()
def half_precision_rows_are_read(model: BaseMIL, batch: Batch) -> str:
    """Rows in float16 have exactly the same embedding as the same numbers in the model's precision."""
    half = batch.features.half()
    embedding, _ = model.forward_packed(Batch(half, batch.offsets, batch.coords))
    wide, _ = model.forward_packed(Batch(half.to(batch.features.dtype), batch.offsets, batch.coords))
    return "" if torch.equal(embedding, wide) else "float16 rows have a different embedding"


@torch.no_grad()
def evaluation_is_repeatable(model: BaseMIL, batch: Batch) -> str:
    """Evaluation is repeatable, also for a frozen model in training mode; otherwise dropout has an effect."""
    if not torch.equal(model.forward_packed(batch)[0], model.forward_packed(batch)[0]):
        return "two evaluations differ"
    other = copy.deepcopy(model).train()
    if any(isinstance(part, torch.nn.Dropout) and part.p > 0 for part in other.modules()) and torch.equal(
        other.forward_packed(batch)[0], other.forward_packed(batch)[0]
    ):
        return "dropout has no effect in training"
    frozen = other.freeze().train()
    if not torch.equal(model.forward_packed(batch)[0], frozen.forward_packed(batch)[0]):
        return "a frozen model in training differs from evaluation"
    return "a frozen parameter requires a gradient" if any(p.requires_grad for p in frozen.parameters()) else ""


@torch.no_grad()
def coordinates_are_declared(model: BaseMIL, batch: Batch) -> str:
    """Coordinates, on a grid or not, change the embedding only if the class sets `reads_coords`."""
    if model.reads_coords:
        return ""
    without, _ = model.forward_packed(Batch(batch.features, batch.offsets))
    row = torch.arange(len(batch.features), dtype=torch.int32)
    on_grid = 512 * torch.stack([row % 4, row // 4], dim=1).to(batch.features.device)
    for coords in (batch.coords, on_grid):
        with_coords, _ = model.forward_packed(Batch(batch.features, batch.offsets, coords))
        if not torch.equal(with_coords, without):
            return "coordinates change the embedding, but the class does not set reads_coords = True"
    return ""


@torch.no_grad()
def weights_are_restored(model: BaseMIL, batch: Batch) -> str:
    """Other weights change the embedding, and loading the state dict restores it exactly."""
    other = copy.deepcopy(model)
    for parameter in other.parameters():
        parameter.add_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1)).to(parameter) * 0.1)
    before, _ = model.forward_packed(batch)
    if torch.equal(other.forward_packed(batch)[0], before):
        return "other weights do not change the embedding"
    other.load_state_dict(model.state_dict(), strict=True)
    return "" if torch.equal(other.forward_packed(batch)[0], before) else "the state dict is incomplete"


CONTRACT = (
    packed_padded_and_single_agree,
    streamed_and_whole_agree,
    checkpointing_keeps_gradients,
    padding_never_matters,
    other_bags_never_matter,
    order_never_matters,
    attention_is_a_distribution,
    one_patch_works,
    gradients_are_finite,
    softmax_is_float32,
    half_precision_rows_are_read,
    evaluation_is_repeatable,
    coordinates_are_declared,
    weights_are_restored,
)


def _both(output: tuple[Tensor, Tensor | None]) -> tuple[Tensor, Tensor]:
    embedding, attention = output
    if attention is None:
        raise ValueError("attention was requested but not returned")
    return embedding, attention


def _dense(batch: Batch) -> tuple[Tensor, None, Tensor | None]:
    return batch.features[None], None, None if batch.coords is None else batch.coords[None]


def _differences(differences: dict[str, Tensor], limit: float) -> str:
    """A message about the first difference above `limit` or NaN."""
    worst = {name: float(difference.abs().max()) for name, difference in differences.items() if difference.numel()}
    bad = {name: value for name, value in worst.items() if not value <= limit}
    return "; ".join(f"{name} differ by {value:.1e} (limit {limit:g})" for name, value in list(bad.items())[:1])
