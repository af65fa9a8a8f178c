// SPDX-License-Identifier: AGPL-3.0-or-later
//! Which of a BMC's systems is meant (`Rule::SystemsAreNotGuessedBetween`).
//!
//! A selector decides alone. Without one: the system that matches the identity hint, else the
//! only one that can be started. Whatever is chosen must not contradict the hint.

use super::identity::{Verdict, judge};
use crate::contract::endpoint::BmcEndpoint;
use crate::contract::error::ErrorKind;
use crate::model::json;
use crate::model::system::System;
use crate::rules::{Rule, Rules};

/// The system that is meant. `sku_counts` says where the SKU is a serial number.
pub(crate) fn system<'a>(
    systems: &'a [System],
    endpoint: &BmcEndpoint,
    rules: Rules,
    sku_counts: impl Fn(&System) -> bool,
) -> Result<&'a System, ErrorKind> {
    let labels = || systems.iter().map(System::label).collect();
    let judged = |system: &System| {
        let proves = rules.has(Rule::MachinesAreProvenBeforeAnErase);
        if proves { judge(&endpoint.identity, system, sku_counts(system)) } else { Verdict::Unknown }
    };
    if let Some(selector) = endpoint.system.as_deref().map(str::trim).filter(|selector| !selector.is_empty())
    {
        let mut named = systems.iter().filter(|system| is_named(system, selector));
        return match (named.next(), named.next()) {
            (Some(system), None) => judged(system).into_result().map(|()| system),
            (Some(_), Some(_)) => Err(ErrorKind::AmbiguousSystem { candidates: labels() }),
            (None, _) => Err(ErrorKind::NoSuchSystem { selector: selector.to_owned(), candidates: labels() }),
        };
    }
    if let [only] = systems {
        return judged(only).into_result().map(|()| only);
    }
    let startable: Vec<&System> = systems
        .iter()
        .filter(|system| system.can_be_started() || !rules.has(Rule::BaseboardsAreNoMachines))
        .collect();
    let matching: Vec<&System> =
        startable.iter().copied().filter(|system| judged(system) == Verdict::Match).collect();
    match (matching.as_slice(), startable.as_slice()) {
        ([system], _) => Ok(system),
        ([], [only]) => judged(only).into_result().map(|()| *only),
        (_, [first, ..]) if !rules.has(Rule::SystemsAreNotGuessedBetween) => Ok(first),
        _ => Err(ErrorKind::AmbiguousSystem { candidates: labels() }),
    }
}

fn is_named(system: &System, selector: &str) -> bool {
    json::same_path(&system.uri, selector)
        || [&system.id, &system.name, &system.serial, &system.uuid]
            .into_iter()
            .flatten()
            .any(|name| name.eq_ignore_ascii_case(selector))
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use url::Url;

    use super::*;
    use crate::contract::credentials::Credentials;
    use crate::contract::endpoint::TlsTrust;

    fn endpoint() -> BmcEndpoint {
        BmcEndpoint::new(
            Url::parse("https://10.0.0.7").unwrap(),
            TlsTrust::Insecure,
            Credentials::new(String::new(), String::new()),
        )
    }

    fn blade(id: &str, serial: &str) -> System {
        System::read(
            &format!("/redfish/v1/Systems/{id}"),
            &json!({
                "Id": id, "SerialNumber": serial, "Boot": {},
                "Actions": {"#ComputerSystem.Reset": {"target": "/reset"}}
            }),
        )
    }

    fn baseboard() -> System {
        System::read("/redfish/v1/Systems/HGX", &json!({"Id": "HGX", "SerialNumber": "B1"}))
    }

    fn chosen(systems: &[System], endpoint: &BmcEndpoint) -> Result<String, &'static str> {
        system(systems, endpoint, Rules::general(), |_| false)
            .map(|system| system.uri.clone())
            .map_err(|kind| kind.label())
    }

    #[test]
    fn the_only_one_that_can_be_started_is_meant() {
        let systems = [baseboard(), blade("System_0", "S1")];
        assert_eq!(chosen(&systems, &endpoint()).as_deref(), Ok("/redfish/v1/Systems/System_0"));
    }

    #[test]
    fn several_blades_need_a_selector_or_an_identity() {
        let systems = [blade("1", "S1"), blade("2", "S2")];
        let mut endpoint = endpoint();
        assert_eq!(chosen(&systems, &endpoint), Err("ambiguous-system"));
        endpoint.identity.serial = Some("s2".to_owned());
        assert_eq!(chosen(&systems, &endpoint).as_deref(), Ok("/redfish/v1/Systems/2"));
        endpoint.identity.serial = None;
        for selector in ["2", "S2", "/redfish/v1/Systems/2/"] {
            endpoint.system = Some(selector.to_owned());
            assert_eq!(chosen(&systems, &endpoint).as_deref(), Ok("/redfish/v1/Systems/2"), "{selector}");
        }
        endpoint.system = Some("3".to_owned());
        assert_eq!(chosen(&systems, &endpoint), Err("no-such-system"));
    }

    #[test]
    fn another_machine_behind_the_address_is_an_error() {
        let mut endpoint = endpoint();
        endpoint.identity.serial = Some("S9".to_owned());
        assert_eq!(chosen(&[blade("1", "S1")], &endpoint), Err("wrong-machine"));
        assert_eq!(chosen(&[baseboard(), blade("1", "S1")], &endpoint), Err("wrong-machine"));
        endpoint.system = Some("1".to_owned());
        assert_eq!(chosen(&[blade("1", "S1"), blade("2", "S2")], &endpoint), Err("wrong-machine"));
    }
}
