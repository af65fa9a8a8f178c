#!/usr/bin/env python3
# SPDX-License-Identifier: AGPL-3.0-or-later
"""Images without a container engine, byte for byte the same each time.

usage: oci.py bind STORE BINARY VERSION EPOCH    an image store for podman with the tool image of the steps
       oci.py layout DIR LAYER DIFF_ID VERSION EPOCH   an OCI image layout around one zstd layer

`bind` writes what containers-storage (overlay driver) expects of an additional, read-only image store. The image holds
the program and empty directories; the containers see this system's own /usr.
"""

import base64
import hashlib
import io
import json
import os
import shutil
import sys
import tarfile
import time

NAME = "localhost/shoal-steps:bound"
DIRECTORIES = ["dev", "etc", "etc/lvm", "etc/ssl", "mnt", "proc", "root", "run", "sys", "tmp", "usr", "var", "var/tmp"]
LINKS = {"bin": "usr/bin", "lib": "usr/lib", "lib64": "usr/lib64", "sbin": "usr/sbin"}
FILES = {
    "etc/mke2fs.conf": b"",
    "etc/passwd": b"root:x:0:0:root:/root:/usr/sbin/nologin\n",
    "etc/group": b"root:x:0:\ndisk:x:6:\n",
}


def canonical(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def stamp(epoch):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(epoch))


def config_of(diff_id, version, epoch, **run):
    return canonical({
        "architecture": "amd64",
        "os": "linux",
        "created": stamp(epoch),
        "config": {"Labels": {"org.opencontainers.image.version": version}, **run},
        "rootfs": {"type": "layers", "diff_ids": ["sha256:" + diff_id]},
        "history": [{"created": stamp(epoch), "created_by": "maintenance-os/build.sh"}],
    })


def manifest_of(config, layer_type, layer_digest, layer_size, version):
    return canonical({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {
            "mediaType": "application/vnd.oci.image.config.v1+json",
            "digest": "sha256:" + sha256(config),
            "size": len(config),
        },
        "layers": [{"mediaType": layer_type, "digest": "sha256:" + layer_digest, "size": layer_size}],
        "annotations": {"org.opencontainers.image.version": version},
    })


def tool_layer(binary, epoch):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        def entry(name, kind, mode, content=b"", link=""):
            info = tarfile.TarInfo(name)
            info.type, info.mode, info.mtime, info.linkname, info.size = kind, mode, epoch, link, len(content)
            tar.addfile(info, io.BytesIO(content))
        for name in DIRECTORIES:
            entry(name, tarfile.DIRTYPE, 0o1777 if name.endswith("tmp") else 0o755)
        for name, link in LINKS.items():
            entry(name, tarfile.SYMTYPE, 0o777, link=link)
        for name, content in FILES.items():
            entry(name, tarfile.REGTYPE, 0o644, content)
        with open(binary, "rb") as file:
            entry("shoal-steps", tarfile.REGTYPE, 0o755, file.read())
    return out.getvalue()


def big_data_name(key):
    """containers-storage keeps an item under its own name if that is plain, else in base64."""
    if all(c == "." or c.isdigit() or "a" <= c <= "z" for c in key):
        return key
    return "=" + base64.b64encode(key.encode()).decode()


def write(path, data):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(data)


def bind(store, binary, version, epoch):
    layer = tool_layer(binary, epoch)
    layer_id = sha256(layer)
    config = config_of(layer_id, version, epoch, Entrypoint=["/shoal-steps"], WorkingDir="/")
    manifest = manifest_of(config, "application/vnd.oci.image.layer.v1.tar", layer_id, len(layer), version)
    image_id, digest = sha256(config), "sha256:" + sha256(manifest)

    shutil.rmtree(store, ignore_errors=True)
    diff = os.path.join(store, "overlay", layer_id, "diff")
    os.makedirs(diff)
    with tarfile.open(fileobj=io.BytesIO(layer)) as tar:
        tar.extractall(diff)
    link = base64.b32encode(bytes.fromhex(layer_id))[:26].decode()
    write(os.path.join(store, "overlay", layer_id, "link"), link.encode())
    os.makedirs(os.path.join(store, "overlay", "l"))
    os.symlink(f"../{layer_id}/diff", os.path.join(store, "overlay", "l", link))
    write(os.path.join(store, "overlay-layers", "layers.json"), canonical([{
        "id": layer_id,
        "created": stamp(epoch),
        "compressed-diff-digest": "sha256:" + layer_id,
        "compressed-size": len(layer),
        "diff-digest": "sha256:" + layer_id,
        "diff-size": len(layer),
        "uidset": [0],
        "gidset": [0],
    }]))
    items = {"sha256:" + image_id: config, "manifest": manifest, "manifest-" + digest: manifest}
    for key, data in items.items():
        write(os.path.join(store, "overlay-images", image_id, big_data_name(key)), data)
    write(os.path.join(store, "overlay-images", "images.json"), canonical([{
        "id": image_id,
        "digest": digest,
        "names": [NAME],
        "layer": layer_id,
        "metadata": "{}",
        "big-data-names": sorted(items),
        "big-data-sizes": {key: len(data) for key, data in items.items()},
        "big-data-digests": {key: "sha256:" + sha256(data) for key, data in items.items()},
        "created": stamp(epoch),
    }]))
    # There before anybody asks: they cannot be made in a root that is read-only.
    for name in ("overlay-layers/layers.lock", "overlay-images/images.lock"):
        write(os.path.join(store, name), b"")
    print(digest)


def layout(directory, layer, diff_id, version, epoch):
    with open(layer, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    config = config_of(diff_id, version, epoch, Cmd=["/sbin/init"])
    layer_type = "application/vnd.oci.image.layer.v1.tar+zstd"
    manifest = manifest_of(config, layer_type, digest, os.path.getsize(layer), version)
    blobs = os.path.join(directory, "blobs", "sha256")
    os.makedirs(blobs, exist_ok=True)
    shutil.move(layer, os.path.join(blobs, digest))
    for data in (config, manifest):
        write(os.path.join(blobs, sha256(data)), data)
    write(os.path.join(directory, "oci-layout"), canonical({"imageLayoutVersion": "1.0.0"}))
    write(os.path.join(directory, "index.json"), canonical({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [{
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "digest": "sha256:" + sha256(manifest),
            "size": len(manifest),
            "platform": {"architecture": "amd64", "os": "linux"},
            "annotations": {"org.opencontainers.image.ref.name": version},
        }],
    }))
    print("sha256:" + sha256(manifest))


def main(arguments):
    match arguments:
        case ["bind", store, binary, version, epoch]:
            bind(store, binary, version, int(epoch))
        case ["layout", directory, layer, diff_id, version, epoch]:
            layout(directory, layer, diff_id, version, int(epoch))
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
