"""Questions on the terminal."""

from __future__ import annotations

from collections.abc import Mapping

from rich.console import Console
from rich.prompt import Confirm, Prompt

CONSOLE = Console(stderr=True, highlight=False, markup=False)


class Prompts:
    """Asks the person at the terminal; see `oceanpath.proposals.questions.Questions`."""

    def choose(self, question: str, options: Mapping[str, str], default: str, flag: str) -> str:
        """One of the options; a proposal that is the only option is accepted."""
        if default and len(options) == 1:
            return default
        CONSOLE.print(f"\n{question[0].upper()}{question[1:]} ({flag}):")
        for name, what in options.items():
            CONSOLE.print(f"  {name:<20} {what}")
        names = list(options)
        if default:
            return Prompt.ask("answer", choices=names, default=default, show_choices=False, console=CONSOLE)
        return Prompt.ask("answer", choices=names, show_choices=False, console=CONSOLE)

    def confirm(self, question: str, flag: str) -> bool:
        """The answer, no by default."""
        return Confirm.ask(f"{question} ({flag})", default=False, console=CONSOLE)
