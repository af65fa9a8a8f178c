// SPDX-License-Identifier: AGPL-3.0-or-later
//! Finding out what a BMC is and what it can do.
//!
//! # Guarantees
//! No path is built: everything is reached from the service root by links (`Rule::LinksAreFollowed`).
//! The number of resources is bounded, none is read twice, so that loops of links end. The result
//! is decided once and does not depend on the order in which a BMC lists things.

pub(crate) mod boot;
pub(crate) mod choose;
pub(crate) mod identity;
mod kept;
pub(crate) mod ladder;
pub(crate) mod layout;
pub(crate) mod licence;
pub(crate) mod managers;
pub(crate) mod report;
pub(crate) mod shelf;
pub(crate) mod slots;
pub(crate) mod walk;

use std::sync::Arc;

use serde_json::Value;

use crate::contract::discovered::Rung;
use crate::contract::endpoint::BmcEndpoint;
use crate::contract::error::{Error, ErrorKind};
use crate::contract::observe::Op;
use crate::model::json;
use crate::model::system::System;
use crate::rules::vendor::Vendor;
use crate::rules::{self, Rule, Seen, service_tag_is_the_sku};
use crate::wire::client::Wire;
pub use kept::Discovery;
use layout::Layout;
use walk::Walk;

/// The one path that the specification fixes.
pub(crate) const ROOT: &str = "/redfish/v1/";

/// Discovers, within the endpoint's budget.
/// `off` switches rules off, for tests.
pub(crate) async fn discover(
    wire: &Wire,
    endpoint: &BmcEndpoint,
    off: &[Rule],
) -> Result<Arc<Discovery>, Error> {
    let budget = endpoint.budgets.discover;
    tokio::time::timeout(budget, discover_all(wire, endpoint, off))
        .await
        .unwrap_or_else(|_| Err(wire.error(Op::Discover, None, ErrorKind::Timeout { after: budget })))
        .map(Arc::new)
}

async fn discover_all(wire: &Wire, endpoint: &BmcEndpoint, off: &[Rule]) -> Result<Discovery, Error> {
    let mut walk = Walk::new(wire);
    let not_redfish =
        |why: &str| wire.error(Op::Discover, None, ErrorKind::NotRedfish { why: why.to_owned() });
    let root = walk.must(ROOT).await?;
    let general = wire.rules();
    let systems = if general.has(Rule::LinksAreFollowed) {
        json::link(&root, "Systems").ok_or_else(|| not_redfish("it names no systems"))?
    } else {
        format!("{ROOT}Systems")
    };
    let systems: Vec<System> =
        walk.collection(&systems).await?.iter().map(|found| System::read(&found.uri, &found.value)).collect();
    if systems.is_empty() {
        return Err(not_redfish("it lists no readable system"));
    }
    let vendor_of = |system: &System| {
        let mut words: Vec<String> = system.manufacturer.clone().into_iter().collect();
        words.extend(root_words(&root));
        words.extend(system.oem.clone());
        Vendor::of(words.iter().map(String::as_str))
    };
    let sku_counts = |system: &System| service_tag_is_the_sku(general, &vendor_of(system));
    let system = choose::system(&systems, endpoint, general, sku_counts)
        .map_err(|kind| wire.error(Op::Discover, None, kind))?
        .clone();
    let mut vendor = vendor_of(&system);

    let managers = managers::read(&mut walk, &root, &system).await?;
    let is_openbmc = managers.iter().any(|manager| {
        let model = manager.model.iter();
        model.chain(&manager.oem).any(|word| word.to_ascii_lowercase().contains("openbmc"))
    });
    if let Vendor::Other(_) = vendor
        && let known @ (Vendor::OpenBmc | Vendor::Ami) = Vendor::of(
            managers.iter().flat_map(|manager| manager.oem.iter().chain(&manager.model)).map(String::as_str),
        )
    {
        vendor = known;
    }

    wire.set_vendor(vendor.label());
    let reset = layout::reset(&mut walk, &system).await?;
    let boot = boot::place(&mut walk, &system, general).await?;
    walk.take_unlicensed();
    let views = slots::read(&mut walk, &system, &managers).await?;
    let unlicensed = walk.take_unlicensed().filter(|_| general.has(Rule::UnlicensedSlotsAreNotMissing));
    let media_enabled = managers::media_enabled(&mut walk, &managers).await?;
    let media_are_detached = managers::media_are_detached(&mut walk, &managers).await?;

    let ilo = managers.iter().find_map(|manager| manager.licence.as_deref());
    let missing_licence = licence::missing(&mut walk, &root, ilo, &views).await?;

    let preferred = slots::preferred_view(&views, general);
    let rules = rules::decide(&Seen {
        model: system.model.clone().unwrap_or_default(),
        is_openbmc,
        has_system_view: preferred == slots::View::System,
        slot_ids: views.iter().filter(|raw| raw.view == preferred).map(|raw| raw.media.id.clone()).collect(),
        vendor: vendor.clone(),
    })
    .without(off);
    let takes_shares_only = views.iter().any(|raw| raw.takes_file_shares_only(rules))
        || (views.is_empty() && system.mounts_file_shares && rules.has(Rule::OldIrmcTakesFileSharesOnly));
    let slots = slots::settle(views, rules);
    let ways = boot.ways(rules);
    let mut picked = ladder::pick(&slots, preferred, !ways.is_empty(), &boot.targets, rules);
    let unlicensed = unlicensed.filter(|_| picked.boot.is_none());
    if unlicensed.is_some() {
        picked.rung = Rung::None;
    }

    let mut warnings = walk.into_warnings();
    let discovered = report::write(
        &report::Findings {
            endpoint,
            vendor: &vendor,
            system: &system,
            managers: &managers,
            reset: reset.as_ref(),
            boot: &boot,
            ways: &ways,
            slots: &slots,
            picked: &picked,
            rules,
            media_enabled,
            missing_licence,
            unlicensed,
            media_are_detached,
            takes_shares_only,
        },
        &mut warnings,
    );
    let layout = Layout {
        system: system.uri,
        reset,
        boot,
        slots,
        sessions: wire.sessions(),
        remote_media: managers.iter().find_map(|manager| manager.remote_media.clone()),
        import: managers.iter().find_map(|manager| manager.import.clone()),
        boot_config: system.boot_config,
    };
    Ok(Discovery::new(discovered, rules, layout))
}

/// What the service root calls its maker.
fn root_words(root: &Value) -> Vec<String> {
    let mut words: Vec<String> =
        [json::text(root, "Vendor"), json::text(root, "Product")].into_iter().flatten().collect();
    words.extend(json::keys(root, "Oem"));
    words
}
