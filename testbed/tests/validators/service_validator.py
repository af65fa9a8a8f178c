# SPDX-License-Identifier: AGPL-3.0-or-later
"""Runs the DMTF's Redfish service validator over many BMCs, as its own command does over one, and prints what it
found as JSON: a list with an object for each BMC.

Arguments: a directory of schemas, the user, the addresses of the BMCs. The password is in the environment.
"""

import contextlib
import json
import logging
import os
import sys

import redfish
from redfish_service_validator import logger, metadata
from redfish_service_validator.system_under_test import SystemUnderTest

ROOT = "/redfish/v1/"
# Seconds for an answer.
TIMEOUT = 5


def fails(sut):
    for uri, resource in sut._resources.items():
        for path, found in resource["Results"].items():
            if found["Result"] == "FAIL":
                assertion, _, message = found["Message"].partition(": ")
                yield {"assertion": assertion, "at": uri + path, "message": message}


def connected(url):
    password = os.environ["BMC_PASSWORD"]
    for login in ["Session", "Basic"]:
        try:
            return SystemUnderTest(url, user, password, TIMEOUT, login, None, None, None, ["LogEntry", "20"], False)
        except Exception as error:
            why = error
    raise why


def validated(url):
    try:
        sut = connected(url)
    except Exception as error:
        return {"passes": 0, "finished": False, "fails": [{"assertion": "Set Up", "at": url, "message": str(error)}]}
    sut.validate(None, ROOT, ROOT)
    sut.logout()
    return {"passes": sut.pass_count, "finished": True, "fails": list(fails(sut))}


schemas, user, *urls = sys.argv[1:]
logger.logger = redfish.redfish_logger("validator.log", "%(message)s", logging.ERROR)
with contextlib.redirect_stdout(sys.stderr):
    metadata.parse_schema_files(schemas)
    found = [validated(url) for url in urls]
json.dump(found, sys.stdout)
