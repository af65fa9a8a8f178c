// SPDX-License-Identifier: AGPL-3.0-or-later
//! Each profile beside the recording that it is modelled on.
//!
//! Every resource that a profile serves is fetched over HTTP and compared with the recorded one at the same path: type,
//! id, collection members in order, actions, every list of allowable values, media types. Beyond that a profile may
//! leave out what it does not emulate, but invents nothing: each property it shows is a recorded one.
//!
//! What differs on purpose stands in [`differences`], by name; a difference that is listed and not there fails too.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};
use shoal_testbed::bmc::profiles::{self, Profile};
use shoal_testbed::bmc::{Farm, NullMachine};
use std::sync::Arc;

use crate::client::Client;
use crate::fixture::{bmc_config, farm_config};

/// The recordings, or `None` after saying that they are not there.
fn recordings() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/recordings");
    if root.is_dir() {
        return Some(root);
    }
    // Past the capture of the test harness, so that a skip is seen.
    let told = writeln!(std::io::stderr(), "SKIPPED: no recordings at {}", root.display());
    told.expect("standard error is open");
    None
}

/// What differs between a profile and its recording, as (path, what). Everything else has to agree.
fn differences(profile: &Profile) -> BTreeSet<(String, String)> {
    let manager = format!("/redfish/v1/Managers/{}", profile.manager.id);
    let system = format!("/redfish/v1/Systems/{}", profile.system.id);
    // Sessions and accounts are configuration, not model.
    let mut list = vec![("/redfish/v1/SessionService/Sessions".to_owned(), "Members")];
    if profile.name != "xcc" {
        list.push(("/redfish/v1/AccountService/Accounts".to_owned(), "Members"));
    }
    let mut add = |path: &str, what: &'static str| list.push((path.to_owned(), what));
    match profile.name {
        "idrac9-6" => {
            // The disk enclosure is not emulated.
            add("/redfish/v1/Chassis", "Members");
            for action in [
                "Actions.Oem.#OemManager.v1_4_0.OemManager#OemManager.ExportSystemConfiguration",
                "Actions.Oem.#OemManager.v1_4_0.OemManager#OemManager.ImportSystemConfiguration",
                "Actions.Oem.#OemManager.v1_4_0.OemManager#OemManager.ImportSystemConfigurationPreview",
                "Actions.Oem.DellManager.v1_0_0#DellManager.ResetToDefaults",
            ] {
                add(&manager, action);
            }
            add("/redfish/v1/Chassis/System.Embedded.1", "Actions.#Chassis.Reset");
        }
        "ilo5" => {
            // Two of the recorded roles are directory groups.
            add("/redfish/v1/AccountService/Roles", "Members");
            // Two of the recorded management interfaces are a shared port and the host's USB link.
            add(&format!("{manager}/EthernetInterfaces"), "Members");
            // Device paths of the recorded machine's own disks and ports.
            add(&system, "Boot.UefiTargetBootSourceOverride@Redfish.AllowableValues");
        }
        "smc-x13-single" => {
            // The one difference that makes this model: one slot of three.
            add(&format!("{manager}/VirtualMedia"), "Members");
            add(&manager, "Actions.Oem.#SmcManagerConfig.Reset");
            add("/redfish/v1/Chassis", "Members");
            add(&format!("{manager}/EthernetInterfaces"), "Members");
            // Lists about time zones and delays, which are not emulated.
            for what in ["AutoDSTEnabled", "TimeZoneName"] {
                add(
                    &manager,
                    if what == "AutoDSTEnabled" {
                        "AutoDSTEnabled@Redfish.AllowableValues"
                    } else {
                        "TimeZoneName@Redfish.AllowableValues"
                    },
                );
            }
            add(&format!("{manager}/EthernetInterfaces/1"), "SpeedMbps@Redfish.AllowableValues");
        }
        "xcc" => {
            // The USB link to the manager, and a second chassis.
            add(&format!("{system}/EthernetInterfaces"), "Members");
            add(&format!("{manager}/EthernetInterfaces"), "Members");
            add("/redfish/v1/Chassis", "Members");
            // Settings and actions that are not emulated.
            add("/redfish/v1/AccountService", "LocalAccountAuth@Redfish.AllowableValues");
            add(&system, "HostWatchdogTimer.TimeoutAction@Redfish.AllowableValues");
            add(&system, "HostWatchdogTimer.WarningAction@Redfish.AllowableValues");
            for action in [
                "Actions.Oem.#LenovoComputerSystem.BootToBIOSSetup",
                "Actions.Oem.#LenovoComputerSystem.CustomizedReset",
                "Actions.Oem.#LenovoComputerSystem.RemoteClearCMOS",
                "Actions.Oem.#LenovoComputerSystem.SystemReset",
            ] {
                add(&system, action);
            }
        }
        "openbmc-gb200" => {
            // Forty chassis that nothing here links to, and interfaces that lead to the inside.
            add("/redfish/v1/Chassis", "Members");
            add(&format!("{manager}/EthernetInterfaces"), "Members");
            // Settings and actions that are not emulated; the baseboard's own reset is one of them.
            add(&system, "Boot.AutomaticRetryConfig@Redfish.AllowableValues");
            let baseboard = "/redfish/v1/Managers/HGX_BMC_0";
            for action in [
                "Actions.Oem.#NvidiaManager.NSMRawCommand",
                "Actions.Oem.#NvidiaManager.ResetToDefaults",
                "Actions.Oem.#eMMC.SecureErase",
            ] {
                add(&manager, action);
                add(baseboard, action);
            }
            for action in [
                "Actions.#Manager.Reset",
                "Actions.#Manager.ResetToDefaults",
                "Actions.Oem.#NvidiaManager.SWErrorInjection",
            ] {
                add(baseboard, action);
            }
            for action in ["Actions.#Chassis.Reset", "Actions.Oem.#NvidiaChassis.AuxPowerReset"] {
                add("/redfish/v1/Chassis/BMC_0", action);
            }
            // The one difference that was made on purpose: a slot for the console.
            add(&format!("{manager}/VirtualMedia"), "Members");
        }
        other => panic!("no list of differences for {other}"),
    }
    list.into_iter().map(|(path, what)| (path, what.to_owned())).collect()
}

