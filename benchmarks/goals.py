"""What must be reached, and whether it is: shown with `--goals`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.results import Row, best
from benchmarks.workloads import BY_NAME, COSTS
from dataload.measuring import Column, Table


@dataclass(frozen=True)
class Goal:
    """One line of what must be reached: the best of `ours` over the best of `theirs`, compared with `bound`.

    Attributes:
        where: workload, or feature.
        text: as a person would say it.
        ours: names of rows; the best one counts.
        theirs: names of rows, or "any peer" for all rows of peers used in the ordinary way ("any" and a role). Of a
            workload: none compares the figure itself with the bound. Of a feature: none is every other package.
        bound: what the ratio must reach (or, for costs, must not exceed).
        metric: what is compared.
    """

    where: str
    text: str
    ours: tuple[str, ...]
    theirs: tuple[str, ...]
    bound: float
    metric: str = "samples_per_s"

    @property
    def at_most(self) -> bool:
        """Whether the ratio must stay below the bound."""
        return self.metric in COSTS


@dataclass(frozen=True)
class Verdict:
    """What became of a goal.

    Attributes:
        goal: which.
        reached: the ratio; None where it was not measured.
        source: the rows that it compares.
    """

    goal: Goal
    reached: float | None
    source: str = ""

    @property
    def met(self) -> bool | None:
        """Whether it was reached; None where it was not measured."""
        if self.reached is None:
            return None
        return self.reached <= self.goal.bound if self.goal.at_most else self.reached >= self.goal.bound

    def to_json(self) -> dict[str, Any]:
        """Return it as plain JSON."""
        goal = {"workload": self.goal.where, "goal": self.goal.text, "bound": self.goal.bound}
        return {**goal, "reached": self.reached, "met": self.met, "source": self.source}


BASE = ("dataload thread", "dataload process", "dataload auto")
FAST = ("dataload thread +fast", "dataload process +fast", "dataload auto +fast")
PEERS = ("any peer",)

GOALS = (
    Goal("speech", "1.3 x best peer, base dependencies", BASE, PEERS, 1.3),
    Goal("speech", "1.8 x best peer, with fast", FAST, PEERS, 1.8),
    Goal("speech", "90 % of the limit", BASE, ("limit",), 0.9),
    Goal("speech", "90 % of the limit, with fast", FAST, ("limit +fast",), 0.9),
    Goal("clips", "2.5 x best peer", BASE + FAST, PEERS, 2.5),
    Goal("images", "3 x best peer", BASE, PEERS, 3.0),
    Goal("table", "20 x torch", (*BASE, "dataload no workers"), ("torch",), 20.0),
    Goal("table", "10 x best peer", (*BASE, "dataload no workers"), PEERS, 10.0),
    Goal("python", "best peer", BASE, PEERS, 1.0),
    Goal("latency", "10 x best peer with 2 workers", BASE, PEERS, 10.0),
    Goal("latency", "0.95 x peers that are given as many threads", BASE, ("any by hand",), 0.95),
    Goal("shards", "3 x WebDataset", BASE[:2], ("webdataset",), 3.0),
    Goal("shards speech", "1.3 x WebDataset", BASE[:2], ("webdataset",), 1.3),
    Goal("remote", "90 % of the limit", BASE[:2], ("limit",), 0.9),
    Goal("remote small", "85 % of bare connections", BASE[:2], ("bare connections",), 0.85),
    Goal("remote shards", "best peer", BASE[:2], PEERS, 1.0),
    Goal("tfrecord", "1.5 x tf.data", BASE[:2], PEERS, 1.5),
    Goal("tfrecord small", "1.5 x tf.data", BASE[:2], PEERS, 1.5),
    Goal("remote", "5 x torch with fsspec", BASE[:2], ("torch",), 5.0),
    *(
        Goal(name, "auto within 10 % of thread and process", ("dataload auto",), BASE[:2], 0.9)
        for name in ("speech", "clips", "images", "python")
    ),
    Goal("start", "0.4 x torch spawn", ("dataload process",), ("torch spawn",), 0.4, "first_batch_s"),
    Goal("main thread", "at most Grain's", ("dataload process",), ("grain processes",), 1.0, "main_ms_per_batch"),
    *(
        Goal(f"adapters {name}", f"{adapter} {bound} x the bare Loader", (adapter,), ("bare Loader",), bound)
        for name, bound in (("speech", 0.95), ("images", 0.85))
        for adapter in ("to_dataloader", "to_dataset")
    ),
    # "Flat" leaves room for what two runs of the same thing differ by.
    Goal("growth samples", "10^9 costs what 10^3 does", ("10^9 samples",), ("10^3 samples",), 1.15, "cpu_s_per_1000"),
    Goal("growth samples", "10^9: under 50 MB over the batches in flight", ("10^9 samples",), (), 50.0, "added_mb"),
    Goal("growth samples", "10^3: no memory more after hundreds of epochs", ("10^3 samples",), (), 5.0, "late_mb"),
    Goal("growth workers", "8 workers on 2 cores 0.9 x of 2", ("8 workers",), ("2 workers",), 0.9),
)


def judge(rows: Sequence[Row], goals: Iterable[Goal] = GOALS) -> list[Verdict]:
    """Return what became of each goal whose workload was run."""
    run = {row.workload for row in rows}
    return [_judge(goal, rows) for goal in goals if BY_NAME[goal.where].runs in run]


def _judge(goal: Goal, rows: Sequence[Row]) -> Verdict:
    here = [row for row in rows if row.workload == BY_NAME[goal.where].runs]
    ours = best((row for row in here if row.system in goal.ours), goal.metric)
    if ours is None:
        return Verdict(goal, None)
    value = ours.figures[goal.metric]
    if not goal.theirs:
        return Verdict(goal, value, ours.system)
    theirs = best((row for row in here if {row.system, f"any {row.role}"} & set(goal.theirs)), goal.metric)
    if theirs is None or not theirs.figures[goal.metric]:
        return Verdict(goal, None, ours.system)
    return Verdict(goal, value / theirs.figures[goal.metric], f"{ours.system} / {theirs.system}")


def goals_table(verdicts: Sequence[Verdict]) -> Table:
    """Return the table of goals: what must be, what is, and of which rows."""
    states = {True: "met", False: "missed", None: "not measured"}
    columns = (
        Column[Verdict]("goal", lambda verdict: f"{verdict.goal.where}: {verdict.goal.text}"),
        Column("must be", lambda verdict: f"{'<=' if verdict.goal.at_most else '>='} {verdict.goal.bound:g}"),
        Column("is", lambda verdict: verdict.reached, ".3g"),
        Column("", lambda verdict: states[verdict.met]),
        Column("from", lambda verdict: verdict.source),
    )
    return Table.of(verdicts, columns, "goals")
