// SPDX-License-Identifier: AGPL-3.0-or-later
//! BMCs: one server each, reached with TLS and an account.
//!
//! Two servers with one BMC address would wipe the wrong box: the one error here that nothing
//! behind it could catch before a machine is reset.

use std::collections::HashMap;
use std::sync::Arc;

use shoal_core::inventory::Located;
use shoal_schema::kinds::{BmcTls, Server};

use super::{At, Context, Finding, references};
use crate::codes;

/// One server's BMC by itself.
pub(super) fn of_server(
    context: &Context<'_>,
    name: &str,
    server: &Located<Server>,
    findings: &mut Vec<Finding>,
) {
    if normal_address(&server.value.spec.bmc.address).is_none() {
        findings.push(
            Finding::error(
                codes::BMC_ADDRESS,
                At::of(server, "/spec/bmc/address"),
                "this is no address of a host",
            )
            .hint("write `https://` and a name or address; IPv6 in brackets")
            .about("Server", name),
        );
    }
    access(context, name, server, findings);
}

/// Servers behind one BMC that nothing tells apart.
pub(super) fn duplicates(context: &Context<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let servers = &context.inventory.servers;
    let mut by_address: HashMap<String, Vec<&Arc<Located<Server>>>> = HashMap::with_capacity(servers.len());
    for server in servers.values() {
        if let Some(address) = normal_address(&server.value.spec.bmc.address) {
            by_address.entry(address).or_default().push(server);
        }
    }
    let mut shared: Vec<_> = by_address.into_values().filter(|owners| !are_apart(owners)).collect();
    shared.sort_by_key(|owners| owners[0].value.metadata.name.clone());
    for owners in shared {
        for (index, server) in owners.iter().enumerate() {
            let at = At::of(server, "/spec/bmc/address");
            let finding = Finding::error(codes::BMC_DUPLICATE, at, "another server has the same BMC")
                .hint("where several systems stand behind one BMC, each server names its own in `bmc.system`")
                .others(&owners, index, |server| {
                    let who = format!("server `{}`", server.value.metadata.name);
                    (who, At::of(server, "/spec/bmc/address"))
                })
                .about("Server", &server.value.metadata.name);
            findings.push(finding);
        }
    }
    findings
}

/// Whether servers behind one address name a system each, and different ones.
fn are_apart(owners: &[&Arc<Located<Server>>]) -> bool {
    if owners.len() < 2 {
        return true;
    }
    let mut systems: Vec<&str> =
        owners.iter().filter_map(|server| server.value.spec.bmc.system.as_deref()).collect();
    systems.sort_unstable();
    systems.dedup();
    systems.len() == owners.len()
}

fn access(context: &Context<'_>, name: &str, server: &Located<Server>, findings: &mut Vec<Finding>) {
    let bmc = &server.value.spec.bmc;
    let default =
        context.inventory.fleet.as_ref().and_then(|fleet| fleet.value.spec.defaults.bmc.credentials.as_ref());
    match &bmc.credentials {
        Some(credentials) => {
            let at = || At::of(server, "/spec/bmc/credentials/secret");
            let finding = references::secret(context, &credentials.secret, at);
            findings.extend(finding.map(|finding| finding.about("Server", name)));
        }
        None if default.is_none() && !context.fleet_is_unknown() => findings.push(
            Finding::warning(
                codes::BMC_NO_CREDENTIALS,
                At::of(server, "/spec/bmc").key(),
                "nothing says how to log in to this BMC",
            )
            .hint("name a Secret in `bmc.credentials`, or in the fleet's defaults")
            .about("Server", name),
        ),
        None => {}
    }
    if bmc.address.starts_with("http:") {
        findings.push(
            Finding::warning(
                codes::BMC_PLAIN,
                At::of(server, "/spec/bmc/address"),
                "without TLS the BMC's password can be read by whoever is in between",
            )
            .hint("write `https://`")
            .about("Server", name),
        );
    }
    if let Some(tls) = &bmc.tls {
        findings.extend(
            insecure(tls, || At::of(server, "/spec/bmc/tls/insecure")).map(|f| f.about("Server", name)),
        );
    }
}

/// What the fleet says of all BMCs.
pub(super) fn of_fleet(context: &Context<'_>) -> Option<Finding> {
    let fleet = context.inventory.fleet.as_ref()?;
    let tls = fleet.value.spec.defaults.bmc.tls.as_ref()?;
    insecure(tls, || At::of(fleet, "/spec/defaults/bmc/tls/insecure"))
        .map(|finding| finding.about("Fleet", &fleet.value.metadata.name))
}

fn insecure(tls: &BmcTls, at: impl FnOnce() -> At) -> Option<Finding> {
    tls.insecure.then(|| {
        Finding::warning(codes::BMC_INSECURE, at(), "any certificate is accepted")
            .hint("pin the certificate with `sha256`, give its `ca`, or use `trustOnFirstUse`")
    })
}

/// Host and port, so that two spellings of one BMC are one. The scheme does not count: a BMC
/// answers on both.
pub(super) fn normal_address(address: &str) -> Option<String> {
    let url = url::Url::parse(address).ok()?;
    let host = url.host_str()?.trim_end_matches('.').to_ascii_lowercase();
    if host.is_empty() {
        return None;
    }
    let port = url.port().filter(|port| !matches!(port, 80 | 443));
    Some(port.map_or_else(|| host.clone(), |port| format!("{host}:{port}")))
}

#[cfg(test)]
mod tests {
    use super::normal_address;

    #[test]
    fn spellings_of_one_address_are_one() {
        for same in [
            "https://10.0.0.12",
            "https://10.0.0.12/",
            "https://10.0.0.12:443",
            "http://10.0.0.12",
            "http://10.0.0.12:80",
            "https://10.0.12",
            "https://0x0a.0.0.12",
        ] {
            assert_eq!(normal_address(same).as_deref(), Some("10.0.0.12"), "{same}");
        }
        assert_eq!(normal_address("https://BMC.example.ORG."), normal_address("https://bmc.example.org"));
        assert_eq!(normal_address("https://[2001:DB8:0::1]"), normal_address("https://[2001:db8::1]:443"));
        assert_ne!(normal_address("https://10.0.0.12:8443"), normal_address("https://10.0.0.12"));
        for bad in ["https://", "https://[zz", "https://10.0.0.999", "https://a b"] {
            assert_eq!(normal_address(bad), None, "{bad}");
        }
    }
}
