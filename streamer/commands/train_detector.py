"""`ecg-stream train-detector`: train, and cross-validate, the QRS detector's peak scorer."""

import argparse
import json
import sys
import time
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--out", type=Path, required=True, help="folder for weights and metrics")
    parser.add_argument(
        "--folds", type=int, default=0, help="also cross-validate by record in so many folds"
    )
    parser.add_argument("--records", nargs="+", help="training records (default: DS1 of mitdb)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1, help="for fitting (default 1)")


def run(args: argparse.Namespace) -> int:
    """Train on DS1 and write `peak_scorer.npz` and, with its figures, `peak_scorer.json`."""
    import torch

    from classifier.splits import DS1
    from streamer.core.errors import OutputError
    from streamer.signal.detector.peak_scorer import save_peak_scorer
    from streamer.training import detector as training

    torch.set_num_threads(args.threads)
    try:
        args.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"can't create {args.out}: {error.strerror}; choose another --out"
        ) from None
    started = time.monotonic()

    def report(line: str) -> None:
        sys.stderr.write(f"{time.monotonic() - started:6.0f} s  {line}\n")

    names = args.records or [f"mitdb/{record}" for record in DS1]
    recordings = [training.load_recording(name) for name in names]
    noise = training.load_noise()
    config = training.DetectorTrainingConfig(seed=args.seed)
    metrics: dict[str, object] = {"records": names, "seed": args.seed}
    if args.folds:
        metrics["folds"] = args.folds
        metrics["cross_validation"] = training.cross_validate(
            recordings, noise, config, args.folds, report
        )
    scorer = training.train(recordings, noise, config, report)
    save_peak_scorer(scorer, args.out / "peak_scorer.npz")
    (args.out / "peak_scorer.json").write_text(json.dumps(metrics, indent=1) + "\n")
    sys.stdout.write(_summary(metrics, args.out))
    return 0


def _summary(metrics: dict[str, object], out: Path) -> str:
    lines = [f"wrote {out / 'peak_scorer.npz'}"]
    per_record = metrics.get("cross_validation")
    if isinstance(per_record, dict):
        fn, fp = (sum(record[kind] for record in per_record.values()) for kind in ("fn", "fp"))
        lines.append(f"cross-validated by record: FN {fn}, FP {fp} on {len(per_record)} records")
    return "\n".join(lines) + "\n"
