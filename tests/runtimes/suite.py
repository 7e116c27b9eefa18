"""Runs test functions where there is no pytest: on MicroPython and on Pyodide.

``run`` takes and gives JSON text, as everything does that crosses the border to JavaScript.
"""

import io
import json
import sys


def traceback_of(error):
    """Say what was raised and where, as far as this runtime can tell."""
    if sys.implementation.name == "micropython":
        text = io.StringIO()
        sys.print_exception(error, text)
        return text.getvalue()
    import traceback

    return "".join(traceback.format_exception(error))


def outcomes(name):
    """Run every test function of one module; map its name to "" or what went wrong."""
    found = {}
    module = __import__(name)
    for test in sorted(module.__dict__):  # MicroPython's dir() misses names that were made at run time
        if not test.startswith("test_"):
            continue
        try:
            module.__dict__[test]()
            found[test] = ""
        except Exception as error:
            found[test] = traceback_of(error)
    return found


def run(text):
    """Run the modules named in a JSON list; give {module: {test: "" or traceback}}."""
    answer = {}
    for name in json.loads(text):
        try:
            answer[name] = outcomes(name)
        except Exception as error:
            answer[name] = {"": traceback_of(error)}
    return json.dumps(answer)
