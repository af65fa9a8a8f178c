// SPDX-License-Identifier: AGPL-3.0-or-later
//! Archives that want out of the root, or the unpacker off its feet.

use std::fs;
use std::path::Path;

use proptest::prelude::*;
use shoal_steps::progress::Progress;
use shoal_steps::root::Root;
use shoal_steps::tar_stream::{ArchiveError, Reader};
use shoal_steps::unpack::{UnpackError, Unpacked, unpack};

use crate::support::Archive;

/// A root, and a neighbour that nothing may reach.
struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        for name in ["root", "outside"] {
            fs::create_dir(dir.path().join(name)).expect("made");
        }
        fs::write(dir.path().join("outside/victim"), "untouched").expect("written");
        Self { dir }
    }

    fn root(&self) -> std::path::PathBuf {
        self.dir.path().join("root")
    }

    fn unpack(&self, bytes: &[u8]) -> Result<Unpacked, UnpackError> {
        let root = Root::open(&self.root()).expect("opened");
        unpack(&mut Reader::new(bytes), &root, &Progress::silent())
    }

    fn assert_untouched(&self) {
        let mut names: Vec<_> =
            fs::read_dir(self.dir.path()).expect("listed").flatten().map(|e| e.file_name()).collect();
        names.sort();
        assert_eq!(names, ["outside", "root"]);
        let outside: Vec<_> =
            fs::read_dir(self.dir.path().join("outside")).expect("listed").flatten().collect();
        assert_eq!(outside.len(), 1, "{outside:?}");
        assert_eq!(fs::read(self.dir.path().join("outside/victim")).expect("read"), b"untouched");
    }
}

fn outside(place: &Place) -> String {
    place.dir.path().join("outside").display().to_string()
}

#[test]
fn names_that_lead_upwards_are_refused() {
    for name in ["../outside/new", "a/../../outside/new", "/../outside/new", ".."] {
        let place = Place::new();
        let error = place.unpack(&Archive::default().file(name, b"x").end()).expect_err(name);
        assert!(matches!(error, UnpackError::Refused { .. }), "{error}");
        place.assert_untouched();
    }
}

#[test]
fn an_absolute_name_counts_from_the_root() {
    let place = Place::new();
    let name = format!("{}/victim", outside(&place));
    place.unpack(&Archive::default().file(&name, b"x").end()).expect("unpacked");
    assert_eq!(fs::read(place.root().join(name.trim_start_matches('/'))).expect("inside"), b"x");
    place.assert_untouched();
}

#[test]
fn a_link_planted_first_leads_nowhere_outside() {
    let place = Place::new();
    for target in
        [outside(&place), "../outside".to_owned(), "../../../../../../..".to_owned(), "/".to_owned()]
    {
        let place = Place::new();
        let archive = Archive::default().symlink("door", &target).file("door/victim", b"x").end();
        // Whether the target exists in the root decides if this works; it never decides where it goes.
        drop(place.unpack(&archive));
        place.assert_untouched();
    }
}

#[test]
fn a_file_over_a_link_replaces_the_link() {
    let place = Place::new();
    let victim = format!("{}/victim", outside(&place));
    let archive = Archive::default().symlink("passwd", &victim).file("passwd", b"x").end();
    place.unpack(&archive).expect("unpacked");
    assert!(fs::symlink_metadata(place.root().join("passwd")).expect("there").is_file());
    place.assert_untouched();
}

#[test]
fn a_directory_over_a_link_replaces_the_link() {
    let place = Place::new();
    let archive =
        Archive::default().symlink("etc", &outside(&place)).directory("etc").file("etc/victim", b"x").end();
    place.unpack(&archive).expect("unpacked");
    assert_eq!(fs::read(place.root().join("etc/victim")).expect("inside"), b"x");
    place.assert_untouched();
}

#[test]
fn a_hard_link_reaches_nothing_outside() {
    let place = Place::new();
    let victim = format!("{}/victim", outside(&place));
    for archive in [
        Archive::default().hard_link("mine", &victim),
        Archive::default().hard_link("mine", "../outside/victim"),
        Archive::default().symlink("door", &outside(&place)).hard_link("mine", "door/victim"),
        Archive::default().hard_link("mine", "mine"),
        Archive::default().directory("d").hard_link("mine", "d"),
    ] {
        let fresh = Place::new();
        assert!(fresh.unpack(&archive.file("mine", b"x").end()).is_err());
        place.assert_untouched();
        fresh.assert_untouched();
    }
}

#[test]
fn a_link_to_a_link_outside_is_never_written_through() {
    let place = Place::new();
    let victim = format!("{}/victim", outside(&place));
    let archive = Archive::default().symlink("a", &victim).hard_link("b", "a").file("b", b"x").end();
    place.unpack(&archive).expect("unpacked");
    assert_eq!(fs::read(place.root().join("b")).expect("a file"), b"x");
    assert!(fs::symlink_metadata(place.root().join("a")).expect("there").is_symlink());
    place.assert_untouched();
}

#[test]
fn a_directory_that_is_swapped_for_a_link_in_the_middle_is_noticed() {
    let place = Place::new();
    let archive = Archive::default()
        .directory("d")
        .file("d/one", b"1")
        .hard_link("gone", "d/one")
        .symlink("e", &outside(&place))
        .file("e/victim", b"x")
        .end();
    drop(place.unpack(&archive));
    place.assert_untouched();
    // A directory that holds something does not make room.
    let place = Place::new();
    let archive = Archive::default().file("d/one", b"1").symlink("d", &outside(&place)).end();
    assert!(place.unpack(&archive).is_err());
    place.assert_untouched();
}

