// SPDX-License-Identifier: AGPL-3.0-or-later
//! A machine's own network: what cannot work, or likely will not.

use std::collections::HashMap;
use std::net::IpAddr;

use shoal_core::inventory::Located;
use shoal_schema::kinds::Server;
use shoal_schema::network::Interface;

use super::{At, Context, Finding};
use crate::codes;
use crate::diagnostic::shown;

/// No machine has more; interfaces are compared with each other.
const MAX_INTERFACES: usize = 512;

pub(super) fn of_server(server: &Located<Server>, found: &mut Vec<Finding>) {
    let network = &server.value.spec.network;
    let size: usize = network.iter().map(|interface| 1 + interface.bond.len()).sum();
    if size > MAX_INTERFACES {
        let message = format!("more than {MAX_INTERFACES} interfaces and members of bonds");
        let at = At::of(server, "/spec/network").key();
        found.push(Finding::error(codes::NETWORK_SIZE, at, message));
        return;
    }
    let mut names: HashMap<&str, usize> = HashMap::new();
    for (index, interface) in network.iter().enumerate() {
        let at = |field: &str| At::of(server, format!("/spec/network/{index}{field}"));
        if let Some(first) = names.insert(&interface.name, index) {
            found.push(
                Finding::error(codes::NETWORK_DUPLICATE, at("/name"), "another interface has the same name")
                    .related("first here", At::of(server, format!("/spec/network/{first}/name"))),
            );
        }
        addresses(interface, &at, found);
        stacking(interface, network, &at, found);
        let virtual_one = interface.vlan.is_some() || !interface.bond.is_empty();
        if interface.mac.is_none() && !virtual_one {
            found.push(
                Finding::warning(
                    codes::NETWORK_MAC,
                    at("/name"),
                    "without `mac` nothing says which interface this is",
                )
                .hint("kernel names differ between systems: give the hardware address"),
            );
        } else if interface.mac.is_some() && virtual_one {
            found.push(
                Finding::warning(
                    codes::NETWORK_MAC,
                    at("/mac"),
                    "a bond or VLAN has no hardware address of its own",
                )
                .hint("give `mac` to its members or parent"),
            );
        }
    }
}

/// The network part of an address with a prefix length.
struct Subnet {
    address: IpAddr,
    prefix: u8,
}

impl Subnet {
    fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = text.split_once('/')?;
        let address: IpAddr = address.parse().ok()?;
        let prefix: u8 = prefix.parse().ok()?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        (prefix <= most).then_some(Self { address, prefix })
    }

    fn holds(&self, other: IpAddr) -> bool {
        let bits = |address: IpAddr| match address {
            IpAddr::V4(v4) => u128::from(u32::from(v4)) << 96,
            IpAddr::V6(v6) => u128::from(v6),
        };
        self.address.is_ipv4() == other.is_ipv4()
            && (self.prefix == 0 || (bits(self.address) ^ bits(other)) >> (128 - u32::from(self.prefix)) == 0)
    }
}

fn addresses(interface: &Interface, at: &impl Fn(&str) -> At, found: &mut Vec<Finding>) {
    let mut subnets = Vec::new();
    for (index, text) in interface.addresses.iter().enumerate() {
        match Subnet::parse(text) {
            Some(subnet) => subnets.push(subnet),
            None => found.push(
                Finding::error(
                    codes::NETWORK_ADDRESS,
                    at(&format!("/addresses/{index}")),
                    "this is no address with a prefix length",
                )
                .hint("write it as `10.0.0.5/24` or `2001:db8::5/64`"),
            ),
        }
    }
    if let Some(gateway) = &interface.gateway {
        match gateway.parse::<IpAddr>() {
            Err(_) => {
                found.push(Finding::error(codes::NETWORK_ADDRESS, at("/gateway"), "this is no IP address"));
            }
            Ok(address) => {
                // A link-local gateway is on every IPv6 link.
                let link_local = matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local());
                if !link_local && !subnets.is_empty() && !subnets.iter().any(|subnet| subnet.holds(address)) {
                    found.push(Finding::warning(
                        codes::NETWORK_GATEWAY,
                        at("/gateway"),
                        "the gateway is in no subnet of this interface",
                    ));
                }
            }
        }
    }
    for (index, text) in interface.dns.iter().enumerate() {
        if text.parse::<IpAddr>().is_err() {
            let at = at(&format!("/dns/{index}"));
            found.push(Finding::error(codes::NETWORK_ADDRESS, at, "this is no IP address"));
        }
    }
}

