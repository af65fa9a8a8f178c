// SPDX-License-Identifier: AGPL-3.0-or-later
//! Random trees of resources: the client never panics, never loops, and never picks a slot
//! that takes no image.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::{Map, Value, json};
use shoal_redfish::{Bmc, InsertVia, RedfishBmc, Rung};

use crate::support::client::{endpoint, wiring};
use crate::support::server::{Asked, Handler, Reply, Server};

/// Few paths, so that links meet each other, themselves and nothing.
const PATHS: [&str; 8] = ["/redfish/v1/", "/a", "/b", "/c", "/d", "/e", "/f", "/missing"];
const KEYS: [&str; 38] = [
    "Systems",
    "Managers",
    "Members",
    "VirtualMedia",
    "Links",
    "ManagedBy",
    "Boot",
    "Actions",
    "Oem",
    "MediaTypes",
    "Inserted",
    "Image",
    "ConnectedVia",
    "Id",
    "SerialNumber",
    "PowerState",
    "@Redfish.Settings",
    "SettingsObject",
    "#ComputerSystem.Reset",
    "#VirtualMedia.InsertMedia",
    "target",
    "@Redfish.ActionInfo",
    "Members@odata.nextLink",
    "BootSourceOverrideTarget@Redfish.AllowableValues",
    "BootSourceOverrideSupported",
    "Hp",
    "Huawei",
    "Supermicro",
    "Dell",
    "ts_fujitsu",
    "VirtualMediaConfig",
    "BootConfig",
    "DellAttributes",
    "#HpiLOVirtualMedia.InsertVirtualMedia",
    "#VirtualMedia.VmmControl",
    "#IsoConfig.Mount",
    "OemManager.v1_0_0#OemManager.ImportSystemConfiguration",
    "Attributes",
];
const WORDS: [&str; 10] =
    ["", "CD", "USBStick", "Cd", "UefiHttp", "On", "EXT1", "Dell", "Lenovo", "http://h/a.iso"];

fn path() -> impl Strategy<Value = Value> {
    prop::sample::select(PATHS.as_slice()).prop_map(|path| json!({"@odata.id": path}))
}

fn leaf() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        prop::sample::select(WORDS.as_slice()).prop_map(Value::from),
        prop::sample::select(PATHS.as_slice()).prop_map(Value::from),
        path(),
    ]
}

fn anything() -> impl Strategy<Value = Value> {
    leaf().prop_recursive(4, 48, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((prop::sample::select(KEYS.as_slice()), inner), 0..8).prop_map(|pairs| {
                let map: Map<String, Value> =
                    pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
                Value::Object(map)
            }),
        ]
    })
}

/// Usually the link that makes sense.
fn link_to(usual: &'static str) -> impl Strategy<Value = Value> {
    prop_oneof![16 => Just(json!({"@odata.id": usual})), 1 => path(), 1 => anything()]
}

fn action(name: &'static str) -> impl Strategy<Value = Value> {
    prop_oneof![
        5 => path().prop_map(move |path| json!({name: {"target": path["@odata.id"]}})),
        1 => Just(Value::Null),
        1 => anything(),
    ]
}

/// A maker's own way of a slot, instead of the standard's.
fn own_way() -> impl Strategy<Value = Value> {
    let names = vec!["#HpiLOVirtualMedia.InsertVirtualMedia", "#VirtualMedia.VmmControl"];
    let oem = (prop::sample::select(names), path())
        .prop_map(|(name, path)| json!({"X": {"Actions": {name: {"target": path["@odata.id"]}}}}));
    prop_oneof![3 => Just(Value::Null), 1 => oem, 1 => anything()]
}

fn slot() -> impl Strategy<Value = Value> {
    let kinds = prop::sample::select(vec![
        json!(["CD"]),
        json!(["USBStick"]),
        json!(["CD", "USBStick"]),
        Value::Null,
    ]);
    let id = prop::sample::select(WORDS.as_slice());
    let action = prop_oneof![
        4 => action("#VirtualMedia.InsertMedia").boxed(),
        1 => action("#IsoConfig.Mount").boxed(),
    ];
    (anything(), action, own_way(), id, kinds).prop_map(|(image, actions, own, id, kinds)| {
        json!({
            "Id": id, "MediaTypes": kinds, "Inserted": false, "Image": image, "Actions": actions, "Oem": own
        })
    })
}

