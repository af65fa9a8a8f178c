// SPDX-License-Identifier: AGPL-3.0-or-later
//! What people read when a document does not fit its schema.

use proptest::prelude::*;
use serde_json::{Value, json};
use shoal_schema::kinds::{KINDS, schema_of};
use shoal_validate::{Violation, for_kind, recipe};

fn server(spec: Value) -> Value {
    json!({"apiVersion": "shoal.dev/v1", "kind": "Server", "metadata": {"name": "web-01"}, "spec": spec})
}

fn good_spec() -> Value {
    json!({"serial": "S1X", "bmc": {"address": "https://10.0.0.1"}})
}

fn with(pointer: &str, value: Value) -> Value {
    let mut document = server(good_spec());
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    document.pointer_mut(parent).unwrap()[name] = value;
    document
}

fn check(document: &Value) -> Vec<Violation> {
    for_kind("Server").unwrap().check(document)
}

fn lines(document: &Value) -> Vec<String> {
    check(document).iter().map(|v| format!("{} {} {}", v.pointer, v.code, v.message)).collect()
}

#[test]
fn the_schema_of_every_kind_and_of_recipes_compiles() {
    for kind in KINDS {
        assert!(for_kind(kind).is_some(), "{kind}");
    }
    assert!(for_kind("Pod").is_none());
    assert!(recipe().check(&json!({"task_target": "x.target"})).is_empty());
}

#[test]
fn every_pattern_of_our_schemas_is_said_in_words() {
    fn patterns(schema: &Value, found: &mut Vec<String>) {
        match schema {
            Value::Object(map) => {
                if let Some(Value::String(text)) = map.get("pattern") {
                    found.push(text.clone());
                }
                map.values().for_each(|inner| patterns(inner, found));
            }
            Value::Array(items) => items.iter().for_each(|inner| patterns(inner, found)),
            _ => {}
        }
    }
    let mut found = Vec::new();
    for kind in KINDS {
        patterns(&schema_of(kind).unwrap().to_value(), &mut found);
    }
    patterns(&shoal_schema::wire::recipe::recipe_schema(), &mut found);
    assert!(found.len() > 20);
    for pattern in found {
        let schema = json!({"type": "string", "pattern": pattern});
        let validator = shoal_validate::Validator::new(schema).unwrap();
        let violations = validator.check(&json!("\u{1}"));
        assert!(violations[0].message.starts_with("expected "), "no words for the pattern {pattern}");
    }
}

#[test]
fn a_good_document_has_no_violation() {
    assert_eq!(check(&server(good_spec())), []);
    assert_eq!(check(&with("/spec/suspend", json!({"reason": "fan", "until": "2026-01-01T00:00:00Z"}))), []);
}

#[test]
fn everything_is_said_at_once_and_in_order() {
    let document = json!({
        "apiVersion": "shoal.dev/v2", "kind": "Server", "metadata": {"name": "Web"}, "color": 1,
        "spec": {"bmc": {"adress": "x"}, "os": {"image": "debian", "version": 24.10}},
    });
    assert_eq!(
        lines(&document),
        [
            "/apiVersion enum expected `shoal.dev/v1`",
            "/color additionalProperties unknown field `color`: expected `apiVersion`, `kind`, `metadata` or `spec`",
            "/metadata/name pattern expected lower-case letters, digits, `-`, `.`, `_` and `/`, with a letter or digit at both ends",
            "/spec required one of `serial` or `uuid` is missing",
            "/spec/bmc required `address` is missing",
            "/spec/bmc/adress additionalProperties unknown field `adress`: expected `address`, `credentials`, `system` or `tls`",
            "/spec/os/version type expected text, found a number",
        ]
    );
}

#[test]
fn a_number_where_text_is_expected_asks_for_quotes() {
    for value in [json!(24.10), json!(7), json!(true), json!(null)] {
        let found = check(&with("/spec/os", json!({"image": "debian", "version": value})));
        assert_eq!(found.len(), 1);
        assert!(found[0].quote, "{value}");
    }
    let list = check(&with("/spec/os", json!({"image": "debian", "version": []})));
    assert!(!list[0].quote);
    let number = check(&with("/spec/reinstall", json!("7")));
    assert_eq!((number[0].quote, number[0].message.as_str()), (false, "expected a whole number, found text"));
}

#[test]
fn an_unknown_field_comes_with_the_known_ones() {
    let found = check(&with("/spec/tls", json!({})));
    assert_eq!(found[0].property.as_deref(), Some("tls"));
    assert!(found[0].candidates.contains(&"network".to_owned()));
}

#[test]
fn an_enumeration_lists_its_values() {
    let found = check(&with("/spec/power", json!("on")));
    assert_eq!(found[0].candidates, ["On", "Off", "Unmanaged"]);
    assert_eq!((found[0].code, found[0].message.as_str()), ("enum", "expected `On`, `Off` or `Unmanaged`"));
    assert_eq!(check(&with("/spec/power", json!(true)))[0].code, "type");
}

