# SPDX-License-Identifier: AGPL-3.0-or-later
"""Runs the command line tools of redfish_utilities, one for each line of JSON on standard input: a list of the
tool's name and its arguments. Says how each one ended, and what it printed.

Arguments: the address of the BMC, the user, a file with the BMC's certificate, for which the tools have no use. The
password is in the environment.
"""

import contextlib
import io
import json
import os
import runpy
import sys
import warnings

url, user, _ = sys.argv[1:]
tools = os.path.dirname(sys.executable)
warnings.simplefilter("ignore")

for line in sys.stdin:
    name, *arguments = json.loads(line)
    program = os.path.join(tools, name)
    sys.argv = [program, "-r", url, "-u", user, "-p", os.environ["BMC_PASSWORD"], *arguments]
    printed = io.StringIO()
    code = 0
    with contextlib.redirect_stdout(printed):
        try:
            runpy.run_path(program, run_name="__main__")
        except SystemExit as end:
            code = end.code
    print(json.dumps({"code": code, "printed": printed.getvalue()}), flush=True)
