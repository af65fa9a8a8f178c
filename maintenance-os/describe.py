#!/usr/bin/env python3
# SPDX-License-Identifier: AGPL-3.0-or-later
"""Writes the list of packages in a tree, with versions and licences, as JSON on standard output.

usage: describe.py TREE LOCK

Licences come from each package's debian/copyright: the short names of its `License:` fields where the file is in
Debian's machine-readable format, otherwise the licence texts of base-files that it refers to.
"""

import json
import os
import re
import sys


def copyright_of(tree, package):
    """The text of a package's copyright file. Links of one documentation directory to another are followed."""
    base = os.path.join(tree, "usr/share/doc")
    directory = package
    for _ in range(8):
        link = os.path.join(base, directory)
        if not os.path.islink(link):
            break
        directory = os.path.basename(os.readlink(link))
    path = os.path.join(base, directory, "copyright")
    for _ in range(8):
        if not os.path.islink(path):
            break
        target = os.readlink(path)
        path = tree + target if target.startswith("/") else os.path.join(os.path.dirname(path), target)
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return None


def licences(text):
    """Short names of licences, sorted."""
    if re.search(r"^Format(-Specification)?:\s*\S", text, re.MULTILINE | re.IGNORECASE):
        names = set()
        for line in re.findall(r"^License:[ \t]*(\S.*)$", text, re.MULTILINE | re.IGNORECASE):
            names.add(" ".join(line.split()).rstrip(","))
        if names:
            return sorted(names)
    named = set(re.findall(r"/usr/share/common-licenses/([A-Za-z0-9.+-]*[A-Za-z0-9])", text))
    return sorted(named) or ["see copyright file"]


def main(tree, lock):
    packages = []
    with open(lock, encoding="utf-8") as lines:
        for line in lines:
            if line.startswith("#"):
                continue
            name, version, architecture, sha256, _archive, _path = line.split()
            text = copyright_of(tree, name)
            packages.append({
                "package": name,
                "version": version,
                "architecture": architecture,
                "sha256": sha256,
                "licences": licences(text) if text else ["see source package"],
            })
    json.dump({"packages": packages}, sys.stdout, indent=1, sort_keys=True)
    print()


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: describe.py TREE LOCK")
    main(sys.argv[1], sys.argv[2])
