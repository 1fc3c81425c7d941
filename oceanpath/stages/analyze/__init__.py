"""Stage `analyze`: attention maps, a map of slide embeddings, and comparisons of variants.

Reads   train (embeddings and checkpoints), mmap (bags), eval (whether the rows are `selected`), extract if there is
        one (thumbnails and slide sizes), and train of every variant
Writes  umap.png, umap.parquet      embeddings of fold 0's model: slide_id, umap_1, umap_2, label, role, fold
        attention/<slide_id>.png    attention of the model that tested the slide
        (each figure also as .pdf and .svg)
        attention.parquet           slide_id, x, y (level-0 px; null without coordinates), attention; a slide sums to 1
        analysis.json               {"selected", "umap": {"drawn", "reason"}, "attention": [one object per picture]}
        comparison.json             with several variants: {"this", "selected", "variants": {variant: the
                                    variant that has the same predictions}, "family": how many p-values were adjusted
                                    together, "pairs": [{"this", "other", "n", "n_patients", "difference", "bootstrap",
                                    "planning"}]}, and of the task: its keys ("classes"), its main metric (auroc_this,
                                    auroc_other) and its tests (mcnemar, permutation); with several repeats
                                    resampled_t, with a margin non_inferiority; each test has p and p_holm
Fails   if variants did not predict the same slides with the same labels, or a figure was not written
"""
