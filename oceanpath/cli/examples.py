"""Two examples per command for its help; a test parses each of them."""

from __future__ import annotations

from collections.abc import Iterable

import typer

EXAMPLES = {
    "init": (
        "init features cohort.csv",
        "init slides cohort.xlsx --label response --set split.folds=10 --out mine.toml --yes",
    ),
    "doctor": ("doctor", "doctor mine.toml --json"),
    "run": ("run experiments/quickstart.toml", "run mine.toml --set train.lr=3e-4 --dry-run"),
    "demo": ("demo -e experiments/quickstart.toml", "demo --dataset musk1 musk1.npz --out musk1"),
    "extract": ("extract --slides slides --encoder uni_v1 --out features", "extract -e mine.toml --device cuda"),
    "curate": ("curate --features features --min-patches 256", "curate -e mine.toml"),
    "mmap": ("mmap -e mine.toml", "mmap -e mine.toml --verify"),
    "split": ("split -e mine.toml", "split -e mine.toml --set split.folds=10 --dry-run"),
    "pretrain_mmap": ("pretrain_mmap -e mine.toml", "pretrain_mmap -e mine.toml --dry-run"),
    "pretrain": (
        "pretrain -e experiments/pretrain_vicreg.toml",
        "pretrain -e mine.toml --set pretrain.method=simclr --set pretrain.max_steps=1000",
    ),
    "audit": (
        "audit -e mine.toml",
        "audit --split-file splits --labels cohort.csv --json",
    ),
    "train": ("train -e mine.toml --model perceiver", "train -e mine.toml --set train.epochs=60 --jobs 2"),
    "eval": ("eval -e mine.toml --model static", "eval --predictions theirs.csv --score probability --out theirs"),
    "external": ("external -e mine.toml", "external -e mine.toml --set eval.resamples=500 --dry-run"),
    "analyze": ("analyze -e mine.toml", "analyze -e mine.toml --set analyze.attention_slides=20"),
    "refit": ("refit -e mine.toml --set train.final=refit", "refit -e mine.toml --dry-run"),
    "export": ("export -e mine.toml", "export --checkpoint best.ckpt --output-dir bundle --feature-dim 1024"),
    "serve": ("serve outputs/experiments/mine/export", "serve -e mine.toml --port 8080"),
    "compare": (
        "compare mine other@transmil theirs.csv --out comparison",
        "compare --pred-a ours.csv --pred-b theirs.csv --output significance.json",
    ),
    "leaderboard": (
        "leaderboard",
        "leaderboard --all --csv leaderboard.csv --html leaderboard.html",
    ),
    "report": ("report mine", "report mine@transmil --out report.html --workspace results"),
    "reproduce": ("reproduce", "reproduce lung_kfold --data lung"),
    "predict": (
        "predict features --out predictions.csv",
        "predict outputs/experiments/mine/export new/slide_1.svs --heatmap maps",
    ),
    "embed": (
        "embed aggregator.safetensors outputs/experiments/mine/mmap --out slides.parquet",
        "embed best.ckpt outputs/experiments/mine/mmap --patches SLIDE --out slide.h5ad",
    ),
    "probe": (
        "probe aggregator.safetensors outputs/experiments/mine/mmap labels.csv",
        "probe aggregator.safetensors outputs/experiments/mine/mmap labels.csv --label grade --fractions 10,100",
    ),
    "coverage": (
        "coverage features outputs/experiments/mine/mmap",
        "coverage features outputs/experiments/mine/mmap --only-capped --out coverage",
    ),
    "bench store": ("bench store", "bench store --slides 200 --cases trident/float16 --out bench"),
    "bench loading": ("bench loading", "bench loading --cap 4096 --out bench"),
    "bench models": ("bench models", "bench models abmil transmil --device cuda --out bench"),
    "bench ledger": ("bench ledger", "bench ledger --rows 1000000 --rounds 2 --out bench"),
    "bench plan": ("bench plan", "bench plan --slides 5000,50000 --nodes 16 --rate 900 --disk-mb-s 2000"),
    "bench serve": (
        "bench serve outputs/experiments/mine/export",
        "bench serve outputs/experiments/mine/export --clients 16 --seconds 20 --json",
    ),
    "bench stats": ("bench stats", "bench stats --slides 1000 --out bench"),
    "bench coverage": ("bench coverage --patients 60", "bench coverage --methods wilson --out bench"),
    "bench batching": (
        "bench batching outputs/experiments/mine/mmap",
        "bench batching outputs/experiments/mine/mmap --strategies token_budget,jepa --augmentation --out bench",
    ),
    "bench train": ("bench train --epochs 5", "bench train --slides 200 --folds 3 --out bench"),
    "bench ssl": ("bench ssl", "bench ssl --sizes 512,8192 --rounds 5 --out bench"),
    "bench extract": ("bench extract", "bench extract --side 40000 --json"),
    "ledger show": ("ledger show", "ledger show mine --workspace results"),
    "ledger list": ("ledger list --state failed", "ledger list --metric auroc"),
    "ledger diff": ("ledger diff 3 4", "ledger diff mine 7 --json"),
    "ledger why": ("ledger why", "ledger why mine.toml --set train.lr=3e-4"),
    "ledger verify": ("ledger verify", "ledger verify --deep --workspace results"),
    "ledger prune": ("ledger prune", "ledger prune --drop old_experiment --yes"),
    "ledger rebuild": ("ledger rebuild", "ledger rebuild --workspace results"),
    "ledger export": ("ledger export", "ledger export --format csv"),
    "ledger serve": ("ledger serve", "ledger serve --workspace results --port 8002"),
    "ledger track": (
        "ledger track --out mlruns",
        "ledger track mine --to tensorboard --out logs",
    ),
    "bundle show": ("bundle show outputs/experiments/mine/export", "bundle show bundle --json"),
    "bundle verify": ("bundle verify outputs/experiments/mine/export", "bundle verify bundle --json"),
    "bundle diff": ("bundle diff old_bundle new_bundle", "bundle diff old_bundle new_bundle --json"),
    "bundle export-spinpath": (
        "bundle export-spinpath outputs/experiments/mine/export --out spinpath",
        "bundle export-spinpath bundle --out spinpath",
    ),
    "config show": ("config show mine.toml", "config show mine.toml --set model.name=transmil"),
    "config validate": ("config validate mine.toml", "config validate mine.toml --set split.folds=10"),
    "config schema": ("config schema", "config schema > oceanpath.schema.json"),
    "splits export": (
        "splits export outputs/experiments/mine/split --format clam --out splits_clam",
        "splits export -e mine.toml --format patho-bench",
    ),
    "search": ("search -e mine.toml", "search -e mine.toml --out winner.toml"),
    "models import": (
        "models import mil-lab model.safetensors --out feather.safetensors --encoder uni_v1",
        "models import spinpath camelyon16 --out camelyon16.safetensors",
    ),
    "models list": ("models list", "models list | grep -A 3 perceiver"),
    "models verify": ("models verify abmil", "models verify my_package.models:MyAggregator"),
    "features inspect": ("features inspect features", "features inspect slide_1.h5 --deep --json"),
    "features convert": (
        "features convert features --to clam --out clam_features",
        "features convert pt_files --to trident --encoder uni_v1 --magnification 20 --patch-px 256 --out job",
    ),
    "hub push": (
        "hub push outputs/experiments/mine/export hf://lab/response",
        "hub push aggregator.safetensors hf://lab/aggregator --public",
    ),
    "hub pull": (
        "hub pull hf://lab/response --out response",
        "hub pull hf://lab/response@v1 --out response",
    ),
    "encoders list": ("encoders list", "encoders list --json"),
    "encoders check": ("encoders check efficientnet_lite0", "encoders check uni_v1 --weights uni.bin --device cuda"),
}
"""Command → command lines without the word `oceanpath`."""


def add_examples(app: typer.Typer) -> None:
    """Add the examples to the help of every registered command."""
    for path, command in _commands(app):
        lines = "\n".join(f"  oceanpath {line}" for line in EXAMPLES.get(path, ()))
        command.epilog = f"\b\nExamples:\n{lines}" if lines else None


def _commands(app: typer.Typer, prefix: str = "") -> Iterable[tuple[str, typer.models.CommandInfo]]:
    for command in app.registered_commands:
        name = command.name or command.callback.__name__.replace("_", "-")  # type: ignore[union-attr]  # always set
        yield f"{prefix}{name}", command
    for group in app.registered_groups:
        if group.typer_instance is not None:
            yield from _commands(group.typer_instance, f"{prefix}{group.name} ")
