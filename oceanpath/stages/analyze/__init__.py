"""Stage `analyze`: explanations of predictions by patches, maps of slide embeddings, and comparisons of variants.

Reads   train (embeddings and checkpoints), mmap (bags), eval (whether the rows are `selected`), extract if there is
        one (thumbnails and slide sizes) with its slides, demo (known regions), and train of every variant
Writes  embedding.png, embedding_aligned.png, embedding.parquet
                                    embeddings of the models of up to six folds: slide_id, fold, role, label, axis_1,
                                    axis_2 (of that fold), aligned_1, aligned_2 (of all folds; null for one fold)
        attention/<slide_id>.png    attention and contributions of the model that tested the slide
        deletion.png                predictions without the patches of highest score, and only with them
        (each figure also as .pdf and .svg; maps only with slides = "selected")
        sheets/<slide_id>.png       patches with the largest and the smallest scores, where there are slides
        patches/<slide_id>.csv, .geojson.gz   scores of patches for viewers: `oceanpath.artifacts.patch_scores`
        attention.parquet           slide_id, x, y (level-0 px; null without coordinates), attention (a slide sums to
                                    1), contribution (a slide sums to its score; null without contributions)
        analysis.json               {"selected", "slides", "embedding": {"method", "drawn", "reason"}, "attention": [one
                                    object per drawn slide, with "explained" (what contributions sum to), "score" and
                                    "contributions" (or why there are none)], "deletion" (curves, and the difference of
                                    areas to random orders), "localisation" (areas under the ROC curve, or null)}
        comparison.json             with several variants: {"this", "selected", "variants": {variant: the
                                    variant that has the same predictions}, "family": how many p-values were adjusted
                                    together, "pairs": [{"this", "other", "n", "n_patients", "difference", "bootstrap",
                                    "planning"}]}, and of the task: its keys ("classes"), its main metric (auroc_this,
                                    auroc_other) and its tests (mcnemar, permutation); with several repeats
                                    resampled_t, with a margin non_inferiority; each test has p and p_holm
Fails   if variants did not predict the same slides with the same labels, or a figure was not written
"""
