"""DINO: Caron et al., "Emerging Properties in Self-Supervised Vision Transformers", ICCV 2021.

    P_s = softmax(g_s / τ_s),  P_t = softmax((g_t - c) / τ_t)              equation 1 and section 3.1
    loss = mean of -P_t(x) · log P_s(x') over global x and all views x' ≠ x     equation 3
    c ← m c + (1 - m) mean g_t                                             equation 4

Equation 3 is a sum; the authors' code and this one divide by the number of pairs.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from oceanpath.ssl.losses.full_precision import full_precision


@full_precision
def cross_view_entropy(
    student: Tensor, teacher: Tensor, centre: Tensor, student_temperature: float, teacher_temperature: float
) -> Tensor:
    """The loss of all pairs of a teacher's and another student's view; no gradient flows into the teacher.

    Args:
        student: Prototype scores [V, B, K] of all views, the global ones first.
        teacher: Prototype scores [G, B, K] of the G ≤ V global views.
        centre: c [K].
        student_temperature: τ_s.
        teacher_temperature: τ_t.
    """
    targets = F.softmax((teacher.detach() - centre) / teacher_temperature, dim=-1)
    logs = F.log_softmax(student / student_temperature, dim=-1)
    pairs = -torch.einsum("gbk,vbk->gv", targets, logs) / student.shape[1]
    different = ~torch.eye(len(teacher), len(student), dtype=torch.bool, device=student.device)
    return pairs[different].mean()


def moved_centre(centre: Tensor, mean: Tensor, momentum: float) -> Tensor:
    """The centre [K] after one step in which the mean [K] of the teacher's scores was `mean`."""
    return momentum * centre + (1.0 - momentum) * mean
