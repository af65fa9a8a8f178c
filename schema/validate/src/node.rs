// SPDX-License-Identifier: AGPL-3.0-or-later
//! Places within a schema: which fields an object has, which values an enumeration has.

use serde_json::Value;

/// The part of the schema around a keyword, by the keyword's pointer.
pub(crate) fn around<'a>(schema: &'a Value, keyword_pointer: &str) -> Option<&'a Value> {
    let cut = keyword_pointer.rfind('/')?;
    schema.pointer(&keyword_pointer[..cut])
}

/// Follows `$ref` and a lone `allOf` to the part that says something.
pub(crate) fn resolve<'a>(schema: &'a Value, mut node: &'a Value) -> &'a Value {
    // Deeper chains do not come out of schemars; a cycle would end here.
    for _ in 0..8 {
        let next = if let Some(reference) = node.get("$ref").and_then(Value::as_str) {
            reference.strip_prefix('#').and_then(|pointer| schema.pointer(pointer))
        } else {
            match node.get("allOf").and_then(Value::as_array).map(Vec::as_slice) {
                Some([only]) if node.get("properties").is_none() => Some(only),
                _ => None,
            }
        };
        match next {
            Some(next) => node = next,
            None => break,
        }
    }
    node
}

/// The names of an object's fields, sorted.
pub(crate) fn fields(node: &Value) -> Vec<String> {
    let mut names: Vec<String> = node
        .get("properties")
        .and_then(Value::as_object)
        .map(|map| map.keys().cloned().collect())
        .unwrap_or_default();
    names.sort();
    names
}

/// The values of an enumeration: `enum`, `const`, or `oneOf` with nothing but those.
pub(crate) fn constants(schema: &Value, node: &Value) -> Option<Vec<String>> {
    let node = resolve(schema, node);
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    if let Some(options) = node.get("enum").and_then(Value::as_array) {
        return Some(options.iter().filter(|option| !option.is_null()).map(text).collect());
    }
    if let Some(only) = node.get("const") {
        return Some(vec![text(only)]);
    }
    let branches = node.get("oneOf").and_then(Value::as_array)?;
    let mut all = Vec::new();
    for branch in branches {
        all.extend(constants(schema, branch)?);
    }
    Some(all)
}

/// The types that a part of a schema accepts, without `null`.
pub(crate) fn types(schema: &Value, node: &Value) -> Vec<String> {
    let node = resolve(schema, node);
    match node.get("type") {
        Some(Value::String(one)) if one != "null" => vec![one.clone()],
        Some(Value::Array(several)) => several
            .iter()
            .filter_map(Value::as_str)
            .filter(|name| *name != "null")
            .map(str::to_owned)
            .collect(),
        Some(_) => Vec::new(),
        None => {
            let branches = node.get("anyOf").or_else(|| node.get("oneOf")).and_then(Value::as_array);
            let mut all = Vec::new();
            for branch in branches.into_iter().flatten() {
                for name in types(schema, branch) {
                    if !all.contains(&name) {
                        all.push(name);
                    }
                }
            }
            all
        }
    }
}
