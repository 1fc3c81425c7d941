from __future__ import annotations

import torch

from oceanpath.models.abmil import ABMIL
from oceanpath.models.multihead_abmil import MultiheadABMIL
from oceanpath.models.settings import ABMILSettings, MultiheadABMILSettings


@torch.no_grad()
def test_one_head_is_abmil_before_the_joining_layer() -> None:
    torch.manual_seed(0)
    many = MultiheadABMIL(MultiheadABMILSettings(hidden=8, attention=4, heads=1), 5).eval()
    one = ABMIL(ABMILSettings(hidden=8, attention=4), 5).eval()
    for name in ("patches", "tanh_branch", "sigmoid_branch"):
        getattr(one, name).load_state_dict(getattr(many, name).state_dict())
    one.score.weight.copy_(many.score)
    h = torch.randn(2, 9, 5)
    (plain, attention), (joined, same) = (m.forward_features(h, return_attention=True) for m in (one, many))
    torch.testing.assert_close(joined, many.joined(plain))
    torch.testing.assert_close(same, attention)