#[test]
fn an_optional_part_is_explained_as_if_it_were_not_optional() {
    assert_eq!(
        lines(&with("/spec/disk", json!({"path": "sda", "minSize": "10Z"}))),
        [
            "/spec/disk/minSize pattern expected a size, digits and `K`, `M`, `G` or `T`, such as `512M`",
            "/spec/disk/path pattern expected a whole disk: `/dev/sdX`, `/dev/vdX`, `/dev/hdX`, `/dev/nvmeNnN`, `/dev/mdN` or `/dev/mapper/NAME`",
        ]
    );
    assert_eq!(
        lines(&with("/spec/disk", json!({}))),
        [
            "/spec/disk minProperties give one of `maxSize`, `minSize`, `path`, `rotational`, `serial` or `wwn`"
        ]
    );
}

#[test]
fn a_choice_is_explained_by_what_was_meant() {
    assert_eq!(
        lines(&with("/spec/suspend", json!("yes"))),
        ["/spec/suspend type expected `true` or `false` or a mapping, found text"]
    );
    assert_eq!(
        lines(&with("/spec/suspend", json!({"reson": "fan"}))),
        [
            "/spec/suspend required `reason` is missing",
            "/spec/suspend/reson additionalProperties unknown field `reson`: expected `reason` or `until`",
        ]
    );
    assert_eq!(
        lines(&with("/spec/suspend", json!({"reason": "fan", "until": "tomorrow"}))),
        ["/spec/suspend/until format expected a time such as `2026-01-31T12:00:00Z`"]
    );
}

#[test]
fn exactly_one_of_several_is_said_as_such() {
    let two = json!({"address": "https://h", "tls": {"insecure": true, "trustOnFirstUse": true}});
    assert_eq!(
        lines(&with("/spec/bmc", two)),
        ["/spec/bmc/tls maxProperties give only one of `ca`, `insecure`, `sha256` or `trustOnFirstUse`"]
    );
}

#[test]
fn an_integer_has_the_bounds_of_its_type() {
    assert_eq!(
        lines(&with("/spec/reinstall", json!(4_294_967_296_u64))),
        ["/spec/reinstall maximum must be 4294967295 or less"]
    );
    assert_eq!(lines(&with("/spec/reinstall", json!(-1))), ["/spec/reinstall minimum must be 0 or more"]);
}

#[test]
fn a_recipe_says_what_its_target_needs() {
    let found = recipe().check(&json!({"task_target": "install-linux.target", "oci_url": "x"}));
    let lines: Vec<&str> = found.iter().map(|v| v.message.as_str()).collect();
    assert_eq!(
        lines,
        [
            "`partition_layout` is missing, because `task_target` is `install-linux.target`",
            "`target_disk` is missing, because `task_target` is `install-linux.target`",
        ]
    );
    // What is there as nothing is not there.
    let nothing = json!({
        "task_target": "install-linux.target", "oci_url": null, "target_disk": null, "partition_layout": null,
    });
    let places: Vec<String> = recipe().check(&nothing).into_iter().map(|v| v.pointer).collect();
    assert_eq!(places, ["/oci_url", "/partition_layout", "/target_disk"]);
    let json = serde_json::to_value(&found[0]).unwrap();
    assert_eq!(json["path"], "");
    assert_eq!(json["code"], "required");
    let partition = json!({"size": "0%", "type_guid": "8300"});
    let found = recipe().check(&json!({"task_target": "x.target", "partition_layout": [partition]}));
    assert_eq!((found[0].pointer.as_str(), found[0].code), ("/partition_layout/0/size", "pattern"));
}

#[test]
fn a_name_with_a_slash_is_escaped_in_the_pointer() {
    let found = check(&with("/spec/a~1b", json!(1)));
    assert_eq!(found[0].pointer, "/spec/a~01b");
    let mut document = server(good_spec());
    document["spec"]["c/d"] = json!(1);
    assert_eq!(check(&document)[0].pointer, "/spec/c~1d");
}

/// Any JSON with the canary as every string and in no name.
fn with_canary() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(json!("c4n4ry")),
        Just(json!("c4n4ry\nc4n4ry")),
        Just(json!(771_177_117_711_i64)),
        Just(json!(771_177.5)),
        Just(json!(true)),
        Just(json!(null)),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        let names = prop_oneof![
            Just("spec"),
            Just("metadata"),
            Just("kind"),
            Just("apiVersion"),
            Just("name"),
            Just("labels"),
            Just("serial"),
            Just("bmc"),
            Just("tls"),
            Just("os"),
            Just("disk"),
            Just("network"),
            Just("suspend"),
            Just("power"),
            Just("age"),
            Just("recipients"),
            Just("userData"),
            Just("text"),
            Just("layout"),
            Just("vars"),
            Just("entries"),
            Just("versions"),
            Just("expires"),
            Just("other"),
        ];
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map(names.prop_map(str::to_owned), inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn no_violation_ever_holds_a_value(document in with_canary()) {
        for validator in KINDS.iter().filter_map(|kind| for_kind(kind)).chain([recipe()]) {
            for violation in validator.check(&document) {
                let shown = format!("{violation:?}");
                prop_assert!(!shown.contains("c4n4ry") && !shown.contains("771177"), "{shown}");
                prop_assert!(!violation.message.is_empty());
            }
        }
    }
}
