import pytest

from oceanpath.figures.scale_bar import scale_bar


@pytest.mark.parametrize(
    ("width", "mpp", "expected"),
    [
        (40_000, 0.5, (10_000, "5 mm")),
        (16_000, 0.25, (4_000, "1 mm")),
        (3_000, 0.25, (400, "100 µm")),
        (1_000, 0.1, (200, "20 µm")),
        (40_000, None, (10_000, "10000 px (level 0)")),
    ],
)
def test_a_scale_bar_is_a_round_length_of_at_most_a_quarter(width, mpp, expected):
    length, label = scale_bar(width, mpp)
    assert length == pytest.approx(expected[0]) and label == expected[1]
    assert length <= width / 4
