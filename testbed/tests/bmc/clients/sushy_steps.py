# SPDX-License-Identifier: AGPL-3.0-or-later
"""Drives one BMC with sushy, a step for each line of JSON on standard input, and says what came of it.

Arguments: the address of the BMC, the user, a file with the BMC's certificate, the id of the system. The password
is in the environment. Media are looked for as Ironic's redfish drivers do: those of the system where it has any,
else those of its managers.
"""

import json
import os
import sys

import sushy
from sushy import auth
from sushy import exceptions

url, user, certificate, system_id = sys.argv[1:]
login = auth.SessionOrBasicAuth(user, os.environ["BMC_PASSWORD"])
service = sushy.Sushy(url, auth=login, verify=certificate)


def system():
    return service.get_system(f"/redfish/v1/Systems/{system_id}")


def slots():
    found = system()
    try:
        return found.virtual_media.get_members()
    except exceptions.MissingAttributeError:
        return [slot for manager in found.managers for slot in manager.virtual_media.get_members()]


def slot(name):
    return next(slot for slot in slots() if slot.identity == name)


def look(_):
    found = system()
    return {
        "serial": found.serial_number,
        "sku": found.sku,
        "uuid": found.uuid,
        "power": found.power_state and found.power_state.value,
    }


def media(_):
    return {slot.identity: {"image": slot.image, "inserted": slot.inserted} for slot in slots()}


def insert(step):
    slot(step["slot"]).insert_media(step["image"])


def boot(step):
    options = {"enabled": sushy.BootSourceOverrideEnabled.ONCE, "mode": sushy.BootSourceOverrideMode.UEFI}
    system().set_system_boot_options(
        sushy.BootSource(step["target"]), http_boot_uri=step.get("address"), **options
    )


def reset(step):
    system().reset_system(sushy.ResetType(step["type"]))


def eject(step):
    slot(step["slot"]).eject_media()


def leave(_):
    login.close()


STEPS = {step.__name__: step for step in (look, media, insert, boot, reset, eject, leave)}

for line in sys.stdin:
    asked = json.loads(line)
    try:
        said = {"ok": STEPS[asked["step"]](asked)}
    except exceptions.SushyError as error:
        said = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps(said), flush=True)