fn stacking(
    interface: &Interface,
    network: &[Interface],
    at: &impl Fn(&str) -> At,
    found: &mut Vec<Finding>,
) {
    let there =
        |name: &str| network.iter().any(|other| other.name == name && !std::ptr::eq(other, interface));
    match (interface.vlan, &interface.parent) {
        (Some(_), None) => {
            let message = "a VLAN needs `parent`, the interface that it stands on";
            found.push(Finding::error(codes::NETWORK_VLAN, at("/vlan"), message));
        }
        (None, Some(_)) => {
            let message = "`parent` is for VLANs, and there is no `vlan`";
            found.push(Finding::error(codes::NETWORK_VLAN, at("/parent"), message));
        }
        (Some(_), Some(parent)) if !there(parent) => {
            let message = format!("there is no other interface `{}`", shown(parent));
            found.push(Finding::error(codes::NETWORK_VLAN, at("/parent"), message));
        }
        _ => {}
    }
    if !interface.bond.is_empty() && interface.vlan.is_some() {
        let message = "one interface cannot be a bond and a VLAN: put the VLAN on the bond";
        found.push(Finding::error(codes::NETWORK_BOND, at("/bond"), message));
    }
    for (index, member) in interface.bond.iter().enumerate() {
        let at = || at(&format!("/bond/{index}"));
        let elsewhere =
            network.iter().any(|other| !std::ptr::eq(other, interface) && other.bond.contains(member));
        if !there(member) {
            let message = format!("there is no other interface `{}`", shown(member));
            found.push(Finding::error(codes::NETWORK_BOND, at(), message));
        } else if elsewhere || interface.bond[..index].contains(member) {
            let message = format!("`{}` is in a bond already", shown(member));
            found.push(Finding::error(codes::NETWORK_BOND, at(), message));
        } else if network.iter().any(|other| other.name == *member && !other.addresses.is_empty()) {
            let message =
                format!("`{}` is a member of this bond, and has addresses of its own", shown(member));
            found.push(Finding::warning(codes::NETWORK_BOND, at(), message).hint("give them to the bond"));
        }
    }
}

/// The same address on two servers: likely a copied file.
pub(super) fn duplicates(context: &Context<'_>) -> Vec<Finding> {
    let at = |server: &Located<Server>, index: usize, number: usize| {
        At::of(server, format!("/spec/network/{index}/addresses/{number}"))
    };
    let mut first: HashMap<&str, (&Located<Server>, usize, usize)> = HashMap::new();
    let mut findings = Vec::new();
    for (name, server) in &context.inventory.servers {
        for (index, number, address) in addresses_of(server) {
            if let Some((other, other_index, other_number)) = first.get(address) {
                let who = format!("server `{}`", other.value.metadata.name);
                findings.push(
                    Finding::warning(
                        codes::NETWORK_DUPLICATE,
                        at(server, index, number),
                        "another interface has the same address",
                    )
                    .related(who, at(other, *other_index, *other_number))
                    .about("Server", name),
                );
            } else {
                first.insert(address, (server, index, number));
            }
        }
    }
    findings
}

/// A server's IP addresses without their prefix lengths, by interface and number.
pub(super) fn addresses_of(server: &Located<Server>) -> impl Iterator<Item = (usize, usize, &str)> {
    let interfaces = server.value.spec.network.iter().enumerate();
    interfaces.flat_map(|(index, interface)| {
        let addresses = interface.addresses.iter().enumerate();
        addresses.map(move |(number, text)| (index, number, text.split('/').next().unwrap_or_default()))
    })
}

#[cfg(test)]
mod tests {
    use super::Subnet;

    #[test]
    fn a_subnet_holds_what_shares_its_prefix() {
        for (subnet, address, held) in [
            ("10.0.0.5/24", "10.0.0.1", true),
            ("10.0.0.5/24", "10.0.1.1", false),
            ("10.0.0.5/0", "1.1.1.1", true),
            ("10.0.0.5/32", "10.0.0.5", true),
            ("10.0.0.5/32", "10.0.0.4", false),
            ("2001:db8::5/64", "2001:db8::1", true),
            ("2001:db8::5/64", "2001:db9::1", false),
            ("10.0.0.5/8", "2001:db8::1", false),
        ] {
            assert_eq!(
                Subnet::parse(subnet).unwrap().holds(address.parse().unwrap()),
                held,
                "{subnet} {address}"
            );
        }
        for bad in ["10.0.0.5", "10.0.0.5/33", "2001:db8::/129", "10.0.0.256/8", "x/1"] {
            assert!(Subnet::parse(bad).is_none(), "{bad}");
        }
    }
}
