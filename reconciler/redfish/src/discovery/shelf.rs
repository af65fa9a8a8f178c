// SPDX-License-Identifier: AGPL-3.0-or-later
//! Equal values, kept once: ten thousand BMCs of one model have one understanding.

use std::collections::HashSet;
use std::hash::Hash;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

/// Values before what nobody uses any more is looked for.
const FIRST_SWEEP: usize = 64;

/// See the module. What nobody else holds any more is dropped now and then.
pub(crate) struct Shelf<T>(Mutex<Kept<T>>);

struct Kept<T> {
    values: HashSet<Arc<T>>,
    sweep_at: usize,
}

/// A shelf for a whole process.
pub(crate) type Common<T> = LazyLock<Shelf<T>>;

impl<T: Hash + Eq> Shelf<T> {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(Kept { values: HashSet::new(), sweep_at: FIRST_SWEEP }))
    }

    /// The value that is kept and equal to this one, or this one from now on.
    pub(crate) fn share(&self, value: T) -> Arc<T> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = kept.values.get(&value) {
            return Arc::clone(known);
        }
        if kept.values.len() >= kept.sweep_at {
            kept.values.retain(|value| Arc::strong_count(value) > 1);
            kept.sweep_at = FIRST_SWEEP.max(2 * kept.values.len());
        }
        let value = Arc::new(value);
        kept.values.insert(Arc::clone(&value));
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_are_one_and_others_are_not() {
        let shelf = Shelf::new();
        let first = shelf.share("a".to_owned());
        assert!(Arc::ptr_eq(&first, &shelf.share("a".to_owned())));
        assert!(!Arc::ptr_eq(&first, &shelf.share("b".to_owned())));
    }

    #[test]
    fn what_nobody_holds_is_dropped_and_what_is_held_stays() {
        let shelf = Shelf::new();
        let held: Vec<_> = (0..100).map(|n| shelf.share(n)).collect();
        for n in 1000..10_000 {
            shelf.share(n);
        }
        assert!(shelf.0.lock().unwrap().values.len() <= 2 * held.len() + FIRST_SWEEP);
        assert!(Arc::ptr_eq(&held[7], &shelf.share(7)));
    }
}