#[test]
fn archives_that_are_not_whole_are_refused() {
    let whole = Archive::default().file("a", &[7; 2000]).end();
    for end in [100, 512, 600, 2560] {
        let place = Place::new();
        let error = place.unpack(&whole[..end]).expect_err("cut");
        assert!(matches!(error, UnpackError::Archive(ArchiveError::Truncated { .. })), "{end}: {error}");
    }
    let mut damaged = whole.clone();
    damaged[20] ^= 1;
    let error = Place::new().unpack(&damaged).expect_err("damaged");
    assert!(matches!(error, UnpackError::Archive(ArchiveError::Header { at: 0, .. })), "{error}");
    assert!(Place::new().unpack(b"").is_err());
}

#[test]
fn extensions_that_would_eat_all_memory_are_refused() {
    for kind in [b'L', b'K', b'x', b'g'] {
        let mut archive = Archive::default().raw(kind, b"x", b"", b"").0;
        let mut header = tar::Header::from_byte_slice(&archive[..512]).clone();
        header.set_size(1 << 40);
        header.set_cksum();
        archive[..512].copy_from_slice(header.as_bytes());
        let endless = std::io::Read::chain(archive.as_slice(), std::io::repeat(b'a'));
        let place = Place::new();
        let root = Root::open(&place.root()).expect("opened");
        let mut reader = Reader::new(std::io::BufReader::new(endless));
        assert!(unpack(&mut reader, &root, &Progress::silent()).is_err());
    }
}

#[test]
fn sparse_maps_that_lie_are_refused() {
    let pax = |records: &[(&str, &str)]| {
        let mut text = Vec::new();
        for (key, value) in records {
            let rest = format!(" {key}={value}\n");
            let len = (rest.len() + 1..rest.len() + 9)
                .find(|len| len.to_string().len() + rest.len() == *len)
                .expect("a length");
            text.extend(format!("{len}{rest}").into_bytes());
        }
        text
    };
    for map in ["0,512,256,256", "9999999,512", "0,99999", "18446744073709551615,512", "512", "a,b", ""] {
        let header = pax(&[("GNU.sparse.realsize", "100000"), ("GNU.sparse.map", map)]);
        let archive = Archive::default().raw(b'x', b"x", b"", &header).file("sparse", &[1; 512]).end();
        assert!(Place::new().unpack(&archive).is_err(), "{map}");
    }
    let header = pax(&[("GNU.sparse.realsize", "100000"), ("GNU.sparse.map", "1000,512")]);
    let archive = Archive::default().raw(b'x', b"x", b"", &header).file("sparse", &[1; 512]).end();
    let place = Place::new();
    place.unpack(&archive).expect("one that is true");
    let content = fs::read(place.root().join("sparse")).expect("read");
    assert_eq!(
        (content.len(), content[999], content[1000], content[1511], content[1512]),
        (100_000, 0, 1, 1, 0)
    );
}

/// One entry of an archive that means no good.
fn entry() -> impl Strategy<Value = (u8, String, String, Vec<u8>)> {
    let part = prop_oneof![
        Just("a".to_owned()),
        Just("b".to_owned()),
        Just("..".to_owned()),
        Just(".".to_owned()),
        Just(String::new()),
        Just("outside".to_owned()),
        Just("victim".to_owned()),
    ];
    let path = || proptest::collection::vec(part.clone(), 1..5).prop_map(|parts| parts.join("/"));
    let kind =
        prop_oneof![Just(b'0'), Just(b'5'), Just(b'2'), Just(b'1'), Just(b'6'), Just(b'S'), Just(b'?')];
    (kind, path(), path(), proptest::collection::vec(any::<u8>(), 0..1200))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn no_archive_writes_outside_of_the_root(entries in proptest::collection::vec(entry(), 1..12)) {
        let place = Place::new();
        let mut archive = Archive::default();
        for (kind, name, link, content) in &entries {
            let absolute = link.replace("outside", &outside(&place));
            let content = if *kind == b'0' { content.as_slice() } else { &[] };
            archive = archive.raw(*kind, name.as_bytes(), absolute.as_bytes(), content);
            // One at a time, so that one that is refused does not spare the rest.
            drop(place.unpack(&Archive(archive.0.clone()).end()));
            place.assert_untouched();
        }
    }

    #[test]
    fn no_bytes_make_the_reader_panic_or_write_outside(
        flips in proptest::collection::vec((0usize..6000, any::<u8>()), 1..12),
        fix in any::<bool>(),
    ) {
        let place = Place::new();
        let mut bytes = Archive::default()
            .directory("d")
            .file("d/file", &[5; 700])
            .symlink("d/link", "/d")
            .hard_link("d/hard", "d/file")
            .raw(b'L', b"././@LongLink", b"", &b"long/".repeat(30))
            .file("short", b"x")
            .end();
        for (at, value) in flips {
            if let Some(byte) = bytes.get_mut(at) {
                *byte = value;
            }
        }
        if fix {
            for block in bytes.chunks_exact_mut(512) {
                let mut header = tar::Header::from_byte_slice(block).clone();
                if header.as_bytes()[257..262] == *b"ustar" {
                    header.set_cksum();
                    block.copy_from_slice(header.as_bytes());
                }
            }
        }
        drop(place.unpack(&bytes));
        place.assert_untouched();
    }
}

#[test]
fn a_pipe_in_the_place_of_the_stamp_does_not_stop_the_step() {
    let place = Place::new();
    place.unpack(&Archive::default().raw(b'6', b"fifo", b"", b"").end()).expect("unpacked");
    let root = Root::open(&place.root()).expect("opened");
    assert!(root.read("fifo").is_err());
    assert!(Path::new(&place.root().join("fifo")).exists());
}
