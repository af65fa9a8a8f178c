// SPDX-License-Identifier: AGPL-3.0-or-later
//! Documents and statuses by name, in a map that shares what it does not change with the maps it was made from: a copy
//! costs nothing, and what is different between two of one origin is found without a look at the rest.

use std::fmt;
use std::ops::Index;
use std::sync::Arc;

use imbl::OrdMap;
use imbl::ordmap::{self, DiffItem};
use imbl::shared_ptr::DefaultSharedPtr;

/// A sorted map by name.
///
/// What stands behind the same [`Arc`] is the same; nothing else is compared.
pub struct ByName<V>(OrdMap<String, Same<V>>);

/// Equal where it is the very same.
struct Same<V>(Arc<V>);

impl<V> Clone for Same<V> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<V> PartialEq for Same<V> {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

/// What is different under one name.
pub struct Difference<'a, V> {
    /// The name.
    pub name: &'a String,
    /// What stood there.
    pub before: Option<&'a Arc<V>>,
    /// What stands there.
    pub now: Option<&'a Arc<V>>,
}

impl<V> ByName<V> {
    /// What stands under a name.
    pub fn get(&self, name: &str) -> Option<&Arc<V>> {
        self.0.get(name).map(|Same(value)| value)
    }

    /// Whether anything stands under a name.
    pub fn contains_key(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// Puts something in; what stood there comes back.
    pub fn insert(&mut self, name: String, value: Arc<V>) -> Option<Arc<V>> {
        self.0.insert(name, Same(value)).map(|Same(before)| before)
    }

    /// The place under a name, to put something else there.
    pub fn get_mut(&mut self, name: &str) -> Option<&mut Arc<V>> {
        self.0.get_mut(name).map(|Same(value)| value)
    }

    /// Takes something out.
    pub fn remove(&mut self, name: &str) -> Option<Arc<V>> {
        self.0.remove(name).map(|Same(before)| before)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All of them, sorted by name.
    pub fn iter(&self) -> Iter<'_, V> {
        Iter(self.0.iter())
    }

    /// Their names, sorted.
    pub fn keys(&self) -> impl DoubleEndedIterator<Item = &String> {
        self.iter().map(|(name, _)| name)
    }

    /// All of them in the order of their names, without those.
    pub fn values(&self) -> impl DoubleEndedIterator<Item = &Arc<V>> {
        self.iter().map(|(_, value)| value)
    }

    /// Whether the very same stands under the same names in both.
    pub fn is_same(&self, other: &Self) -> bool {
        self.len() == other.len() && self.since(other).next().is_none()
    }

    /// What is different since `before`, sorted by name. What both share is not looked at.
    pub fn since<'a>(&'a self, before: &'a Self) -> impl Iterator<Item = Difference<'a, V>> {
        before.0.diff(&self.0).map(|item| match item {
            DiffItem::Add(name, Same(now)) => Difference { name, before: None, now: Some(now) },
            DiffItem::Update { old: (_, Same(before)), new: (name, Same(now)) } => {
                Difference { name, before: Some(before), now: Some(now) }
            }
            DiffItem::Remove(name, Same(before)) => Difference { name, before: Some(before), now: None },
        })
    }
}

/// All of a [`ByName`], sorted by name.
pub struct Iter<'a, V>(ordmap::Iter<'a, String, Same<V>, DefaultSharedPtr>);

impl<'a, V> Iterator for Iter<'a, V> {
    type Item = (&'a String, &'a Arc<V>);

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next().map(|(name, Same(value))| (name, value))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

impl<V> ExactSizeIterator for Iter<'_, V> {}

impl<V> DoubleEndedIterator for Iter<'_, V> {
    fn next_back(&mut self) -> Option<Self::Item> {
        self.0.next_back().map(|(name, Same(value))| (name, value))
    }
}

