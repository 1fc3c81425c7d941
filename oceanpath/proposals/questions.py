"""Questions whose answers neither the folder nor the table determines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from oceanpath.errors import ExperimentError


class Questions(Protocol):
    """A person who answers, or rules that replace one."""

    def choose(self, question: str, options: Mapping[str, str], default: str, flag: str) -> str:
        """One of the options.

        Args:
            question: The question.
            options: Option → description.
            default: The proposal; "" if there is none.
            flag: The option of the command that answers the question.
        """

    def confirm(self, question: str, flag: str) -> bool:
        """Whether the answer is yes; without an answer it is no."""


class NoQuestions:
    """Accepts every proposal; a question without one is an error that names the option to set."""

    def choose(self, question: str, options: Mapping[str, str], default: str, flag: str) -> str:
        """The default. Raises: ExperimentError: there is none."""
        if default:
            return default
        listed = "; ".join(f"{name} ({what})" if what else name for name, what in options.items())
        raise ExperimentError(question, where=flag, expected=f"one of: {listed}", do=f"Choose one with {flag}.")

    def confirm(self, question: str, flag: str) -> bool:  # noqa: ARG002  # the interface of questions
        """No."""
        return False
