// SPDX-License-Identifier: AGPL-3.0-or-later
//! A plan's id: whatever is changed in a plan's document changes it, and nothing else does.

use proptest::prelude::*;
use serde_json::{Map, Value};
use shoal_schema::plan::{EntrySeal, Plan, id_of_document};

use crate::plan_random::{build, fleet};

fn document(plan: &Plan) -> Map<String, Value> {
    match serde_json::to_value(plan).expect("a plan is JSON") {
        Value::Object(document) => document,
        other => panic!("a plan is an object, not {other}"),
    }
}

/// The paths of everything in a document but what is outside of the id.
fn paths(document: &Map<String, Value>) -> Vec<String> {
    fn below(value: &Value, path: &str, out: &mut Vec<String>) {
        out.push(path.to_owned());
        match value {
            Value::Array(items) => {
                items
                    .iter()
                    .enumerate()
                    .for_each(|(index, item)| below(item, &format!("{path}/{index}"), out));
            }
            Value::Object(members) => {
                members.iter().for_each(|(key, item)| below(item, &format!("{path}/{key}"), out));
            }
            _ => {}
        }
    }
    let mut out = Vec::new();
    for (key, value) in document.iter().filter(|(key, _)| !matches!(key.as_str(), "id" | "createdAt")) {
        below(value, &format!("/{key}"), &mut out);
    }
    out
}

/// Another value in its place.
fn change(value: &mut Value, how: u8) {
    match value {
        Value::Null => *value = Value::Bool(false),
        Value::Bool(it) => *it = !*it,
        Value::Number(it) => *value = (it.as_u64().expect("no plan counts below nothing") + 1).into(),
        Value::String(it) => match how % 3 {
            0 => it.push('x'),
            1 => it.insert(0, ' '),
            _ => *value = Value::Null,
        },
        Value::Array(items) => match how % 3 {
            0 => items.push(Value::Null),
            1 if !items.is_empty() => drop(items.pop()),
            2 if items.len() > 1 && items.first() != items.last() => items.rotate_left(1),
            _ => items.insert(0, "x".into()),
        },
        Value::Object(members) => match (how % 2, members.keys().next().cloned()) {
            (0, Some(first)) => drop(members.remove(&first)),
            _ => drop(members.insert("more".into(), 1.into())),
        },
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_change_of_any_field_of_any_entry_or_of_the_rest_changes_the_id(fleet in fleet(), seed: u64) {
        let plan = build(&fleet).plan();
        let document = document(&plan);
        prop_assert_eq!(&id_of_document(document.clone()).unwrap(), &plan.id);
        let paths = paths(&document);
        // So many of them that all kinds are met, and no more than a test can afford.
        let stride = paths.len().div_ceil(60).max(1);
        for (index, path) in paths.iter().enumerate().skip(seed as usize % stride).step_by(stride) {
            let mut changed = Value::Object(document.clone());
            let at = changed.pointer_mut(&path.replace('~', "~0")).expect("it is there");
            let before = at.clone();
            change(at, (seed >> (index % 60)) as u8);
            prop_assert_ne!(&before, &*at, "{}", path);
            let Value::Object(text) = changed.clone() else { unreachable!("it was an object") };
            prop_assert_ne!(&id_of_document(text).unwrap(), &plan.id, "{}", path);
            if let Ok(read) = serde_json::from_value::<Plan>(changed)
                && read != plan
            {
                prop_assert_ne!(&read.compute_id().unwrap(), &plan.id, "{}", path);
            }
        }
    }

    #[test]
    fn the_id_is_the_same_by_the_seals_by_the_whole_and_by_the_file(fleet in fleet(), created: u32) {
        let mut plan = build(&fleet).plan();
        let seals: Vec<EntrySeal> =
            plan.entries.iter().map(|entry| EntrySeal::of(entry).unwrap()).collect();
        plan.created_at = Some(jiff::Timestamp::from_second(created.into()).unwrap());
        prop_assert_eq!(&plan.id_by(&seals).unwrap(), &plan.id);
        prop_assert_eq!(&plan.compute_id().unwrap(), &plan.id);
        prop_assert_eq!(&id_of_document(document(&plan)).unwrap(), &plan.id);
    }
}

#[test]
fn entries_in_another_order_are_another_plan() {
    let mut world = crate::support::world::World::new();
    for name in ["web-01", "web-02", "web-03"] {
        world.add(name);
    }
    let mut plan = world.plan();
    plan.entries.swap(0, 2);
    assert_ne!(plan.compute_id().unwrap(), plan.id);
    plan.entries.swap(0, 2);
    assert_eq!(plan.compute_id().unwrap(), plan.id);
    plan.entries.pop();
    assert_ne!(plan.compute_id().unwrap(), plan.id);
}