impl<'a, V> IntoIterator for &'a ByName<V> {
    type Item = (&'a String, &'a Arc<V>);
    type IntoIter = Iter<'a, V>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<V> FromIterator<(String, Arc<V>)> for ByName<V> {
    fn from_iter<T: IntoIterator<Item = (String, Arc<V>)>>(all: T) -> Self {
        Self(all.into_iter().map(|(name, value)| (name, Same(value))).collect())
    }
}

impl<V> Index<&str> for ByName<V> {
    type Output = Arc<V>;

    /// Panics where nothing stands under the name, as other maps do.
    fn index(&self, name: &str) -> &Arc<V> {
        &self.0[name].0
    }
}

impl<V> Clone for ByName<V> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<V> Default for ByName<V> {
    fn default() -> Self {
        Self(OrdMap::new())
    }
}

impl<V: fmt::Debug> fmt::Debug for ByName<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_was_put_in_is_there_in_the_order_of_names_and_a_copy_keeps_what_it_has() {
        let mut map: ByName<u32> =
            [("b", 2), ("a", 1)].map(|(n, v)| (n.to_owned(), Arc::new(v))).into_iter().collect();
        let copy = map.clone();
        assert_eq!(map.insert("a".to_owned(), Arc::new(3)).as_deref(), Some(&1));
        assert_eq!(map.remove("b").as_deref(), Some(&2));
        assert_eq!((map.remove("b"), map.len(), *map["a"]), (None, 1, 3));
        assert!(copy.iter().map(|(name, value)| (name.as_str(), **value)).eq([("a", 1), ("b", 2)]));
        assert!(copy.values().rev().map(|value| **value).eq([2, 1]));
        assert_eq!((copy.iter().len(), format!("{map:?}")), (2, "{\"a\": 3}".to_owned()));
    }

    #[test]
    fn an_equal_value_elsewhere_is_another_one() {
        let map =
            |value: &Arc<u32>| [("a".to_owned(), Arc::clone(value))].into_iter().collect::<ByName<u32>>();
        let (one, other) = (Arc::new(1), Arc::new(1));
        assert_eq!(map(&one).since(&map(&one)).count(), 0);
        assert_eq!(map(&one).since(&map(&other)).count(), 1);
    }

    #[derive(Clone, Debug)]
    enum Deed {
        Put(u16),
        Remove(u16),
    }

    fn deeds() -> impl Strategy<Value = Vec<Deed>> {
        let deed = prop_oneof![(0..400_u16).prop_map(Deed::Put), (0..400_u16).prop_map(Deed::Remove)];
        proptest::collection::vec(deed, 0..300)
    }

    fn perform(map: &mut ByName<u16>, deeds: &[Deed]) {
        for deed in deeds {
            match deed {
                Deed::Put(n) => drop(map.insert(format!("n{n}"), Arc::new(*n))),
                Deed::Remove(n) => drop(map.remove(&format!("n{n}"))),
            }
        }
    }

    proptest! {
        #[test]
        fn differences_are_those_of_looking_at_everything(first in deeds(), second in deeds(), third in deeds()) {
            let mut before = ByName::default();
            perform(&mut before, &first);
            let mut now = before.clone();
            perform(&mut now, &second);
            // Either may have moved on from what they share.
            perform(&mut before, &third);
            let mut expected = BTreeMap::new();
            for (name, value) in &before {
                expected.insert(name, (Some(value), now.get(name)));
            }
            for (name, value) in &now {
                expected.insert(name, (before.get(name), Some(value)));
            }
            let same = |(b, n): &(Option<&Arc<u16>>, Option<&Arc<u16>>)| b.map(Arc::as_ptr) == n.map(Arc::as_ptr);
            expected.retain(|_, both| !same(both));
            let pointers = |(b, n): (Option<&Arc<u16>>, Option<&Arc<u16>>)| (b.map(Arc::as_ptr), n.map(Arc::as_ptr));
            let found: Vec<_> = now.since(&before).map(|d| (d.name.clone(), pointers((d.before, d.now)))).collect();
            let expected: Vec<_> = expected.into_iter().map(|(name, both)| (name.clone(), pointers(both))).collect();
            prop_assert_eq!(found, expected);
        }
    }
}
