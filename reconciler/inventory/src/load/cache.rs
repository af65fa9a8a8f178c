// SPDX-License-Identifier: AGPL-3.0-or-later
//! What was parsed, by path and content id.

use std::collections::HashMap;
use std::sync::Arc;

use super::file::Parsed;
use super::resolve::Spots;

/// An entry that two loads in a row did not ask for is dropped: two, so that a base and a head
/// may be loaded in turn.
const KEPT_LOADS: u64 = 2;

#[derive(Default)]
pub(crate) struct Cache {
    files: HashMap<Arc<str>, Vec<Cached>>,
    load: u64,
}

struct Cached {
    id: String,
    parsed: Arc<Parsed>,
    spots: Spots,
    used: u64,
}

impl Cache {
    pub(crate) fn get(&mut self, path: &str, id: &str) -> Option<Arc<Parsed>> {
        let load = self.load;
        let cached = self.files.get_mut(path)?.iter_mut().find(|cached| cached.id == id)?;
        cached.used = load;
        Some(Arc::clone(&cached.parsed))
    }

    pub(crate) fn put(&mut self, path: &Arc<str>, id: String, parsed: Arc<Parsed>) {
        let entry = Cached { id, parsed, spots: Spots::default(), used: self.load };
        self.files.entry(Arc::clone(path)).or_default().push(entry);
    }

    /// The places that were looked up in a file, to be added to.
    pub(crate) fn spots(&mut self, path: &str, parsed: &Arc<Parsed>) -> Option<&mut Spots> {
        let all = self.files.get_mut(path)?;
        all.iter_mut().find(|cached| Arc::ptr_eq(&cached.parsed, parsed)).map(|cached| &mut cached.spots)
    }

    /// Ends a load.
    pub(crate) fn drop_unused(&mut self) {
        self.load += 1;
        let load = self.load;
        self.files.retain(|_, all| {
            all.retain(|cached| cached.used + KEPT_LOADS >= load);
            !all.is_empty()
        });
    }
}
