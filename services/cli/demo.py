"""`salus demo`: the whole story once, on real measurements. Exit code 0 only if every step held."""

from __future__ import annotations

import argparse
import shutil
import statistics
import textwrap
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from services.cli.command import add_command
from services.cli.failures import Failure
from services.cli.output import Output

if TYPE_CHECKING:
    from services.cli.story import Checked, Story

MARK = ".salus-demo"
INDENT = " " * 7
WIDEST = 110


def add_parser(subparsers: Any) -> None:
    demo = add_command(subparsers, "demo", "the whole story once, on real measurements", _run)
    demo.add_argument(
        "--dir", type=Path, default=Path("var/demo"), metavar="DIR", help="its files, made anew each time"
    )


class Teller:
    """Says what each step found and remembers whether it held."""

    def __init__(self, output: Output) -> None:
        self.output = output
        self.steps: list[dict[str, Any]] = []

    def title(self, text: str) -> None:
        self.output.say(f"\n{text}")

    def found(self, text: str, *, held: bool = True) -> None:
        """One thing found; `held` is whether it is what the story promises."""
        self.steps.append({"found": text, "held": held})
        self.output.say(_wrap(f"  {'ok  ' if held else 'FAIL'} {text}"))

    def more(self, text: str) -> None:
        """A line that belongs to what was found."""
        self.output.say(_wrap(f"{INDENT}{text}"))

    @property
    def held(self) -> bool:
        return all(step["held"] for step in self.steps)


async def _run(arguments: argparse.Namespace, output: Output) -> int:
    from services.cli.launcher import Network
    from services.cli.story import Story
    from services.cli.supervisor import ServiceError
    from services.cli.topology import Layout

    root = arguments.dir.resolve()
    _make_anew(root)
    network, teller, started = Network(Layout(root)), Teller(output), time.perf_counter()
    try:
        teller.title("1. Five services start, each a process of its own, over mutual TLS")
        with output.progress("starting") as progress:
            steps = 0

            def step(_: str) -> None:
                nonlocal steps
                steps += 1
                progress(steps, 22)

            await network.up(step)
        teller.found(", ".join(network.supervisor.names))
        story = Story(network)
        await _tell(story, teller)
    except ServiceError as error:
        raise Failure("SERVICE", str(error)) from None
    finally:
        await network.down()
    seconds = time.perf_counter() - started
    _summarise(story, teller, seconds)
    return 0 if teller.held else 1


async def _tell(story: Story, teller: Teller) -> None:
    output = teller.output
    teller.title("2. Two hospitals and a regulator; services, clinicians, an inspector and 114 patients enrol")
    with output.progress("enrolling patients") as progress:
        await story.enrol_patients(progress)
    teller.found(f"{len({each.pseudonym for each in story.patients})} patients, each under a pseudonym, key their own")

    teller.title("3. Hospital A proposes a model, the regulator validates it, hospital A deploys it")
    model = await story.deploy_model()
    reached = ", ".join(f"{name} {model['evaluation']['metrics'][name]:.3f}" for name in ("auc", "sensitivity"))
    teller.found(f"{model['id']} {model['version']}: {reached}", held=model["status"] == "deployed")

    teller.title("4. 100 patients consent (TREAT, 90 days), 8 do not, 6 consent and revoke")
    with output.progress("consents") as progress:
        await story.consent(progress)
    teller.found(
        "106 consents granted and 5 revoked, each signed by the patient; the sixth will be revoked within step 5"
    )

    teller.title("5. A clinician of hospital A asks for all 114")
    with output.progress("diagnoses") as progress:
        await story.ask(progress)
    codes = await story.ask_overtaken()
    outcomes = Counter(each.outcome for each in story.patients)
    answered = [each for each in story.patients if each.outcome == "answered"]
    teller.found(
        f"{outcomes['answered']} answered, each with probability, explanation, transaction id and record",
        held=answered == story.granting
        and all(len(each.explanation) == 30 and each.transaction_id for each in answered),
    )
    example = max(answered, key=lambda each: each.probability)
    reasons = ", ".join(f"{name} {contribution:+.2f}" for name, contribution in example.explanation[:3])
    teller.more(f"patient {example.number}: {example.label}, probability {example.probability:.3f}: {reasons}, ...")
    teller.more(f"decision {example.decision_id}, transaction {example.transaction_id[:16]}...")
    refused = [each for each in story.patients if each.outcome != "answered"]
    teller.found(
        f"{len(refused)} refused, each refusal on the ledger: {refused[0].message}",
        held=len(refused) == 14 and all(each.outcome == "NO_CONSENT" and each.transaction_id for each in refused),
    )
    teller.found(
        f"revoked between endorsement and commit: {', then '.join(codes)} for the refusal",
        held=codes == ["MVCC_READ_CONFLICT", "VALID"] and story.overtaken.outcome == "NO_CONSENT",
    )
    reason = await story.foreign_hospital()
    teller.found(f"hospital B's clinician at hospital A's service: {reason}", held=reason == "WRONG_ORGANISATION")
    uses = await story.uses_seen()
    teller.found(f"the first patient sees {uses} use of their data", held=uses == 1)

    teller.title("6. A tampered inference service gets no endorsement")
    for attack in await story.attack():
        teller.found(f"it {attack.what}: {attack.reason}", held=attack.reason == attack.expected)

    teller.title("7. The regulator exports the trail; a fresh process without network checks it")
    with output.progress("exporting") as progress:
        exported = await story.export(progress)
    teller.found(f"{exported} decisions exported", held=exported == len(story.patients))
    _checked(teller, "every record verified", await story.verify(), code=0)
    _checked(teller, "one byte of the export flipped", await story.flip_export(), code=1)
    _checked(teller, "block store", await story.check_blocks(), code=0)
    _checked(teller, "one byte of the block store flipped", await story.flip_block(), code=1)


