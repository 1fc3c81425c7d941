"""Laws of identity."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oceanpath.errors import MissingExtraError
from oceanpath.pipeline.fingerprint import canonical, fingerprint, installed_version

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)
tables = st.dictionaries(st.text(min_size=1, max_size=5), values, max_size=5)


@given(tables)
@settings(deadline=None)
def test_the_order_of_keys_moves_nothing(table: dict[str, object]) -> None:
    assert fingerprint(table) == fingerprint(dict(reversed(table.items())))


@given(tables, tables)
@settings(deadline=None)
def test_two_identities_share_a_fingerprint_only_when_they_are_equal_text(
    one: dict[str, object], two: dict[str, object]
) -> None:
    assert (fingerprint(one) == fingerprint(two)) == (canonical(one) == canonical(two))


def test_an_int_is_not_a_float_and_a_text_is_not_a_number() -> None:
    assert len({fingerprint({"a": value}) for value in (1, 1.0, "1", True, None)}) == 5


def test_a_missing_package_is_reported_with_the_next_command() -> None:
    with pytest.raises(MissingExtraError, match=r"not installed; got no no-such-package\. `oceanpath doctor` lists"):
        installed_version("no-such-package")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_not_finite_has_no_identity(value: float) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        fingerprint({"a": value})
