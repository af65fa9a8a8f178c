// SPDX-License-Identifier: AGPL-3.0-or-later
//! A machine's network as its installed system reads it: cloud-init's `network-config`, version 2 (cloud-init,
//! "Networking config Version 2"; netplan's YAML).

use shoal_schema::network::Interface;

use serde_json::{Map, Value, json};

/// A link that fails is found out within so many milliseconds. Without it no bond ever notices (Linux,
/// `Documentation/networking/bonding.rst`, "miimon").
const LINK_IS_LOOKED_AT_MS: u32 = 100;

/// The configuration of these interfaces; nothing where DHCP is meant.
///
/// A bond is of mode `active-backup`, the one that needs nothing of the switch; the kernel's own default sends in
/// turns over all members, which most switches take for one address on two ports.
pub fn network_config(interfaces: &[Interface]) -> Option<Value> {
    if interfaces.is_empty() {
        return None;
    }
    let (mut ethernets, mut bonds, mut vlans) = (Map::new(), Map::new(), Map::new());
    for interface in interfaces {
        let is_member = interfaces.iter().any(|other| other.bond.contains(&interface.name));
        let mut body = addresses(interface, is_member);
        let kind = if let Some(vlan) = interface.vlan {
            body.insert("id".into(), json!(vlan));
            body.insert("link".into(), json!(interface.parent));
            &mut vlans
        } else if !interface.bond.is_empty() {
            body.insert("interfaces".into(), json!(interface.bond));
            let parameters = json!({"mode": "active-backup", "mii-monitor-interval": LINK_IS_LOOKED_AT_MS});
            body.insert("parameters".into(), parameters);
            &mut bonds
        } else {
            &mut ethernets
        };
        kind.insert(interface.name.clone(), Value::Object(body));
    }
    let mut config = Map::from_iter([("version".to_owned(), json!(2))]);
    for (kind, interfaces) in [("ethernets", ethernets), ("bonds", bonds), ("vlans", vlans)] {
        if !interfaces.is_empty() {
            config.insert(kind.to_owned(), Value::Object(interfaces));
        }
    }
    Some(Value::Object(config))
}

/// What every kind of interface has. The member of a bond has no address of its own: nobody is asked for one unless
/// the document says so.
fn addresses(interface: &Interface, is_member: bool) -> Map<String, Value> {
    let mut body = Map::new();
    let dhcp = interface.dhcp.unwrap_or(interface.addresses.is_empty() && !is_member);
    body.insert("dhcp4".into(), json!(dhcp));
    if !interface.addresses.is_empty() {
        body.insert("addresses".into(), json!(interface.addresses));
    }
    if let Some(gateway) = &interface.gateway {
        let to = if gateway.contains(':') { "::/0" } else { "0.0.0.0/0" };
        body.insert("routes".into(), json!([{"to": to, "via": gateway}]));
    }
    if !interface.dns.is_empty() {
        body.insert("nameservers".into(), json!({"addresses": interface.dns}));
    }
    if let Some(mtu) = interface.mtu {
        body.insert("mtu".into(), json!(mtu));
    }
    if let Some(mac) = &interface.mac {
        body.insert("match".into(), json!({"macaddress": mac.as_str()}));
        body.insert("set-name".into(), json!(interface.name));
    }
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(interfaces: Value) -> Value {
        let interfaces: Vec<Interface> = serde_json::from_value(interfaces).unwrap();
        network_config(&interfaces).unwrap_or_default()
    }

    #[test]
    fn without_interfaces_there_is_none_and_dhcp_is_meant() {
        assert_eq!(config(json!([])), Value::Null);
    }

    #[test]
    fn an_interface_is_known_by_its_address_and_named_as_git_says() {
        let mac = "52:54:00:00:00:01";
        let expected = json!({"version": 2, "ethernets": {
            "lan0": {"dhcp4": true, "match": {"macaddress": mac}, "set-name": "lan0"},
        }});
        assert_eq!(config(json!([{"name": "lan0", "mac": mac}])), expected);
    }

    #[test]
    fn addresses_stand_instead_of_dhcp_unless_both_are_asked_for() {
        let of = |more: &[(&str, Value)]| {
            let mut interface = json!({"name": "a", "addresses": ["10.0.0.5/24", "2001:db8::5/64"]});
            for (key, value) in more {
                interface[*key] = value.clone();
            }
            config(json!([interface]))["ethernets"]["a"].clone()
        };
        let addresses = json!(["10.0.0.5/24", "2001:db8::5/64"]);
        assert_eq!(of(&[]), json!({"dhcp4": false, "addresses": addresses}));
        assert_eq!(of(&[("dhcp", json!(true))]), json!({"dhcp4": true, "addresses": addresses}));
        let all = [
            ("gateway", json!("10.0.0.1")),
            ("dns", json!(["10.0.0.53", "2001:db8::53"])),
            ("mtu", json!(9000)),
        ];
        let expected = json!({
            "dhcp4": false, "addresses": addresses, "mtu": 9000,
            "routes": [{"to": "0.0.0.0/0", "via": "10.0.0.1"}],
            "nameservers": {"addresses": ["10.0.0.53", "2001:db8::53"]},
        });
        assert_eq!(of(&all), expected);
        let routes = of(&[("gateway", json!("fe80::1"))])["routes"].clone();
        assert_eq!(routes, json!([{"to": "::/0", "via": "fe80::1"}]));
    }

    #[test]
    fn a_bond_needs_nothing_of_the_switch_and_its_members_ask_nobody() {
        let interfaces = json!([
            {"name": "eno1", "mac": "94:40:c9:11:22:01"}, {"name": "eno2", "dhcp": true},
            {"name": "bond0", "bond": ["eno1", "eno2"]},
            {"name": "bond0.120", "vlan": 120, "parent": "bond0", "addresses": ["10.20.120.21/24"]},
        ]);
        let expected = json!({
            "version": 2,
            "ethernets": {
                "eno1": {"dhcp4": false, "match": {"macaddress": "94:40:c9:11:22:01"}, "set-name": "eno1"},
                "eno2": {"dhcp4": true},
            },
            "bonds": {"bond0": {
                "dhcp4": true, "interfaces": ["eno1", "eno2"],
                "parameters": {"mode": "active-backup", "mii-monitor-interval": 100},
            }},
            "vlans": {"bond0.120": {"dhcp4": false, "addresses": ["10.20.120.21/24"], "id": 120, "link": "bond0"}},
        });
        assert_eq!(config(interfaces), expected);
    }
}
