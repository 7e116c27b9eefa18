"""A traceback's shape, and none of its values."""

from beknown import failure

SECRET = "ada@example.com"
CPYTHON = """Traceback (most recent call last):
  File "/lib/python3.14/site-packages/_pyodide/_base.py", line 523, in eval_code
    .run(globals, locals)
  File "main.py", line 3, in <module>
    clicked(None)
  File "main.py", line 7, in clicked
    raise ValueError("no account for ada@example.com")
    ~~~~~^^^^^^^
ValueError: no account for ada@example.com
"""
MICROPYTHON = 'Traceback (most recent call last):\n  File "<stdin>", line 4, in clicked\nKeyError: ada@example.com\n'


def test_type_and_frames_are_kept_and_the_message_is_not():
    (found,) = failure.shape(CPYTHON)["$exception_list"]
    assert found["type"] == "ValueError"
    assert found["value"] == ""
    frames = [(each["filename"], each["function"], each["lineno"]) for each in found["stacktrace"]["frames"]]
    assert frames == [("main.py", "<module>", 3), ("main.py", "clicked", 7)]
    assert SECRET not in str(failure.shape(CPYTHON))


def test_micropythons_traceback_is_read_too():
    (found,) = failure.shape(MICROPYTHON)["$exception_list"]
    assert found["type"] == "KeyError"
    assert found["stacktrace"]["frames"][0]["function"] == "clicked"
    assert SECRET not in str(found)


def test_of_a_chain_the_last_exception_counts_and_a_message_of_several_lines_stays_out():
    text = CPYTHON + "\nDuring handling of the above exception, another exception occurred:\n\n"
    text += 'Traceback (most recent call last):\n  File "b.py", line 1, in b\n'
    text += "shop.Refused: first line\nsecond: line of Ada\n"
    (found,) = failure.shape(text)["$exception_list"]
    assert found["type"] == "shop.Refused"
    assert "Ada" not in str(found)
    assert [each["filename"] for each in found["stacktrace"]["frames"]] == ["b.py"]


def test_a_line_of_the_message_that_looks_like_a_type_is_not_taken_for_one():
    text = 'Traceback (most recent call last):\n  File "b.py", line 1, in b\nValueError: customer\nAda: unknown\n'
    (found,) = failure.shape(text)["$exception_list"]
    assert found["type"] == "ValueError"


def test_a_recursion_is_cut():
    text = "Traceback (most recent call last):\n" + '  File "a.py", line 1, in f\n' * 500 + "RecursionError: x\n"
    (found,) = failure.shape(text)["$exception_list"]
    assert len(found["stacktrace"]["frames"]) == failure.MAX_FRAMES


def test_what_is_no_traceback_is_no_event():
    assert failure.shape("") == {}
    assert failure.shape("undefined is not a function") == {}
