"""100,000 events through ``beknown.backend``'s Client while their collector misbehaves and is killed: what is lost?

    python bench/soak_backend.py [--events 100000] [--results FILE]

These are the tests of tests/backend/test_faults.py, which `make test` runs with fewer events; what they count is
written down here. Ends with pytest's own exit code.
"""

import argparse
import datetime
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from xml.etree import ElementTree

HERE = Path(__file__).parent
TESTS = HERE.parent / "tests/backend/test_faults.py"


def main() -> int:
    """Run the tests and write bench/results/soak_backend.json."""
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--events", type=int, default=100_000)
    options.add_argument("--results", type=Path, default=HERE / "results/soak_backend.json")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-o", "junit_family=xunit1", TESTS, f"--junit-xml={report}"],
            env=os.environ | {"BEKNOWN_SOAK_EVENTS": str(chosen.events)},
            cwd=HERE.parent,
        )
        found = {"date": datetime.datetime.now(datetime.UTC).date().isoformat(), "runs": runs(report)}
    text = json.dumps(found, indent=2)
    print(text)
    chosen.results.write_text(text + "\n")
    return done.returncode


def runs(report: Path) -> dict[str, dict[str, object]]:
    """Give what each test counted, its seconds, and whether it passed, from pytest's report."""
    return {
        case.get("name", ""): {
            "passed": not (case.findall("failure") or case.findall("error")),
            "seconds": round(float(case.get("time", 0))),
            **{one.get("name", ""): json.loads(one.get("value", "null")) for one in case.iter("property")},
        }
        for case in ElementTree.parse(report).iter("testcase")
    }


if __name__ == "__main__":
    sys.exit(main())
