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


def raised(*lines):
    text = "\n".join(("Traceback (most recent call last):", '  File "b.py", line 1, in b') + lines)
    (found,) = failure.shape(text + "\n")["$exception_list"]
    assert "Ada" not in str(found)
    return found["type"]


def test_the_type_stands_in_the_first_line_after_the_frames_and_nowhere_else():
    assert raised("app_error: no account", "Ada") == "app_error"
    assert raised("ValueError: no account", "", "During handling of Ada", "Ada: x") == "ValueError"
    assert raised("ValueError: it said", "Traceback (most recent call last):", "Ada: x") == "ValueError"
    assert raised("no name: Ada") == "Exception"


def test_types_of_every_spelling_are_read():
    assert raised("struct.error: unpack requires a buffer of 4 bytes") == "struct.error"
    assert raised("zlib.error") == "zlib.error"
    assert raised("shop.pay.<locals>.Mine: Ada") == "shop.pay.<locals>.Mine"
    assert raised("Ung\u00fcltig: Ada") == "Ung\u00fcltig"


GROUP = """  + Exception Group Traceback (most recent call last):
  |   File "/home/pyodide/shop.py", line 3, in pay
  |     raise ExceptionGroup("Ada", [ValueError("Ada")])
  | ExceptionGroup: Ada (1 sub-exception)
  +-+---------------- 1 ----------------
    | Traceback (most recent call last):
    |   File "ada.py", line 9, in ada
    | ValueError: Ada
    +------------------------------------
"""


def test_a_group_is_one_exception():
    (found,) = failure.shape(GROUP)["$exception_list"]
    assert found["type"] == "ExceptionGroup"
    assert [each["function"] for each in found["stacktrace"]["frames"]] == ["pay"]
    assert "Ada" not in str(found)


STRANGERS = """
/lib/python314.zip/_pyodide/_base.py
/lib/python314.zip/pyodide/webloop.py /lib/python3.14/asyncio/tasks.py
asyncio/core.py pyscript/events.py ./pyscript/events.py /home/pyodide/pyscript/events.py beknown/hosts/spans.py
/home/pyodide/beknown/hosts/spans.py /lib/python3.14/site-packages/beknown/hosts/spans.py""".split()
PAGES = "<exec> <stdin> main.py /home/pyodide/shop.py /home/pyodide/app/beknown/x.py /lib/python3.14/json/a.py".split()


def test_only_frames_of_the_page_are_kept():
    text = "".join(['  File "%s", line 1, in f\n' % file for file in STRANGERS + PAGES])
    (found,) = failure.shape("Traceback (most recent call last):\n" + text + "ValueError: x\n")["$exception_list"]
    assert [each["filename"] for each in found["stacktrace"]["frames"]] == PAGES


def test_a_recursion_is_cut():
    text = "Traceback (most recent call last):\n" + '  File "a.py", line 1, in f\n' * 500 + "RecursionError: x\n"
    (found,) = failure.shape(text)["$exception_list"]
    assert len(found["stacktrace"]["frames"]) == failure.MAX_FRAMES


def test_what_is_no_traceback_is_no_event():
    assert failure.shape("") == {}
    assert failure.shape("undefined is not a function") == {}
