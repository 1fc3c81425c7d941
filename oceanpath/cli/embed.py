"""`oceanpath embed`: slide embeddings of an aggregator, one row per slide of a store."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from oceanpath.cli.json_output import JsonFlag, print_result
from oceanpath.cli.outputs import prepare_file
from oceanpath.errors import ExitCode, ExperimentError

Weights = Annotated[Path, typer.Argument(help="aggregator.safetensors of [pretrain], or best.ckpt of a trained fold.")]
StoreFolder = Annotated[Path, typer.Argument(metavar="STORE", help="Folder of the store that `oceanpath mmap` built.")]


def embed(
    weights: Weights,
    store: StoreFolder,
    out: Annotated[Path, typer.Option("--out", help="File to write: .parquet, .npy or .h5ad.")],
    patches: Annotated[
        str,
        typer.Option("--patches", metavar="SLIDE", help="Write its patches with their scores instead."),
    ] = "",
    as_json: JsonFlag = False,
) -> int:
    """Write the slide embeddings of a pretrained or trained aggregator, or the patches of a slide with their scores."""
    from oceanpath.artifacts.store.reader import Store
    from oceanpath.probing.embeddings import embed_store, load_aggregator, patch_scores
    from oceanpath.probing.tables import check_suffix, write_embeddings, write_patches

    check_suffix(out)
    prepare_file(out)
    slides = Store(store)
    if patches:
        if out.suffix != ".h5ad":
            raise ExperimentError("patches are written as AnnData", where="--out", expected=".h5ad", got=out)
        number = slides.number(patches)
        scores = patch_scores(weights, slides, number)
        write_patches(out, slides, number, scores)
        facts = {"slide": patches, "patches": slides.length(number), "scores": list(scores), "file": out}
        text = f"{patches}: {slides.length(number)} patches with {', '.join(scores)} -> {out}"
        print_result(text, facts, as_json=as_json)
        return int(ExitCode.OK)
    embeddings = embed_store(load_aggregator(weights), slides)
    write_embeddings(out, slides.slide_ids, embeddings)
    facts = {"slides": len(slides), "length": embeddings.shape[1], "file": out}
    print_result(f"{len(slides)} slides, embeddings of length {embeddings.shape[1]} -> {out}", facts, as_json=as_json)
    return int(ExitCode.OK)
