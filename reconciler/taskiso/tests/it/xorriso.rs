// SPDX-License-Identifier: AGPL-3.0-or-later
//! Media read back by `xorriso`, the reader and writer that distributions trust.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::process::Command;

use shoal_taskiso::reader::{Names, Volume, find_task};
use shoal_taskiso::{Composed, Iso, raw_image};
use tempfile::TempDir;

use crate::sets::{LABEL, directories, expected, fixed, medium};

/// Whether `xorriso` is here. Without it the test says that it skips, unless
/// `SHOAL_REQUIRE_TOOLS=1` asks for a failure.
fn present() -> bool {
    let present = Command::new("xorriso").arg("-version").output().is_ok();
    let required = std::env::var_os("SHOAL_REQUIRE_TOOLS").is_some_and(|value| value == "1");
    assert!(present || !required, "xorriso is not installed and SHOAL_REQUIRE_TOOLS is 1");
    if !present {
        let mut stderr = std::io::stderr();
        writeln!(stderr, "SKIPPED: xorriso is not installed").expect("stderr");
    }
    present
}

/// What `xorriso` says on standard output when it has loaded the image with the options in front.
fn run(directory: &Path, iso: &Iso, before: &[&str], after: &[&str]) -> String {
    let image = directory.join("task.iso");
    std::fs::write(&image, &iso.bytes).expect("room");
    let output = Command::new("xorriso")
        .args(["-no_rc", "-abort_on", "WARNING"])
        .args(before)
        .arg("-indev")
        .arg(format!("stdio:{}", image.display()))
        .args(after)
        .env("LC_ALL", "C")
        .env("TZ", "UTC")
        .output()
        .expect("xorriso was there a moment ago");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    String::from_utf8(output.stdout).expect("text")
}

/// Path to mode, owner, group, size and date, as `lsdl` shows them.
fn listing(text: &str) -> BTreeMap<String, (String, String, String, u64, String)> {
    text.lines()
        .filter_map(|line| {
            let (front, path) = line.split_once(" '")?;
            let path = path.strip_suffix('\'')?.to_owned();
            let fields: Vec<_> = front.split_whitespace().collect();
            let &[mode, _links, owner, group, size, month, day, year] = fields.as_slice() else {
                panic!("a line of another form: {line}");
            };
            let size = size.parse().expect("a number");
            let date = format!("{month} {day} {year}");
            Some((path, (mode.into(), owner.into(), group.into(), size, date)))
        })
        .collect()
}

#[test]
fn xorriso_sees_names_modes_owners_and_dates() {
    if !present() {
        return;
    }
    let directory = TempDir::new().expect("a temporary directory");
    let text = run(directory.path(), &medium(&fixed()), &[], &["-find", "/", "-exec", "lsdl", "--"]);
    let mut found = listing(&text);
    let mut wanted = BTreeMap::new();
    let entry =
        |mode: &str, size| (mode.to_owned(), "0".to_owned(), "0".to_owned(), size, "Nov 14 2023".to_owned());
    for (path, content) in expected(&fixed()) {
        wanted.insert(format!("/{path}"), entry("-r--r--r--", content.len() as u64));
    }
    wanted.insert("/".into(), entry("dr-xr-xr-x", 0));
    for path in directories(&fixed()) {
        wanted.insert(format!("/{path}"), entry("dr-xr-xr-x", 0));
    }
    for (path, entry) in &mut found {
        // xorriso makes up a size for directories.
        if wanted.get(path).is_some_and(|entry| entry.0.starts_with('d')) {
            entry.3 = 0;
        }
    }
    assert_eq!(found, wanted);
}

#[test]
fn xorriso_sees_the_volume_id_and_both_trees() {
    if !present() {
        return;
    }
    let directory = TempDir::new().expect("a temporary directory");
    let iso = medium(&fixed());
    let text = run(directory.path(), &iso, &[], &["-pvd_info"]);
    assert!(text.contains(&format!("Volume Id    : {LABEL}\n")), "{text}");
    let mut wanted: Vec<_> = expected(&fixed()).into_keys().chain(directories(&fixed())).collect();
    wanted.sort();
    // Rock Ridge, then Joliet.
    for tree in ["any", "norock"] {
        let text = run(directory.path(), &iso, &["-read_fs", tree], &["-find", "/"]);
        let mut found: Vec<_> = text
            .lines()
            .map(|line| line.trim_matches('\'').trim_start_matches('/').to_owned())
            .filter(|path| !path.is_empty())
            .collect();
        found.sort();
        assert_eq!(found, wanted, "{tree}");
    }
    // Without any extension, a reader sees upper case as the standard has it.
    let text = run(directory.path(), &iso, &["-read_fs", "ecma119"], &["-find", "/"]);
    for name in ["KS.CFG", "RECIPE.JSON", "RECIPE_SCHEMA.JSON", "USER_DATA"] {
        assert!(text.contains(&format!("'/{name}'")), "{name} in {text}");
    }
}

