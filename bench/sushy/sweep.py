# SPDX-License-Identifier: AGPL-3.0-or-later
"""sweep.py USER THREADS PATH...: one look at every BMC whose address is on standard input, with sushy.

The first path is the system's, the others are virtual media. The password is in SUSHY_PASSWORD. Prints how many
BMCs answered everything.
"""

import concurrent.futures
import os
import sys
import warnings

import sushy
from sushy.resources.manager import virtual_media

warnings.filterwarnings("ignore")  # Certificates are not checked.


def look(address: str) -> bool:
    connection = sushy.Sushy(address, username=USER, password=PASSWORD, verify=False)
    try:
        system = connection.get_system(SYSTEM)
        seen = [system.power_state, system.boot.get("enabled")]
        for path in MEDIA:
            medium = virtual_media.VirtualMedia(
                connection._conn, path, redfish_version=connection.redfish_version,
                registries=connection.lazy_registries, root=connection)
            seen.append(medium.inserted)
        return None not in seen
    finally:
        connection._auth.close()


USER, THREADS, SYSTEM, *MEDIA = sys.argv[1:]
PASSWORD = os.environ["SUSHY_PASSWORD"]
with concurrent.futures.ThreadPoolExecutor(int(THREADS)) as pool:
    print(sum(pool.map(look, sys.stdin.read().split())))
