"""Print what the trials of damage counted: one row for each kind of file and of damage.

usage: python tests/damage/table.py FILE
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path

VERDICTS = ("refused", "made again", "no effect", "ACCEPTED", "TRACEBACK")


def main(path: Path) -> int:
    """Print the table; 1 where something damaged was used or ended in a traceback."""
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    print(f"| file | read by | damage | {' | '.join(VERDICTS)} |\n{'|---' * (3 + len(VERDICTS))}|")
    total: Counter[str] = Counter()
    for row in sorted(rows, key=lambda row: str(row["kind"])):
        commands = ", ".join(" ".join(w for w in c.split() if "{" not in w and w[0] != "-") for c in row["commands"])
        for how, counts in row["counts"].items():
            total.update(counts)
            numbers = " | ".join(str(counts.get(verdict, 0)) for verdict in VERDICTS)
            print(f"| {row['kind']} | {commands} | {how} | {numbers} |")
    print(f"| all | | | {' | '.join(str(total[verdict]) for verdict in VERDICTS)} |")
    print(f"\n{total.total()} trials, {sum(row['s'] for row in rows):.0f} s")
    return int(total["ACCEPTED"] + total["TRACEBACK"] > 0)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
