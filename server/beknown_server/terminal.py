"""The identity report as the terminal shows it."""

from __future__ import annotations

from typing import Any

RUNGS = {
    "1": "the user's own id",
    "2": "one anonymous id over several sessions",
    "3": "an id within one session only",
    "4": "a new id on every request",
}
BAR = 30  # characters


def printed(report: dict[str, Any]) -> str:
    """Give the lines of a report, as ``GET /api/identity/report`` answers with it."""
    lines = ["Events by how well we know whose they are"]
    for rung, meaning in RUNGS.items():
        share = report["ladder"][rung]
        lines.append(f"  {rung}  {share:6.1%}  {'#' * round(share * BAR):{BAR}}  {meaning}")
    users, loss = report["unique_users"], report["loss"]
    lines += ["", f"Unique users  {users['persons']:,}, at least {users['low']:,}, at most {users['high']:,}"]
    lines += [f"Events lost   {loss['sent'] - loss['received']:,} of {loss['sent']:,} ({loss['share']:.2%})", ""]
    weeks = [week for week in report["weeks"] if any(week["ladder"].values())]
    if len(weeks) > 1:
        lines.append("Week by week   " + "".join(f"{rung:>7}" for rung in RUNGS))
        lines += [f"  {week['start']}   " + "".join(f"{week['ladder'][rung]:7.1%}" for rung in RUNGS) for week in weeks]
        lines.append("")
    for finding in report["findings"]:
        lines.append(f"{finding['code']}  {finding['count']:,}  ({finding['severity']})")
        lines.append(f"    effect on unique users: {finding['effect']}")
        lines.append(f"    {finding['fix']}")
        if finding["examples"]:
            lines.append("    see " + ", ".join(one["name"] for one in finding["examples"]))
    if not report["findings"]:
        lines.append("Nothing was found that spoils it.")
    return "\n".join(lines)