#[test]
fn xorriso_extracts_every_content_from_every_form() {
    if !present() {
        return;
    }
    let iso = medium(&fixed());
    let raw = raw_image(&iso, 1024 * 1024).expect("a mebibyte");
    for (form, iso) in [("iso", &iso), ("raw", &raw)] {
        for tree in ["any", "norock"] {
            let directory = TempDir::new().expect("a temporary directory");
            let out = directory.path().join("out");
            let target = out.to_str().expect("a path of this test");
            // Modes off, or a user who is not root could not remove the directories.
            run(
                directory.path(),
                iso,
                &["-osirrox", "on:auto_chmod_off", "-read_fs", tree],
                &["-extract", "/", target, "-chmod_r", "u+w", "/", "--", "-rollback_end"],
            );
            for (path, content) in expected(&fixed()) {
                let found = std::fs::read(out.join(&path)).expect("extracted");
                assert_eq!(found, content, "{form} {tree} {path}");
            }
        }
    }
}

/// A tree as a maintenance ISO may have it: names that need a continuation, a link, an empty file.
fn foreign_tree(directory: &Path) -> BTreeMap<String, Vec<u8>> {
    let files = BTreeMap::from([
        ("live/root.squashfs".to_owned(), vec![9; 70_000]),
        ("EFI/BOOT/BOOTX64.EFI".to_owned(), vec![1; 3000]),
        (format!("{}.txt", "long-name-".repeat(24)), b"continued".to_vec()),
        ("empty".to_owned(), Vec::new()),
        ("Gr\u{fc}\u{df}e".to_owned(), b"text".to_vec()),
    ]);
    for (path, content) in &files {
        let path = directory.join(path);
        std::fs::create_dir_all(path.parent().expect("inside")).expect("room");
        std::fs::write(path, content).expect("room");
    }
    std::os::unix::fs::symlink("empty", directory.join("link")).expect("room");
    files
}

#[test]
fn our_reader_reads_what_xorriso_writes() {
    if !present() {
        return;
    }
    for (options, names) in [
        (&["-R", "-J", "-joliet-long"][..], Names::RockRidge),
        (&["--norock", "-J", "-joliet-long"], Names::Joliet),
        (&["--norock", "-iso-level", "3"], Names::Plain),
    ] {
        let directory = TempDir::new().expect("a temporary directory");
        let tree = directory.path().join("tree");
        let files = foreign_tree(&tree);
        let image = directory.path().join("maintenance.iso");
        let output = Command::new("xorriso")
            .args(["-as", "mkisofs", "-V", "SHOAL_MAINTENANCE", "-o"])
            .arg(&image)
            .args(options)
            .arg(&tree)
            .env("LC_ALL", "C.UTF-8")
            .output()
            .expect("xorriso was there a moment ago");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let source = std::fs::File::open(&image).expect("just written");
        let volume = Volume::open(source).expect("a volume of xorriso");
        assert_eq!(volume.volume_id(), "SHOAL_MAINTENANCE");
        assert_eq!(volume.names(), names);
        let found: BTreeMap<_, _> = volume
            .files()
            .map(|file| (file.path.clone(), volume.read(&file.path, 100_000).expect("listed")))
            .collect();
        if names == Names::RockRidge {
            assert_eq!(found, files);
        }
        // The others shorten names and change letters; what is in the files is all there.
        let sorted = |files: BTreeMap<String, Vec<u8>>| {
            let mut contents: Vec<_> = files.into_values().collect();
            contents.sort();
            contents
        };
        assert_eq!(sorted(found), sorted(files));

        // And it composes, which leaves it as it was.
        let source = std::fs::File::open(&image).expect("just written");
        let composed = Composed::new(source, &medium(&fixed())).expect("two volumes");
        assert_eq!(find_task(&composed).expect("a task").volume_id, LABEL);
        assert_eq!(Volume::open(composed).expect("as before").volume_id(), "SHOAL_MAINTENANCE");
    }
}
