"""Render a recipe's model card from its metrics; nothing in it is typed by hand."""

from typing import Any

from classifier.training.evaluation import percent

Table = list[str]

_PROTOCOL_TEXT = {
    "intra-patient": (
        "*Intra-patient*: beats were split at random, so beats of one patient are on both sides, "
        "and windows of neighbours overlap. This says how well beats of *known* patients are "
        "recognised, and nothing about new ones."
    ),
    "inter-patient": (
        "*Inter-patient*: the same network, trained the same way on the records of DS1, labels "
        "those of DS2, whose patients it has never seen (202 excepted, who is 201)."
    ),
}


_CAPTIONS = {
    "classes": "Beats of each class",
    "average-beats": "Average beat of each class, mean and 10th to 90th percentile",
    "training": "Training",
    "confusion": "Confusion matrix",
    "kernels": "Kernels of the first layer, intra-patient",
    "right": "Gradient and Grad-CAM, a beat of each class that was labelled right, intra-patient",
    "wrong": "Gradient and Grad-CAM, a beat of each class that was labelled wrong, intra-patient",
}
"""By a picture's name, or what comes before the protocol in it."""


def render_recipe_card(metrics: dict[str, Any]) -> str:
    """Return the model card in Markdown.

    Parameters
    ----------
    metrics : dict
        What `classifier.recipes.artefacts.recipe_metrics` collected.
    """
    counts = ", ".join(f"{name} {n}" for name, n in metrics["beats"].items())
    lines = [
        f"# Model card: recipe {metrics['recipe']}",
        "",
        f"Written by `ecg-stream train --recipe {metrics['recipe']}`; every figure comes from",
        "`metrics.json` beside it. Not a medical device, and not the model that the monitor uses.",
        "",
        f"{metrics['title']}: {metrics['parameters']} parameters, "
        f"{metrics['config']['window_samples']} samples at {metrics['config']['fs_hz']:g} Hz, "
        f"{len(metrics['records'])} records, seed {metrics['seed']}.",
        f"Beats at the reference annotations: {counts}.",
        "",
        *_side_by_side(metrics["protocols"]),
        "",
        "The network's size and the training schedule were chosen on validation beats of the",
        "intra-patient split. Patients of DS2 are among them, so the inter-patient figure is, if",
        "anything, flattered.",
    ]
    for protocol, found in metrics["protocols"].items():
        lines += ["", *_protocol(protocol, found, metrics["classes"])]
    for name in metrics.get("pictures", ()):
        kind, _, protocol = name.partition(".")
        caption = _CAPTIONS[kind] + (f", {protocol}" if protocol else "")
        lines += ["", f"## {caption}", "", f"![{caption}]({name}.svg)"]
    return "\n".join(lines) + "\n"


def _side_by_side(protocols: dict[str, dict[str, Any]]) -> Table:
    rows = [
        "| protocol | test beats | accuracy % | macro-F1 | macro-F1 without Q |",
        "|---|---|---|---|---|",
    ]
    for protocol, found in protocols.items():
        scores = found["scores"]
        without = scores.get("macro_f1_without_q")
        rows.append(
            f"| {protocol} | {found['n_test']} | {100 * scores['accuracy']:.2f} | "
            f"{scores['macro_f1']:.4f} | {'-' if without is None else f'{without:.4f}'} |"
        )
    return rows


def _protocol(protocol: str, found: dict[str, Any], classes: list[str]) -> Table:
    scores = found["scores"]
    return [
        f"## {protocol.capitalize()}",
        "",
        _PROTOCOL_TEXT[protocol],
        "",
        f"{found['n_trained']} beats trained on, {found['n_validation']} to choose the epoch "
        f"({found['epoch']} of {len(found['losses'])}), {found['n_test']} tested once, at the end. "
        f"Training took {found['seconds']['cpu']:.0f} s of one core "
        f"({found['seconds']['wall']:.0f} s by the clock).",
        "",
        "| class | Se % | +P % | F1 | beats |",
        "|---|---|---|---|---|",
        *(
            f"| {name} | {percent(one['sensitivity'], 2)} | {percent(one['ppv'], 2)} | "
            f"{one['f1']:.4f} | {one['n_reference']} |"
            for name, one in scores["classes"].items()
        ),
        "",
        f"| experts \\ label | {' | '.join(classes)} |",
        "|---" * (len(classes) + 1) + "|",
        *(
            f"| {name} | {' | '.join(str(n) for n in row)} |"
            for name, row in zip(classes, scores["confusion"], strict=True)
        ),
    ]
