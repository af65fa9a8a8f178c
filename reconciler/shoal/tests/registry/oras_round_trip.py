# SPDX-License-Identifier: AGPL-3.0-or-later
"""A round trip of the oras library. Arguments: HOST:PORT, USER, PASSWORD, a file, a directory to pull into.

Prints the digest that the registry gave the artifact, and the tags before and after a deletion, as JSON.
"""

import json
import os
import sys

import oras.client

host, user, password, source, into = sys.argv[1:]
repository = f"{host}/tools/oras"


def client(password):
    made = oras.client.OrasClient(hostname=host, insecure=True, auth_backend="basic")
    config = os.path.join(os.environ["HOME"], f"config-{len(password)}.json")
    made.login(username=user, password=password, hostname=host, config_path=config, tls_verify=False)
    return made


def push(made, tag, **options):
    return made.push(target=f"{repository}:{tag}", files=[source], disable_path_validation=True, **options)


try:
    push(client("wrong"), "0")
except ValueError as error:
    refused = str(error)
else:
    refused = None

made = client(password)
answer = push(made, "1", manifest_annotations={"org.example.say": "hello"})
push(made, "2", do_chunked=True, chunk_size=100_000)
pulled = made.pull(target=f"{repository}:2", outdir=into)
before = made.get_tags(repository)
made.delete_tags(repository, ["1"])
print(
    json.dumps(
        {
            "refused": refused,
            "digest": answer.headers["Docker-Content-Digest"],
            "pulled": pulled,
            "before": before,
            "after": made.get_tags(repository),
        }
    )
)
