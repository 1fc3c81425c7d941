from __future__ import annotations

import torch

from oceanpath.models.dsmil import DSMIL
from oceanpath.models.settings import DSMILSettings

from ..narrowing import required


@torch.no_grad()
def test_it_is_equations_4_to_6_with_the_top_scores_beside() -> None:
    torch.manual_seed(0)
    model, h = DSMIL(DSMILSettings(hidden=6, query=3, critical=2), 5).double().eval(), torch.randn(7, 5).double()
    hidden = model.patches(h)
    scores, queries, values = model.instance(hidden), model.query(hidden), model.value(hidden)
    bags, weights = [], []
    for column in range(2):
        critical = queries[int(scores[:, column].argmax())]
        weights.append(torch.softmax(queries @ critical / 3**0.5, dim=0))
        bags.append(weights[-1] @ values)
    embedding, attention = model.forward_features(h[None], return_attention=True)
    torch.testing.assert_close(embedding[0], torch.cat([*bags, scores.amax(dim=0)]))
    torch.testing.assert_close(required(attention)[0], torch.stack(weights).mean(dim=0))
