// SPDX-License-Identifier: AGPL-3.0-or-later
//! Identifiers of files and directories in the two name spaces, and their order.
//!
//! Names come from [`crate::TaskFiles`]: `a-z 0-9 . _ -`, not empty, beginning with a letter or
//! digit, not ending with a dot.

use std::cmp::Ordering;
use std::collections::HashSet;

/// Longest directory identifier at interchange level 2 (ECMA-119 10.2, 7.6.3); a file's name and
/// extension have one less, for the dot between them (7.5.1).
const LONGEST: usize = 31;

/// Longest extension kept in a plain name.
const LONGEST_EXTENSION: usize = 8;

/// What an identifier stands for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    Directory,
}

/// Makes the plain identifiers of one directory, each only once.
#[derive(Default)]
pub(super) struct PlainNames {
    /// Identifiers given, without dot at the end and version: `A` and `A.;1` are one name to a
    /// reader that strips both.
    taken: HashSet<String>,
    /// Numbers given to names that were taken. It never goes back, so that a directory of equal
    /// names is done in linear time.
    next: u32,
}

impl PlainNames {
    /// The identifier of `name`: upper case, everything but letters and digits replaced by `_`,
    /// shortened, and numbered where another name of this directory has it already.
    pub(super) fn identifier(&mut self, name: &str, kind: Kind) -> Vec<u8> {
        let (stem, extension) = match kind {
            Kind::File => name.rsplit_once('.').unwrap_or((name, "")),
            Kind::Directory => (name, ""),
        };
        let extension = plain(extension, LONGEST_EXTENSION);
        let room = match kind {
            Kind::File => LONGEST - 1 - extension.len(),
            Kind::Directory => LONGEST,
        };
        let stem = plain(stem, room);
        let mut visible = join(&stem, &extension);
        while self.taken.contains(&visible) {
            let number = format!("{:04}", self.next);
            self.next += 1;
            let kept = stem.len().min(room - number.len());
            visible = join(&format!("{}{number}", &stem[..kept]), &extension);
        }
        self.taken.insert(visible.clone());
        let mut identifier = visible;
        if kind == Kind::File {
            identifier.push_str(if extension.is_empty() { ".;1" } else { ";1" });
        }
        identifier.into_bytes()
    }
}

fn plain(text: &str, len: usize) -> String {
    text.chars()
        .take(len)
        .map(|c| match c {
            'a'..='z' => c.to_ascii_uppercase(),
            '0'..='9' => c,
            _ => '_',
        })
        .collect()
}

fn join(stem: &str, extension: &str) -> String {
    if extension.is_empty() { stem.to_owned() } else { format!("{stem}.{extension}") }
}

/// The Joliet identifier of `name`: the name itself in UCS-2, files with a version as mkisofs and
/// Windows write it.
pub(super) fn joliet(name: &str, kind: Kind) -> Vec<u8> {
    let version = if kind == Kind::File { ";1" } else { "" };
    name.bytes().chain(version.bytes()).flat_map(|b| [0, b]).collect()
}

/// The order of plain records in a directory and in a path table (ECMA-119 9.3, 6.9.1): by name,
/// then by extension, the shorter filled up with the lowest character.
///
/// Dot and semicolon end a name, so they come before everything that may stand in one.
pub(super) fn plain_order(a: &[u8], b: &[u8]) -> Ordering {
    let weight = |&byte: &u8| match byte {
        b';' => 0,
        b'.' => 1,
        other => other,
    };
    a.iter().map(weight).cmp(b.iter().map(weight))
}

/// The order of Joliet records: by character, with the version left out.
///
/// A Joliet name may have several dots, of which ECMA-119 does not know which is the separator;
/// mkisofs, xorriso and Windows take them as any other character.
pub(super) fn joliet_order(a: &[u8], b: &[u8]) -> Ordering {
    let weight = |&byte: &u8| if byte == b';' { 0 } else { byte };
    a.iter().map(weight).cmp(b.iter().map(weight))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str) -> String {
        let id = PlainNames::default().identifier(name, Kind::File);
        String::from_utf8(id).expect("ascii")
    }

    #[test]
    fn plain_names_are_what_a_reader_without_extensions_expects() {
        for (name, identifier) in [
            ("ks.cfg", "KS.CFG;1"),
            ("recipe.json", "RECIPE.JSON;1"),
            ("recipe.schema.json", "RECIPE_SCHEMA.JSON;1"),
            ("user-data", "USER_DATA.;1"),
            ("unattend.xml", "UNATTEND.XML;1"),
        ] {
            assert_eq!(file(name), identifier);
        }
    }

    #[test]
    fn long_plain_names_are_cut_to_the_level() {
        let id = file(&format!("{}.{}", "a".repeat(40), "b".repeat(20)));
        assert_eq!(id, format!("{}.{};1", "A".repeat(22), "B".repeat(8)));
        let id = PlainNames::default().identifier(&"d".repeat(62), Kind::Directory);
        assert_eq!(id, vec![b'D'; 31]);
    }

    #[test]
    fn names_that_become_equal_are_numbered() {
        let mut names = PlainNames::default();
        let mut id = |name: &str, kind| String::from_utf8(names.identifier(name, kind)).expect("ascii");
        assert_eq!(id("a-b", Kind::Directory), "A_B");
        assert_eq!(id("a_b", Kind::Directory), "A_B0000");
        assert_eq!(id("a.b", Kind::Directory), "A_B0001");
        // A reader strips dot and version: the file would hide behind the directory.
        assert_eq!(id("a-b", Kind::File), "A_B0002.;1");
        let long = "x".repeat(50);
        assert_eq!(id(&long, Kind::Directory), "X".repeat(31));
        assert_eq!(id(&format!("{long}y"), Kind::Directory), format!("{}0003", "X".repeat(27)));
    }

    #[test]
    fn a_number_that_is_itself_a_name_is_skipped() {
        let mut names = PlainNames::default();
        for (name, identifier) in [("a_b0000", "A_B0000"), ("a-b", "A_B"), ("a_b", "A_B0001")] {
            assert_eq!(names.identifier(name, Kind::Directory), identifier.as_bytes());
        }
    }

    #[test]
    fn plain_records_are_ordered_by_name_then_extension() {
        let mut ids = ["AB.;1", "A_.;1", "A.B;1", "A.;1", "A", "A1.;1"];
        ids.sort_by(|a, b| plain_order(a.as_bytes(), b.as_bytes()));
        assert_eq!(ids, ["A", "A.;1", "A.B;1", "A1.;1", "AB.;1", "A_.;1"]);
    }
    #[test]
    fn joliet_records_are_ordered_by_character() {
        let names = ["b.c", "b..a", "b-c", "b", "bc"];
        let mut ids = names.map(|name| joliet(name, Kind::File));
        ids.sort_by(|a, b| joliet_order(a, b));
        assert_eq!(ids, ["b", "b-c", "b..a", "b.c", "bc"].map(|name| joliet(name, Kind::File)));
    }
}
