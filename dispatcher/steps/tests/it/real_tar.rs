// SPDX-License-Identifier: AGPL-3.0-or-later
//! What GNU tar packs comes out as it was: everything that a file can have.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::Path;

use shoal_steps::progress::Progress;
use shoal_steps::root::Root;
use shoal_steps::tar_stream::Reader;
use shoal_steps::unpack::unpack;

use crate::support::{can_run, tool};

/// A tree with everything.
fn tree(path: &Path) {
    fs::create_dir_all(path.join("usr/bin")).expect("made");
    fs::write(path.join("usr/bin/tool"), "#!/bin/sh\n").expect("written");
    fs::set_permissions(path.join("usr/bin/tool"), fs::Permissions::from_mode(0o4755)).expect("set");
    symlink("usr/bin", path.join("bin")).expect("linked");
    fs::hard_link(path.join("usr/bin/tool"), path.join("usr/bin/other")).expect("linked");
    let long = format!("usr/{}", "long-name-".repeat(18));
    fs::create_dir(path.join(&long)).expect("made");
    fs::write(path.join(&long).join("é ü"), "deep").expect("written");
    fs::create_dir(path.join("tmp")).expect("made");
    fs::set_permissions(path.join("tmp"), fs::Permissions::from_mode(0o1777)).expect("set");
    let sparse = fs::File::create(path.join("sparse")).expect("made");
    sparse.set_len(40 << 20).expect("sized");
    for at in 0..60u64 {
        std::os::unix::fs::FileExt::write_all_at(&sparse, &[at as u8 + 1; 4096], at * (512 << 10))
            .expect("written");
    }
    fs::write(path.join("empty"), "").expect("written");
}

fn unpacked(tar: &Path) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a directory");
    let root = Root::open(dir.path()).expect("opened");
    let file = std::io::BufReader::new(fs::File::open(tar).expect("opened"));
    unpack(&mut Reader::new(file), &root, &Progress::silent()).expect("unpacked");
    dir
}

/// Every path with what it is, sizes and times; content by tar's own comparison.
fn listing(path: &Path) -> String {
    let format = "%P %y %m %U %G %s %T@ %l %n\n";
    let mut lines: Vec<_> = tool("find", &[&path.display().to_string(), "-mindepth", "1", "-printf", format])
        .lines()
        .map(str::to_owned)
        .collect();
    lines.sort();
    // The size of a directory is up to the file system.
    let plain = lines.into_iter().map(|line| {
        let mut fields: Vec<_> = line.split(' ').collect();
        if let Some(at) = fields.iter().position(|field| *field == "d") {
            fields[at + 4] = "-";
        }
        fields.join(" ")
    });
    plain.collect::<Vec<_>>().join("\n")
}

#[test]
fn every_format_of_tar_comes_out_as_it_went_in() {
    if !can_run(&["tar", "find"], false) {
        return;
    }
    let dir = tempfile::tempdir().expect("a directory");
    let source = dir.path().join("source");
    tree(&source);
    let from = source.display().to_string();
    for format in [
        &["--format=gnu", "--sparse"][..],
        &["--format=posix", "--sparse", "--sparse-version=1.0"][..],
        &["--format=posix", "--sparse", "--sparse-version=0.1"][..],
        &["--format=posix", "--sparse", "--sparse-version=0.0"][..],
    ] {
        let archive = dir.path().join("archive.tar");
        let to = archive.display().to_string();
        let mut arguments = vec!["--numeric-owner", "-C", &from, "-cf", &to];
        arguments.extend(format);
        arguments.push(".");
        tool("tar", &arguments);
        let out = unpacked(&archive);
        // GNU's own format has whole seconds only.
        if format[0] == "--format=posix" {
            assert_eq!(listing(out.path()), listing(&source), "{format:?}");
        }
        let same = fs::read(out.path().join("sparse")).expect("read")
            == fs::read(source.join("sparse")).expect("read");
        assert!(same, "{format:?}: content of the sparse file");
        let blocks = fs::metadata(out.path().join("sparse")).expect("there").blocks();
        assert!(blocks < 8 << 10, "{format:?}: {blocks} sectors for 240 KiB of data");
        let links = fs::metadata(out.path().join("usr/bin/tool")).expect("there");
        assert_eq!((links.nlink(), links.mode() & 0o7777), (2, 0o4755));
        assert_eq!(fs::metadata(out.path().join("tmp")).expect("there").mode() & 0o7777, 0o1777);
        assert_eq!(fs::read_link(out.path().join("bin")).expect("a link"), Path::new("usr/bin"));
    }
}

#[test]
fn attributes_acls_capabilities_owners_and_devices_are_kept() {
    if !can_run(&["tar", "setfattr", "getfattr", "setfacl", "getfacl", "setcap", "mknod"], true) {
        return;
    }
    let dir = tempfile::tempdir().expect("a directory");
    let source = dir.path().join("source");
    fs::create_dir_all(source.join("d")).expect("made");
    fs::write(source.join("f"), "x").expect("written");
    let at = |name: &str| source.join(name).display().to_string();
    tool("chown", &["1234:4321", &at("f")]);
    tool("setfattr", &["-n", "user.note", "-v", "a value", &at("f")]);
    tool("setfacl", &["-m", "u:1001:rw,g:55:r", &at("f")]);
    tool("setfacl", &["-d", "-m", "u:1001:rwx", &at("d")]);
    fs::write(source.join("ping"), "x").expect("written");
    tool("setcap", &["cap_net_raw+ep", &at("ping")]);
    tool("mknod", &[&at("null"), "c", "1", "3"]);
    tool("mknod", &[&at("disk"), "b", "8", "1"]);
    tool("mkfifo", &[&at("pipe")]);
    tool("chown", &["-h", "7:8", &at("pipe")]);
    for how in [&["--acls", "--xattrs", "--xattrs-include=*"][..], &["--xattrs", "--xattrs-include=*"][..]] {
        let archive = dir.path().join("archive.tar");
        let (from, to) = (source.display().to_string(), archive.display().to_string());
        let mut arguments = vec!["--numeric-owner", "--format=posix", "-C", &from, "-cf", &to];
        arguments.extend(how);
        arguments.push(".");
        tool("tar", &arguments);
        let out = unpacked(&archive);
        let of = |root: &Path, program: &str, arguments: &[&str], name: &str| {
            let path = root.join(name).display().to_string();
            let mut all = arguments.to_vec();
            all.push(&path);
            tool(program, &all)
                .lines()
                .filter(|line| !line.starts_with("# file"))
                .collect::<Vec<_>>()
                .join("\n")
        };
        for name in ["f", "d", "ping"] {
            for (program, arguments) in [
                ("getfacl", &["-n", "-p"][..]),
                ("getfattr", &["-d", "-m", "-", "-e", "hex", "--absolute-names"][..]),
            ] {
                let (got, wanted) =
                    (of(out.path(), program, arguments, name), of(&source, program, arguments, name));
                assert_eq!(got, wanted, "{how:?} {program} {name}");
            }
        }
        for name in ["f", "null", "disk", "pipe"] {
            let (got, wanted) = (
                fs::symlink_metadata(out.path().join(name)).expect("there"),
                fs::symlink_metadata(source.join(name)).expect("there"),
            );
            assert_eq!(
                (got.uid(), got.gid(), got.mode(), got.rdev(), got.mtime()),
                (wanted.uid(), wanted.gid(), wanted.mode(), wanted.rdev(), wanted.mtime()),
                "{name}"
            );
        }
    }
}
