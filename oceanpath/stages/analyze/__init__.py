"""Room `analyze`: what the models look at, how slides lie in their space, and whether variants differ.

Reads   train (embeddings and checkpoints), mmap (bags), eval (whether the rows are `selected`), extract where there is
        one (thumbnails and slide sizes), and train of every variant
Writes  umap.png, umap.parquet      slides in the space of fold 0's model: slide_id, umap_1, umap_2, label, role, fold
        attention/<slide_id>.png    attention of the model that tested the slide
        (each figure also as .pdf and .svg)
        attention.parquet           slide_id, x, y (level-0 px; null without coordinates), attention; a slide sums to 1
        analysis.json               {"selected", "umap": {"drawn", "reason"}, "attention": [one object a picture]}
        comparison.json             with several variants: {"this", "classes", "selected", "variants": {variant: the
                                    variant that has the same predictions}, "family": how many p-values were adjusted
                                    together, "pairs": [{"this", "other", "n", "n_patients", "auroc_this",
                                    "auroc_other", "delong", "mcnemar", "bootstrap"}]}; each test has p and p_holm
Fails   when variants did not predict the same slides with the same labels, or a picture was not written
"""