/// Mostly sensible, so that the walk gets far; each part may be anything.
fn tree() -> impl Strategy<Value = BTreeMap<&'static str, Value>> {
    let root = (link_to("/a"), link_to("/f"))
        .prop_map(|(systems, managers)| json!({"Systems": systems, "Managers": managers}));
    let systems = prop::collection::vec(link_to("/b"), 1..3).prop_map(|members| json!({"Members": members}));
    let boot = prop_oneof![2 => Just(json!({"BootSourceOverrideTarget": "None"})), 1 => anything()];
    let system = (boot, action("#ComputerSystem.Reset"), link_to("/c"), link_to("/f"), link_to("/missing"))
        .prop_map(|(boot, actions, media, manager, settings)| {
            json!({
                "Boot": boot, "Actions": actions, "VirtualMedia": media, "Links": {"ManagedBy": [manager]},
                "@Redfish.Settings": {"SettingsObject": settings}
            })
        });
    let config = prop_oneof![3 => Just(Value::Null), 1 => path()];
    let media =
        (link_to("/d"), link_to("/e"), link_to("/c"), config).prop_map(|(first, second, next, config)| {
            let oem = json!({"Supermicro": {"VirtualMediaConfig": config}});
            json!({"Members": [first, second], "Members@odata.nextLink": next, "Oem": oem})
        });
    let mostly = |usual: BoxedStrategy<Value>| prop_oneof![16 => usual, 1 => anything()];
    (
        mostly(root.boxed()),
        mostly(systems.boxed()),
        mostly(system.boxed()),
        mostly(media.boxed()),
        mostly(slot().boxed()),
        mostly(slot().boxed()),
        mostly(link_to("/c").prop_map(|media| json!({"VirtualMedia": media})).boxed()),
    )
        .prop_map(|(root, systems, system, media, first, second, manager)| {
            PATHS.into_iter().zip([root, systems, system, media, first, second, manager]).collect()
        })
}

#[derive(Default)]
struct Random {
    tree: Mutex<BTreeMap<&'static str, Value>>,
    asked: AtomicUsize,
}

impl Handler for Random {
    async fn answer(&self, asked: Asked) -> Reply {
        self.asked.fetch_add(1, Ordering::SeqCst);
        if asked.method == "POST" && asked.path == "/redfish/v1/SessionService/Sessions" {
            return Reply::status(201).header("X-Auth-Token", "t");
        }
        match self.tree.lock().unwrap().get(asked.path.as_str()) {
            Some(value) if asked.method == "GET" => Reply::json(200, value),
            _ => Reply::status(404),
        }
    }
}

#[test]
fn random_trees_never_panic_never_loop_and_never_lead_to_a_slot_without_a_route() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let random = Arc::new(Random::default());
    let server = runtime.block_on(Server::https(random.clone()));
    let found_slots = AtomicUsize::new(0);
    let config = Config { cases: 300, failure_persistence: None, ..Config::default() };
    // Always the same seed; a failure prints the smallest tree that fails.
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    runner
        .run(&tree(), |tree| {
            *random.tree.lock().unwrap() = tree;
            random.asked.store(0, Ordering::SeqCst);
            runtime.block_on(async {
                let Ok(bmc) = RedfishBmc::connect(&endpoint(&server), wiring()).await else {
                    return Ok(());
                };
                let found = bmc.discovered();
                for slot in [&found.boot_slot, &found.task_slot].into_iter().flatten() {
                    let facts = found.media.iter().find(|facts| facts.uri == *slot);
                    prop_assert!(facts.is_some_and(|facts| facts.insert != InsertVia::None), "{found:?}");
                    found_slots.fetch_add(1, Ordering::SeqCst);
                }
                prop_assert_ne!(&found.boot_slot, &Some(String::new()));
                prop_assert!(found.boot_slot.is_none() || found.boot_slot != found.task_slot);
                let has_slot = matches!(found.rung, Rung::TwoCd | Rung::CdUsb | Rung::Single);
                prop_assert_eq!(has_slot, found.boot_slot.is_some());
                Ok(())
            })?;
            // Root twice, login, the few resources, the settings that are tried unlinked.
            // Four collections may be asked for once more.
            prop_assert!(random.asked.load(Ordering::SeqCst) <= 24);
            Ok(())
        })
        .unwrap();
    let found_slots = found_slots.into_inner();
    assert!(found_slots > 10, "the trees must lead to slots now and then, not {found_slots} times");
}
