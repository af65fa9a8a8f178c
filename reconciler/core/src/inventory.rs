// SPDX-License-Identifier: AGPL-3.0-or-later
//! What Git says: typed documents with the places that they came from.
//!
//! Made by the inventory crate, read by everything. A document that could not be read is not in
//! here; it is in `problems`, and [`Inventory::keep_last_good`] puts its last good version back.

use std::collections::BTreeSet;
use std::sync::Arc;

use shoal_schema::Sha256;
use shoal_schema::kinds::{Approval, Fleet, Image, Recipe, Secret, Server};
use shoal_schema::plan::Problem;

use crate::by_name::ByName;

/// A typed inventory.
#[derive(Clone, Default)]
pub struct Inventory {
    /// The fleet's document; defaults hold where there is none, and `problems` says so.
    pub fleet: Option<Arc<Located<Fleet>>>,
    /// Servers by name.
    pub servers: ByName<Located<Server>>,
    /// Recipes by name.
    pub recipes: ByName<Located<Recipe>>,
    /// Images by name.
    pub images: ByName<Located<Image>>,
    /// Secrets by name, still encrypted.
    pub secrets: ByName<Located<Secret>>,
    /// Approvals by name.
    pub approvals: ByName<Located<Approval>>,
    /// What is wrong, in a stable order. `server` is set where a server cannot be planned.
    pub problems: Vec<Problem>,
    /// What could not be read although it is there: `(kind, name)` where the name was readable.
    pub broken: BTreeSet<(&'static str, String)>,
    /// Servers whose documents cannot be read now, and are here as they were when they could be.
    pub last_good: BTreeSet<String>,
    /// Some file could not be read so far that not even its kind and name are known: what is
    /// missing from this inventory may be in there, so nothing counts as removed.
    pub unreadable: bool,
    /// Digest over the paths and contents of all files.
    pub digest: Option<Sha256>,
}

/// A document and where it stands.
#[derive(Clone)]
pub struct Located<T> {
    /// The document.
    pub value: T,
    /// Path within the repository.
    pub file: Arc<str>,
    /// Lines by JSON pointer.
    pub lines: Lines,
}

impl<T> Located<T> {
    /// `file:line` of a field, or of the nearest thing around it.
    pub fn place(&self, pointer: &str) -> String {
        format!("{}:{}", self.file, self.lines.line_of(pointer))
    }
}

/// Lines by JSON pointer, sorted. Documents of one shape share their pointers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lines {
    pointers: Arc<[Box<str>]>,
    lines: Box<[u32]>,
}

impl Lines {
    /// From pairs of pointer and line (from 1), in any order.
    pub fn new(pairs: Vec<(Box<str>, u32)>) -> Self {
        Self::beside(pairs, [])
    }

    /// The same, for a document that is likely of the shape of one of these.
    pub fn beside<'a>(mut pairs: Vec<(Box<str>, u32)>, others: impl IntoIterator<Item = &'a Self>) -> Self {
        pairs.sort();
        let is_same = |other: &&Self| other.pointers.iter().eq(pairs.iter().map(|(pointer, _)| pointer));
        let same = others.into_iter().find(is_same);
        let (pointers, lines): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
        let pointers = same.map_or_else(|| pointers.into(), |same| Arc::clone(&same.pointers));
        Self { pointers, lines: lines.into() }
    }

    /// Whether these share their pointers.
    pub fn is_beside(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.pointers, &other.pointers)
    }

    /// The line of a field; of the nearest parent that is known where the field itself is not
    /// there; 1 at last.
    pub fn line_of(&self, pointer: &str) -> u32 {
        let mut rest = pointer;
        loop {
            if let Ok(index) = self.pointers.binary_search_by(|key| key.as_ref().cmp(rest)) {
                return self.lines[index];
            }
            match rest.rfind('/') {
                Some(cut) => rest = &rest[..cut],
                None => return 1,
            }
        }
    }
}

impl Inventory {
    /// Servers whose documents are there and cannot be read; where one of them is in `servers` all the
    /// same, it is the last good version.
    pub fn broken_servers(&self) -> BTreeSet<&str> {
        self.broken.iter().filter(|(kind, _)| *kind == "Server").map(|(_, name)| name.as_str()).collect()
    }

    /// Puts back the last good version of every document that is there but broken now, so that
    /// one broken file stops only what depends on it. A document that is gone stays gone, unless
    /// a file is unreadable altogether: then nothing counts as gone. Approvals are not put back: what
    /// cannot be read agrees to nothing. Nor does a server's last good version start anything that cannot be taken back.
    pub fn keep_last_good(&mut self, last: &Self) {
        fn keep<T>(
            kind: &'static str,
            now: &mut ByName<T>,
            last: &ByName<T>,
            broken: &BTreeSet<(&'static str, String)>,
            all: bool,
        ) -> BTreeSet<String> {
            let mut kept = BTreeSet::new();
            if !all && !broken.iter().any(|(broken, _)| *broken == kind) {
                return kept;
            }
            for (name, document) in last {
                if (all || broken.contains(&(kind, name.clone()))) && !now.contains_key(name) {
                    now.insert(name.clone(), Arc::clone(document));
                    kept.insert(name.clone());
                }
            }
            kept
        }
        let all = self.unreadable;
        self.last_good = keep("Server", &mut self.servers, &last.servers, &self.broken, all);
        keep("Recipe", &mut self.recipes, &last.recipes, &self.broken, all);
        keep("Image", &mut self.images, &last.images, &self.broken, all);
        keep("Secret", &mut self.secrets, &last.secrets, &self.broken, all);
        let fleet_broken = self.broken.iter().any(|(kind, _)| *kind == "Fleet");
        if self.fleet.is_none() && (all || fleet_broken) {
            self.fleet.clone_from(&last.fleet);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_field_has_the_line_of_what_is_around_it() {
        let lines = Lines::new(vec![("/spec".into(), 5), ("/spec/os".into(), 7), ("".into(), 2)]);
        assert_eq!(lines.line_of("/spec/os"), 7);
        assert_eq!(lines.line_of("/spec/os/version"), 7);
        assert_eq!(lines.line_of("/spec/bmc/address"), 5);
        assert_eq!(lines.line_of("/metadata/name"), 2);
        assert_eq!(Lines::default().line_of("/spec"), 1);
    }

    #[test]
    fn documents_of_one_shape_share_its_pointers_and_keep_their_own_lines() {
        let at = |line| vec![("/spec".into(), line), ("".into(), 1)];
        let one = Lines::new(at(3));
        let same = Lines::beside(at(7), [&one]);
        assert!(one.is_beside(&same));
        assert_eq!((one.line_of("/spec"), same.line_of("/spec/os"), same.line_of("")), (3, 7, 1));
        let other = Lines::beside(vec![("/metadata".into(), 2)], [&one]);
        assert_eq!((other.line_of("/metadata"), other.line_of("/spec")), (2, 1));
        assert_eq!(Lines::new(at(7)), same);
    }
}