def _checked(teller: Teller, what: str, checked: Checked, code: int) -> None:
    lines = [" ".join(line.split()) for line in checked.text.splitlines() if line.strip()]
    teller.found(f"{what}:", held=checked.code == code and bool(lines))
    for line in lines[:6]:
        teller.more(line)


def _summarise(story: Story, teller: Teller, seconds: float) -> None:
    output = teller.output
    quality, durations = story.quality(), story.durations()
    outcomes = Counter("answered" if each.outcome == "answered" else "refused" for each in story.patients)
    stages = [
        {
            "stage": name,
            "p50_ms": round(_quantile(taken, 0.5) * 1000, 1),
            "p95_ms": round(_quantile(taken, 0.95) * 1000, 1),
        }
        for name, taken in durations.items()
    ]
    teller.title("8. In numbers")
    if output.as_json:
        output.record(
            {
                "held": teller.held,
                "seconds": round(seconds, 1),
                "asked": len(story.patients),
                **outcomes,
                "quality": quality,
                "stages": stages,
                "steps": teller.steps,
            },
            {},
        )
        return
    shown = ("accuracy", "sensitivity", "specificity", "auc")
    output.rows(
        "quality",
        [{"of": name, "value": round(quality[name], 4)} for name in shown],
        {"of": "ANSWERS AGAINST THE TRUE DIAGNOSES", "value": ""},
    )
    output.say(f"\nasked {len(story.patients)}, answered {outcomes['answered']}, refused {outcomes['refused']}\n")
    output.rows("stages", stages, {"stage": "STAGE OF AN ANSWER", "p50_ms": "P50 MS", "p95_ms": "P95 MS"})
    output.say(f"\n{'every step held' if teller.held else 'NOT EVERY STEP HELD'}, in {seconds:.0f} s")
    output.say(
        f"Its files are in {story.layout.root}: the trail is {story.trail.name}, the services' logs are in logs/."
    )
    output.say("Next: make run, which keeps the services running and says what to type.")


def _wrap(text: str) -> str:
    width = min(shutil.get_terminal_size((WIDEST, 24)).columns, WIDEST)
    return textwrap.fill(text, width, subsequent_indent=INDENT, break_long_words=False, break_on_hyphens=False)


def _quantile(values: Sequence[float], share: float) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[round(share * 100) - 1]


def _make_anew(root: Path) -> None:
    """Empties the folder of an earlier telling, and of nothing else."""
    if root.exists() and any(root.iterdir()):
        if not (root / MARK).exists():
            raise Failure("FOLDER_IN_USE", f"{root} holds something else than an earlier demo", "give --dir")
        shutil.rmtree(root)
    root.mkdir(parents=True, exist_ok=True)
    (root / MARK).touch()