/// Fetches every resource that can be reached by links, as path to body.
async fn crawl(profile: &'static Profile, interfaces: usize) -> BTreeMap<String, Value> {
    let mut config = bmc_config(profile, 0, Arc::new(NullMachine::default()), true);
    config.identity.macs = (0..interfaces).map(|port| format!("02:00:00:00:00:{port:02x}")).collect();
    let farm = Farm::start(farm_config(vec![config])).await.expect("a farm on loopback");
    let client = Client::basic(&farm.bmcs()[0]);
    client.login().await;
    let mut seen = BTreeMap::new();
    let mut open = vec!["/redfish/v1".to_owned()];
    while let Some(path) = open.pop() {
        if seen.contains_key(&path) {
            continue;
        }
        if profile.extras.iter().any(|extra| extra.path == path && extra.is_missing()) {
            client.get(&path).await.expect(404);
            continue;
        }
        let answer = client.get(&path).await;
        assert_eq!(answer.status, 200, "{}: a link leads to {path}: {}", profile.name, answer.body);
        let body = answer.json();
        assert_eq!(body["@odata.id"], path.as_str(), "a resource knows its own place");
        links(&body, &mut open);
        seen.insert(path, body);
    }
    farm.shutdown().await;
    seen
}

fn links(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            for (name, value) in map {
                match value {
                    Value::String(path) if name == "@odata.id" || name == "@Redfish.ActionInfo" => {
                        found.push(path.clone());
                    }
                    _ => links(value, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| links(item, found)),
        _ => {}
    }
}

/// What has to agree in a resource: a name for each fact, and its value.
fn facts(resource: &Value) -> BTreeMap<String, Value> {
    let mut facts = BTreeMap::new();
    for name in ["@odata.type", "Id", "Members", "MediaTypes", "Parameters"] {
        if let Some(value) = resource.get(name) {
            facts.insert(name.to_owned(), value.clone());
        }
    }
    if let Some(actions) = resource.get("Actions").and_then(Value::as_object) {
        for (name, action) in actions.iter().filter(|(name, _)| *name != "Oem") {
            facts.insert(format!("Actions.{name}"), action.clone());
        }
        for (name, action) in actions.get("Oem").and_then(Value::as_object).into_iter().flatten() {
            facts.insert(format!("Actions.Oem.{name}"), action.clone());
        }
    }
    if let Some(map) = resource.as_object() {
        allowable(map, "", &mut facts);
        vendor_actions(map, &mut facts);
    }
    facts
}

fn allowable(map: &Map<String, Value>, prefix: &str, facts: &mut BTreeMap<String, Value>) {
    for (name, value) in map.iter().filter(|(name, _)| !matches!(name.as_str(), "Actions" | "Oem")) {
        if name.ends_with("@Redfish.AllowableValues") {
            facts.insert(format!("{prefix}{name}"), value.clone());
        } else if let Value::Object(inner) = value {
            allowable(inner, &format!("{prefix}{name}."), facts);
        }
    }
}

/// Actions under `Oem.<Vendor>.Actions` of virtual media.
fn vendor_actions(map: &Map<String, Value>, facts: &mut BTreeMap<String, Value>) {
    if !map.contains_key("MediaTypes") {
        return;
    }
    for (vendor, oem) in map.get("Oem").and_then(Value::as_object).into_iter().flatten() {
        for (name, action) in oem.get("Actions").and_then(Value::as_object).into_iter().flatten() {
            facts.insert(format!("Oem.{vendor}.Actions.{name}"), action.clone());
        }
    }
}

/// Properties of `ours` that the recording does not have, down to the members of structures.
fn invented(ours: &Value, recorded: &Value, prefix: &str, found: &mut Vec<String>) {
    let (Some(ours), Some(recorded)) = (ours.as_object(), recorded.as_object()) else { return };
    for (name, value) in ours {
        match recorded.get(name) {
            None => found.push(format!("{prefix}{name}")),
            Some(twin) => invented(value, twin, &format!("{prefix}{name}."), found),
        }
    }
}

fn recorded(root: &Path, profile: &Profile, path: &str) -> Option<Value> {
    let file = root.join(profile.recording?).join(path.trim_start_matches('/')).join("index.json");
    let text = std::fs::read_to_string(file).ok()?;
    Some(serde_json::from_str(&text).expect("recordings are JSON"))
}

async fn compare(profile: &'static Profile) {
    let Some(root) = recordings() else { return };
    let ours = crawl(profile, profile.system.nic_ids.len()).await;
    let mut seen = BTreeSet::new();
    let mut compared = 0;
    let mut problems = Vec::new();
    for (path, resource) in &ours {
        let Some(recorded) = recorded(&root, profile, path) else { continue };
        compared += 1;
        let (our_facts, recorded_facts) = (facts(resource), facts(&recorded));
        let names: BTreeSet<&String> = our_facts.keys().chain(recorded_facts.keys()).collect();
        for name in names {
            let (ours, theirs) = (our_facts.get(name), recorded_facts.get(name));
            if ours != theirs {
                seen.insert((path.clone(), name.clone()));
                if !differences(profile).contains(&(path.clone(), name.clone())) {
                    problems.push(format!("{path} {name}:\n  ours     {ours:?}\n  recorded {theirs:?}"));
                }
            }
        }
        let mut more = Vec::new();
        invented(resource, &recorded, "", &mut more);
        // Query options are fewer than recorded, and say so in the recorded structure.
        more.retain(|name| name != "@odata.etag");
        problems.extend(more.into_iter().map(|name| format!("{path}: {name} is not in the recording")));
    }
    for (path, name) in differences(profile).difference(&seen) {
        problems.push(format!("{path} {name} is listed as a difference and is none"));
    }
    assert!(problems.is_empty(), "{}:\n{}", profile.name, problems.join("\n"));
    assert!(compared >= 15, "{}: only {compared} resources were compared", profile.name);
}

#[tokio::test]
async fn idrac9_6_is_like_its_recording() {
    compare(&profiles::IDRAC9_6).await;
}

#[tokio::test]
async fn ilo5_is_like_its_recording() {
    compare(&profiles::ILO5).await;
}

#[tokio::test]
async fn smc_x13_single_is_like_its_recording_but_for_two_slots() {
    compare(&profiles::SMC_X13_SINGLE).await;
}

#[tokio::test]
async fn xcc_is_like_its_recording() {
    compare(&profiles::XCC).await;
}

#[tokio::test]
async fn openbmc_gb200_is_like_its_recording_but_for_a_slot() {
    compare(&profiles::OPENBMC_GB200).await;
}

#[tokio::test]
async fn no_link_of_any_profile_leads_nowhere() {
    for profile in profiles::ALL {
        let resources = crawl(profile, 1).await;
        assert!(resources.len() > 15, "{}: {} resources", profile.name, resources.len());
    }
}
