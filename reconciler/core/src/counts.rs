// SPDX-License-Identifier: AGPL-3.0-or-later
//! How many have the same, kept by what comes and goes: in all but a few fleets nothing is there twice, and nothing need
//! be compared with everything.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher as _};

/// How many have which value. Values are kept as hashes: two that are equal by chance look shared, so that who finds any
/// shared compares them all.
#[derive(Default)]
pub struct Counts {
    by_value: HashMap<u64, u32>,
    shared: usize,
}

impl Counts {
    /// One more has it.
    pub fn add<T: Hash>(&mut self, value: &T) {
        let count = self.by_value.entry(hash(value)).or_default();
        *count += 1;
        self.shared += usize::from(*count == 2);
    }

    /// One that had it has it no more.
    pub fn forget<T: Hash>(&mut self, value: &T) {
        let hash = hash(value);
        let Some(count) = self.by_value.get_mut(&hash) else { return };
        *count -= 1;
        self.shared -= usize::from(*count == 1);
        if *count == 0 {
            self.by_value.remove(&hash);
        }
    }

    /// How many have it; by chance one too many.
    pub fn of<T: Hash>(&self, value: &T) -> u32 {
        self.by_value.get(&hash(value)).copied().unwrap_or_default()
    }

    /// Whether any two may have the same.
    pub fn any_shared(&self) -> bool {
        self.shared > 0
    }
}

fn hash<T: Hash>(value: &T) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_several_have_is_shared_until_one_has_it() {
        let mut counts = Counts::default();
        counts.add(&"a");
        counts.add(&"b");
        assert!(!counts.any_shared());
        counts.add(&"a");
        counts.add(&"a");
        assert_eq!((counts.any_shared(), counts.of(&"a"), counts.of(&"c")), (true, 3, 0));
        counts.forget(&"a");
        assert!(counts.any_shared());
        counts.forget(&"a");
        counts.forget(&"c");
        assert_eq!((counts.any_shared(), counts.of(&"a"), counts.of(&"b")), (false, 1, 1));
        counts.forget(&"a");
        assert_eq!(counts.of(&"a"), 0);
    }
}
