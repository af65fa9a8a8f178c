// SPDX-License-Identifier: AGPL-3.0-or-later
//! Recipes as they stand on a task medium and as callers send them.

use serde_json::Value;
use shoal_schema::wire::recipe::WireRecipe;

/// The longest answer to one thing that is wrong.
const MESSAGE: usize = 4_096;

/// The input as a recipe.
///
/// # Panics
///
/// Where the schema takes what the type does not, where a recipe is not written as it was read, where a
/// violation names a place that is not there, or repeats a value.
pub fn recipe(input: &[u8]) -> bool {
    let Ok(document) = serde_json::from_slice::<Value>(input) else { return false };
    let validator = shoal_validate::recipe();
    let violations = validator.check(&document);
    assert_eq!(validator.check(&document), violations);
    assert!(violations.is_sorted());
    let typed = serde_json::from_value::<WireRecipe>(document.clone());
    if violations.is_empty() {
        let recipe =
            typed.unwrap_or_else(|error| panic!("the schema takes it and the type does not: {error}"));
        written_as_read(&recipe, &document);
        return true;
    }
    let values = values(&document);
    for violation in &violations {
        let place = &violation.pointer;
        let missing = violation.code == "required";
        assert!(document.pointer(place).is_some(), "{place:?} is not there ({})", violation.code);
        assert!(!missing || violation.property.is_some());
        assert!(!violation.message.is_empty() && violation.message.len() < MESSAGE + place.len());
        let repeated = values.iter().find(|value| violation.message.contains(value.as_str()));
        assert!(repeated.is_none(), "{repeated:?} is in {:?}", violation.message);
    }
    false
}

fn written_as_read(recipe: &WireRecipe, document: &Value) {
    let written = serde_json::to_value(recipe).expect("a recipe is JSON");
    assert_eq!(shoal_validate::recipe().check(&written), [], "{written}");
    assert_eq!(&serde_json::from_value::<WireRecipe>(written.clone()).expect("it was just written"), recipe);
    // Beside what stands for nothing, it is the same document.
    for (name, value) in document.as_object().into_iter().flatten() {
        let nothing = value.is_null() || value.as_object().is_some_and(serde_json::Map::is_empty);
        if !nothing && name != "target_disk" && name != "partition_layout" {
            assert_eq!(written.get(name), Some(value), "{name}");
        }
    }
    let parts = |document: &Value| document["partition_layout"].as_array().map_or(0, Vec::len);
    assert_eq!(parts(&written), parts(document));
}

/// Texts that stand as a value and in no name, and that no schema has by chance.
pub(crate) fn values(document: &Value) -> Vec<String> {
    let (mut found, mut names) = (Vec::new(), String::new());
    let mut pending = vec![document];
    while let Some(value) = pending.pop() {
        match value {
            Value::String(text) if text.contains("c4n4ry") => found.push(text.clone()),
            Value::Array(items) => pending.extend(items),
            Value::Object(map) => {
                names.extend(map.keys().map(String::as_str));
                pending.extend(map.values());
            }
            _ => {}
        }
    }
    found.retain(|value: &String| !names.contains(value.as_str()));
    found
}
