"""How often the embedded baseline is right on the labelled conversations of tests/gold, as `sidecar eval` measures it.

It needs no key and no network, so anybody can repeat it; a model's figures need a key: `sidecar eval tests/gold`. One
JSON line a split. Nobody tunes rules or prompts on `test`; `dev` is there for that.

Usage: python -m bench.gold
"""

import json
import os
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from sidecar.app import utc_now
from sidecar.app.trying import Wanted, side
from sidecar.config import load
from sidecar.evaluate import Kept, Purse, evaluate
from sidecar.evaluate.cases import SPLITS
from sidecar.evaluate.dataset import load as conversations
from sidecar.evaluate.report import HEADLINE, report

GOLD = Path(__file__).parent.parent / "tests" / "gold"


def main() -> None:
    """Print one line for each split."""
    with TemporaryDirectory() as folder:
        config = Path(folder) / "config.toml"
        config.write_text("")
        settings = load(config, {})
        one = side(settings, Wanted(llm="baseline"), utc_now, "")
        cases = conversations(GOLD, one.policy)
    for split in SPLITS:
        chosen = [case for case in cases if case.split == split]
        begun = time.process_time()
        measured = evaluate(one, chosen, Kept(Purse(0.0)))
        took_s = time.process_time() - begun
        found = report(measured)
        figures = {
            name: {"value": round(held.value, 3), "low": round(held.low, 3), "high": round(held.high, 3)}
            for name, held in found.figures.items()
            if name in (*HEADLINE, "calibration.ece")
        }
        line = {
            "bench": "gold", "split": split, "engine": one.llm.model, "conversations": len(chosen),
            "readings": found.spent.calls, "figures": figures,
            "mean_ms": round(1_000 * took_s / max(1, found.spent.calls), 2), "cores": os.cpu_count(),
        }  # fmt: skip
        print(json.dumps(line))


if __name__ == "__main__":
    main()
