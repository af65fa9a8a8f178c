// SPDX-License-Identifier: AGPL-3.0-or-later
//! What to read of a table.

use std::ops::Bound;

/// Lower and upper end of a range of keys.
type Bounds = (Bound<Vec<u8>>, Bound<Vec<u8>>);

/// The direction of a scan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// Smallest key first.
    #[default]
    Ascending,
    /// Greatest key first.
    Descending,
}

/// Which entries a scan returns.
#[derive(Clone, Copy, Debug)]
pub struct Scan<'a> {
    /// Only keys that begin with this.
    pub prefix: &'a [u8],
    /// Only keys beyond this one, in the scan's direction: the last key of the page before.
    pub after: Option<&'a [u8]>,
    /// The direction.
    pub order: Order,
    /// At most so many entries.
    pub limit: usize,
}

impl Scan<'static> {
    /// The whole table.
    pub const ALL: Self = Self { prefix: &[], after: None, order: Order::Ascending, limit: usize::MAX };
}

impl<'a> Scan<'a> {
    /// Every key that begins with `prefix`.
    pub fn prefix(prefix: &'a [u8]) -> Self {
        Self { prefix, ..Scan::ALL }
    }

    /// The range of keys; `None` where it is empty.
    pub(crate) fn bounds(&self) -> Option<Bounds> {
        let mut lower = Bound::Included(self.prefix.to_vec());
        let mut upper = successor(self.prefix).map_or(Bound::Unbounded, Bound::Excluded);
        if let Some(after) = self.after {
            match self.order {
                Order::Ascending if after >= self.prefix => lower = Bound::Excluded(after.to_vec()),
                Order::Descending if before_upper(after, &upper) => upper = Bound::Excluded(after.to_vec()),
                Order::Ascending | Order::Descending => {}
            }
        }
        let empty = match (&lower, &upper) {
            (Bound::Included(low) | Bound::Excluded(low), Bound::Excluded(high)) => low >= high,
            _ => false,
        };
        if empty || self.limit == 0 { None } else { Some((lower, upper)) }
    }
}

fn before_upper(key: &[u8], upper: &Bound<Vec<u8>>) -> bool {
    match upper {
        Bound::Excluded(high) => key < high.as_slice(),
        Bound::Included(high) => key <= high.as_slice(),
        Bound::Unbounded => true,
    }
}

/// The smallest key that is greater than every key with this prefix.
fn successor(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|byte| *byte != 0xff)?;
    let mut next = prefix[..=last].to_vec();
    next[last] += 1;
    Some(next)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bytes() -> impl Strategy<Value = Vec<u8>> {
        proptest::collection::vec(prop_oneof![Just(0u8), Just(1), Just(0xfe), Just(0xff)], 0..4)
    }

    proptest! {
        #[test]
        fn the_range_holds_exactly_what_the_scan_asks_for(
            prefix in bytes(), after in proptest::option::of(bytes()), key in bytes(), descending: bool,
        ) {
            let order = if descending { Order::Descending } else { Order::Ascending };
            let scan = Scan { prefix: &prefix, after: after.as_deref(), order, limit: 1 };
            let beyond = after.as_ref().is_none_or(|after| if descending { key < *after } else { key > *after });
            let wanted = key.starts_with(&prefix) && beyond;
            let found = scan.bounds().is_some_and(|(lower, upper)| {
                let above = match lower {
                    Bound::Included(low) => key >= low,
                    Bound::Excluded(low) => key > low,
                    Bound::Unbounded => true,
                };
                above && before_upper(&key, &upper)
            });
            prop_assert_eq!(found, wanted);
        }
    }
}
