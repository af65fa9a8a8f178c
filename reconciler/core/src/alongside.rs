// SPDX-License-Identifier: AGPL-3.0-or-later
//! Sorted maps walked side by side: a fleet is gone through by name many times a minute, and a look-up of each name in
//! each map would cost more than all the rest.

use std::cmp::Ordering;
use std::collections::{BTreeMap, btree_map};
use std::iter::Peekable;

/// A map that is asked for names in ascending order, whatever kind of sorted map it is.
pub struct Alongside<I: Iterator>(Peekable<I>);

impl<'a, V: 'a, I: Iterator<Item = (&'a String, &'a V)>> Alongside<I> {
    /// From the first name on.
    pub fn new(map: impl IntoIterator<IntoIter = I>) -> Self {
        Self(map.into_iter().peekable())
    }

    /// What stands under a name. Each name comes after the one before.
    pub fn get(&mut self, name: &str) -> Option<&'a V> {
        loop {
            // Compared once: names lie anywhere in memory, and nearly all of them are the one that is asked for.
            match self.0.peek()?.0.as_str().cmp(name) {
                Ordering::Less => drop(self.0.next()),
                Ordering::Equal => return self.0.next().map(|(_, value)| value),
                Ordering::Greater => return None,
            }
        }
    }
}

/// A map that follows another one: what stands in it is changed where it is.
pub struct Following<'a, V> {
    known: Peekable<btree_map::IterMut<'a, String, V>>,
    /// Under names that are not there any more.
    gone: Vec<String>,
    new: Vec<(String, V)>,
}

/// What a map becomes when it was followed to the end.
#[must_use = "the map is as it was before"]
pub struct Changes<V> {
    gone: Vec<String>,
    new: Vec<(String, V)>,
}

impl<'a, V> Following<'a, V> {
    /// From the first name on.
    pub fn new(map: &'a mut BTreeMap<String, V>) -> Self {
        Self { known: map.iter_mut().peekable(), gone: Vec::new(), new: Vec::new() }
    }

    /// What stands under a name. Each name comes after the one before; what stands between the two goes.
    pub fn get(&mut self, name: &str) -> Option<&'a mut V> {
        loop {
            match self.known.peek()?.0.as_str().cmp(name) {
                Ordering::Less => self.gone.extend(self.known.next().map(|(gone, _)| gone.clone())),
                Ordering::Equal => return self.known.next().map(|(_, value)| value),
                Ordering::Greater => return None,
            }
        }
    }

    /// What was not there is from now on.
    pub fn add(&mut self, name: &str, value: V) {
        self.new.push((name.to_owned(), value));
    }

    /// What was not asked for goes. To be applied to the map.
    pub fn end(mut self) -> Changes<V> {
        self.gone.extend(self.known.map(|(name, _)| name.clone()));
        Changes { gone: self.gone, new: self.new }
    }
}

impl<V> Changes<V> {
    /// Applies the changes, and hands out what went.
    pub fn apply(self, map: &mut BTreeMap<String, V>) -> Vec<V> {
        let gone = self.gone.iter().filter_map(|name| map.remove(name)).collect();
        // All at once where all is new.
        if map.is_empty() {
            *map = self.new.into_iter().collect();
        } else {
            map.extend(self.new);
        }
        gone
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(names: &[&str]) -> BTreeMap<String, usize> {
        names.iter().enumerate().map(|(index, name)| ((*name).to_owned(), index)).collect()
    }

    #[test]
    fn names_are_found_as_by_looking_each_of_them_up() {
        let there = map(&["b", "c", "e", "f"]);
        let mut walk = Alongside::new(&there);
        for name in ["a", "b", "d", "e", "g"] {
            assert_eq!(walk.get(name), there.get(name), "{name}");
        }
    }

    #[test]
    fn a_map_that_follows_has_what_was_asked_for_and_nothing_else() {
        let mut following = map(&["b", "c", "e", "f"]);
        let mut walk = Following::new(&mut following);
        for name in ["a", "b", "d", "e"] {
            match walk.get(name) {
                Some(value) => *value += 10,
                None => walk.add(name, 100),
            }
        }
        let changes = walk.end();
        let mut gone = changes.apply(&mut following);
        gone.sort_unstable();
        assert_eq!(gone, [1, 3]);
        let expected = [("a", 100), ("b", 10), ("d", 100), ("e", 12)];
        assert!(following.iter().map(|(name, value)| (name.as_str(), *value)).eq(expected));
    }
}
