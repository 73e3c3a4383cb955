"""Makes the judges of vision models anew: `python -m bench.judges --output FOLDER`.

Draws frames of training tracks, trains the three networks on them, and prints how well they do on validation tracks.
Those that ship are in `src/reverie/judges/`.
"""

import argparse
import json
from pathlib import Path
from typing import get_args

import torch

from reverie.measure.truth.judges import FILE
from reverie.studies.judges import JudgesConfig, train_judges
from reverie.types import Device


def main() -> None:
    """Trains and prints JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--output", type=Path, required=True, help=f"folder for {FILE}")
    parser.add_argument("--seed", type=int, default=JudgesConfig().seed)
    parser.add_argument("--threads", type=int, default=1, help="of torch")
    parser.add_argument("--device", default="cpu", choices=get_args(Device), help="where they are trained")
    parser.add_argument("--quiet", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    judges = train_judges(args.output, JudgesConfig(seed=args.seed), device=args.device, quiet=args.quiet)
    print(json.dumps(judges.meta, indent=2))


if __name__ == "__main__":
    main()
