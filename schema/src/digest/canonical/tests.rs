// SPDX-License-Identifier: AGPL-3.0-or-later
//! Canonical JSON straight from a value, beside the way through a tree.

use std::collections::{BTreeMap, HashMap};

use proptest::prelude::*;
use serde_json::Value;

use super::*;

/// The same by way of a tree, as plainly as can be.
fn plainly(value: &Value) -> String {
    match value {
        Value::Object(map) => {
            let mut members: Vec<_> = map.iter().map(|(key, item)| (composed(key), item)).collect();
            members.sort_by(|a, b| a.0.cmp(&b.0));
            let member = |(key, item): &(Cow<'_, str>, &Value)| {
                format!("{}:{}", Value::String(key.to_string()), plainly(item))
            };
            format!("{{{}}}", members.iter().map(member).collect::<Vec<_>>().join(","))
        }
        Value::Array(items) => {
            format!("[{}]", items.iter().map(plainly).collect::<Vec<_>>().join(","))
        }
        Value::String(text) => Value::String(composed(text).into_owned()).to_string(),
        other => other.to_string(),
    }
}

fn straight<T: Serialize>(value: &T) -> String {
    let mut out = b"before".to_vec();
    write(value, &mut out).unwrap();
    String::from_utf8(out).unwrap().strip_prefix("before").unwrap().to_owned()
}

fn json() -> impl Strategy<Value = Value> {
    let text = "[a-zé\u{301}\\\\\"\n\u{1F600}~A-Z]{0,6}";
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        text.prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 6, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            proptest::collection::btree_map(text, inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn any_json_is_written_as_by_way_of_its_tree(value in json()) {
        prop_assert_eq!(straight(&value), plainly(&value));
    }

    #[test]
    fn members_may_come_in_any_order(map in proptest::collection::hash_map("[a-zé\u{301}e]{0,3}", 0u8..9, 0..12)) {
        let tree = serde_json::to_value(&map).unwrap();
        prop_assert_eq!(straight(&map), plainly(&tree));
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Odd {
    zulu: Option<u8>,
    alpha: Shape,
    many: Vec<Shape>,
    by_number: HashMap<i16, char>,
    by_word: BTreeMap<bool, Option<u8>>,
    wide: (i128, u128, i64),
    not_a_number: f32,
    #[serde(flatten)]
    more: BTreeMap<&'static str, u8>,
}

#[derive(Serialize)]
enum Shape {
    Nothing,
    One(u8),
    Pair(u8, &'static str),
    Named { b: u8, a: Option<u8> },
}

#[test]
fn every_kind_of_type_is_written_as_by_way_of_its_tree() {
    let odd = Odd {
        zulu: None,
        alpha: Shape::Nothing,
        many: vec![Shape::One(1), Shape::Pair(2, "é"), Shape::Named { b: 3, a: Some(4) }],
        by_number: HashMap::from([(-3, 'x'), (20, 'y'), (3, '"')]),
        by_word: BTreeMap::from([(true, None), (false, Some(1))]),
        wide: (-5, 6, i64::MIN),
        not_a_number: f32::NAN,
        more: BTreeMap::from([("aa", 1), ("zz", 2), ("many", 3)]),
    };
    let tree = serde_json::to_value(&odd).unwrap();
    assert_eq!(straight(&odd), plainly(&tree));
    assert!(straight(&odd).contains("\"many\":3"), "of two members with one name the later holds");
}

#[test]
fn what_has_no_form_is_refused_with_its_place() {
    #[derive(Serialize)]
    enum Shape {
        Pair(u8, f64),
        Named { at: f64 },
    }
    let error = |value: &dyn Fn(&mut Vec<u8>) -> Result<(), CanonicalError>| {
        value(&mut Vec::new()).unwrap_err().to_string()
    };
    let list = BTreeMap::from([("a", vec![Shape::Pair(1, 2.5)])]);
    assert_eq!(error(&|out| write(&list, out)), "a number at /a/0/Pair/1 is not an integer");
    let named = [Shape::Named { at: 0.1 }];
    assert_eq!(error(&|out| write(&named, out)), "a number at /0/Named/at is not an integer");
    for wrong in [
        error(&|out| write(&HashMap::from([(vec![1], 1)]), out)),
        error(&|out| write(&u128::MAX, out)),
        error(&|out| write(&i128::MIN, out)),
    ] {
        assert_eq!(wrong, "cannot turn the value into JSON");
    }
}
