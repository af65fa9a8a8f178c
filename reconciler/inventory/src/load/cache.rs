// SPDX-License-Identifier: AGPL-3.0-or-later
//! What was parsed and is not in the tree that was loaded last, by path and content id: a revert, or a base that is
//! loaded in turn with a head, finds its documents again.

use std::collections::HashMap;
use std::sync::Arc;

use super::file::Parsed;
use super::resolve::Spots;
use crate::source::ContentId;

/// An entry that two loads in a row did not ask for is dropped: two, so that a base and a head
/// may be loaded in turn.
const KEPT_LOADS: u64 = 2;

#[derive(Default)]
pub(crate) struct Cache {
    files: HashMap<Arc<str>, Vec<Cached>>,
    load: u64,
}

/// A content that was parsed.
pub(crate) struct Known {
    pub(crate) id: ContentId,
    pub(crate) parsed: Arc<Parsed>,
    /// The places that were looked up in it, to be added to.
    pub(crate) spots: Spots,
}

struct Cached {
    known: Known,
    /// The load that put it here.
    since: u64,
}

impl Cache {
    /// Hands out what is known of a content, for good.
    pub(crate) fn take(&mut self, path: &str, id: ContentId) -> Option<Known> {
        let all = self.files.get_mut(path)?;
        let at = all.iter().position(|cached| cached.known.id == id)?;
        Some(all.swap_remove(at).known)
    }

    /// Keeps what the tree does not hold any more.
    pub(crate) fn put(&mut self, path: &Arc<str>, known: Known) {
        let cached = Cached { known, since: self.load };
        self.files.entry(Arc::clone(path)).or_default().push(cached);
    }

    /// Ends a load.
    pub(crate) fn drop_unused(&mut self) {
        self.load += 1;
        let load = self.load;
        self.files.retain(|_, all| {
            all.retain(|cached| cached.since + KEPT_LOADS > load);
            !all.is_empty()
        });
    }
}
