// SPDX-License-Identifier: AGPL-3.0-or-later
//! Finding out what a BMC is and what it can do.
//!
//! # Guarantees
//! No path is built: everything is reached from the service root by links (rule G1). The
//! number of resources is bounded, none is read twice, so that loops of links end. The result
//! is decided once and does not depend on the order in which a BMC lists things.

pub(crate) mod boot;
pub(crate) mod choose;
pub(crate) mod identity;
pub(crate) mod ladder;
pub(crate) mod licence;
pub(crate) mod report;
pub(crate) mod slots;
pub(crate) mod walk;

use std::sync::Arc;

use serde_json::Value;

use crate::contract::discovered::Discovered;
use crate::contract::endpoint::BmcEndpoint;
use crate::contract::error::{Error, ErrorKind};
use crate::contract::observe::Op;
use crate::model::action::{self, Parameters};
use crate::model::json;
use crate::model::oem;
use crate::model::system::System;
use crate::operate::memory::Memory;
use crate::rules::vendor::Vendor;
use crate::rules::{self, Rule, Rules, Seen, service_tag_is_the_sku};
use crate::wire::client::Wire;
use crate::wire::login::SessionsAt;
use slots::Slot;
use walk::Walk;

/// The one path that the specification fixes.
pub(crate) const ROOT: &str = "/redfish/v1/";

/// What was found, and how to act on it. Kept by a caller that reconnects often, so that a
/// sweep need not discover again.
#[derive(Clone, Debug)]
pub struct Discovery {
    /// For people and plans.
    pub discovered: Discovered,
    /// The rules that hold for this BMC.
    pub rules: Rules,
    pub(crate) layout: Layout,
    /// What earlier reads saw; shared by all that take this discovery up.
    pub(crate) memory: Arc<Memory>,
}

/// Where things are.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    pub(crate) system: String,
    pub(crate) reset: Option<Reset>,
    pub(crate) boot: boot::BootPlace,
    pub(crate) slots: Vec<Slot>,
    pub(crate) sessions: Option<SessionsAt>,
    /// Where remote media are switched on, if they were off.
    pub(crate) remote_media: Option<RemoteMedia>,
    /// Where configuration is imported.
    pub(crate) import: Option<Import>,
    /// A resource of its own for the boot override.
    pub(crate) boot_config: Option<String>,
}

/// Remote media that are switched off as a whole.
#[derive(Clone, Debug)]
pub(crate) struct RemoteMedia {
    pub(crate) manager: String,
    /// The action that switches them on.
    pub(crate) target: String,
}

/// Import of server configuration.
#[derive(Clone, Debug)]
pub(crate) struct Import {
    pub(crate) target: String,
    /// Where the outcome shows.
    pub(crate) attributes: Option<String>,
}

/// How the system is reset.
#[derive(Clone, Debug)]
pub(crate) struct Reset {
    pub(crate) target: String,
    /// Empty when not listed, which does not mean that there are none (rule G15).
    pub(crate) types: Vec<String>,
    /// A missing list is no refusal.
    pub(crate) unlisted_may_be_tried: bool,
}

impl Reset {
    pub(crate) fn may(&self, reset_type: &str) -> bool {
        (self.types.is_empty() && self.unlisted_may_be_tried)
            || self.types.iter().any(|listed| listed == reset_type)
    }
}

impl Layout {
    /// Whether a steady look reads it.
    pub(crate) fn is_looked_at(&self, path: &str) -> bool {
        json::same_path(path, &self.system)
            || self.boot.resource.as_deref().is_some_and(|boot| json::same_path(path, boot))
            || self.slot(path).is_some_and(|slot| slot.listing.is_none())
    }

    pub(crate) fn slot(&self, uri: &str) -> Option<&Slot> {
        self.slots.iter().find(|slot| json::same_path(&slot.media.uri, uri))
    }
}

/// What the managers of a system say.
pub(crate) struct Manager {
    pub(crate) uri: String,
    pub(crate) model: Option<String>,
    pub(crate) firmware: Option<String>,
    pub(crate) media: Option<String>,
    pub(crate) network: Option<String>,
    pub(crate) oem: Vec<String>,
    pub(crate) remote_media: Option<RemoteMedia>,
    pub(crate) remote_media_are_off: bool,
    pub(crate) import: Option<Import>,
    pub(crate) licence: Option<String>,
    pub(crate) attributes: Option<String>,
}

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
    let systems = json::link(&root, "Systems").ok_or_else(|| not_redfish("it names no systems"))?;
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
    let general = wire.rules();
    let sku_counts = |system: &System| service_tag_is_the_sku(general, &vendor_of(system));
    let system = choose::system(&systems, endpoint, general, sku_counts)
        .map_err(|kind| wire.error(Op::Discover, None, kind))?
        .clone();
    let mut vendor = vendor_of(&system);

    let managers = managers(&mut walk, &root, &system).await?;
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
    let reset = reset(&mut walk, &system).await?;
    let boot = boot::place(&mut walk, &system, general).await?;
    let views = slots::read(&mut walk, &system, &managers).await?;
    let media_enabled = media_enabled(&mut walk, &managers).await?;
    let media_are_detached = media_are_detached(&mut walk, &managers).await?;

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
    let slots = slots::settle(views, rules);
    let chosen = boot::choose_target(&boot.targets, rules);
    let picked = ladder::pick(&slots, preferred, chosen.is_some(), &boot.targets, rules);

    let mut warnings = walk.into_warnings();
    let discovered = report::write(
        &report::Findings {
            endpoint,
            vendor: &vendor,
            system: &system,
            managers: &managers,
            reset: reset.as_ref(),
            boot: &boot,
            chosen,
            slots: &slots,
            picked: &picked,
            rules,
            media_enabled,
            missing_licence,
            media_are_detached,
        },
        &mut warnings,
    );
    Ok(Discovery {
        discovered,
        rules,
        memory: Arc::default(),
        layout: Layout {
            system: system.uri,
            reset,
            boot,
            slots,
            sessions: wire.sessions(),
            remote_media: managers.iter().find_map(|manager| manager.remote_media.clone()),
            import: managers.iter().find_map(|manager| manager.import.clone()),
            boot_config: system.boot_config,
        },
    })
}

/// What the service root calls its maker.
fn root_words(root: &Value) -> Vec<String> {
    let mut words: Vec<String> =
        [json::text(root, "Vendor"), json::text(root, "Product")].into_iter().flatten().collect();
    words.extend(json::keys(root, "Oem"));
    words
}

/// The managers of the system: those it names, else those that name it, else the only one.
async fn managers(walk: &mut Walk<'_>, root: &Value, system: &System) -> Result<Vec<Manager>, Error> {
    let mut found = Vec::new();
    for uri in &system.managed_by {
        if let Some(value) = walk.read(uri).await? {
            found.push((uri.clone(), value));
        }
    }
    if found.is_empty()
        && let Some(all) = json::link(root, "Managers")
    {
        let all = walk.collection(&all).await?;
        let only = all.len() == 1;
        found = all
            .into_iter()
            .filter(|manager| {
                only || json::links(json::object(&manager.value, "Links"), "ManagerForServers")
                    .iter()
                    .any(|link| json::same_path(link, &system.uri))
            })
            .map(|manager| (manager.uri, manager.value))
            .collect();
    }
    Ok(found
        .into_iter()
        .map(|(uri, value)| {
            let attributes = oem::dell_attributes(&value, uri.rsplit('/').next().unwrap_or_default());
            Manager {
                model: json::text(&value, "Model"),
                firmware: json::text(&value, "FirmwareVersion"),
                media: json::link(&value, "VirtualMedia"),
                network: json::link(&value, "NetworkProtocol"),
                oem: json::keys(&value, "Oem"),
                licence: licence::of_ilo(&value),
                attributes: attributes.clone(),
                remote_media_are_off: oem::remote_media_are_off(&value),
                remote_media: action::find_oem(&value, ".EnableRMedia")
                    .filter(|_| oem::remote_media_are_off(&value))
                    .map(|action| RemoteMedia { manager: uri.clone(), target: action.target }),
                import: action::find_oem(&value, "OemManager.ImportSystemConfiguration")
                    .map(|action| Import { target: action.target, attributes }),
                uri,
            }
        })
        .collect())
}

async fn reset(walk: &mut Walk<'_>, system: &System) -> Result<Option<Reset>, Error> {
    let Some(action) = &system.reset else {
        return Ok(None);
    };
    let mut parameters = action.inline.clone();
    let rules = walk.rules();
    if parameters.allowed("ResetType").is_empty()
        && rules.has(Rule::ResetTypesMayStandInTheActionInfo)
        && let Some(info) = &action.info
        && let Some(info) = walk.read(info).await?
    {
        parameters = parameters.or(Parameters::read(&info));
    }
    Ok(Some(Reset {
        target: action.target.clone(),
        types: parameters.allowed("ResetType").to_vec(),
        unlisted_may_be_tried: rules.has(Rule::MissingResetTypesAreNoRefusal),
    }))
}

/// Whether virtual media are kept from the host, although images can be inserted (iDRAC).
async fn media_are_detached(walk: &mut Walk<'_>, managers: &[Manager]) -> Result<bool, Error> {
    if !walk.rules().has(Rule::IdracMayKeepMediaFromTheHost) {
        return Ok(false);
    }
    for attributes in managers.iter().filter_map(|manager| manager.attributes.as_deref()) {
        let shown = walk.read_quietly(attributes).await?.unwrap_or(Value::Null);
        if oem::attribute_is(&shown, "VirtualMedia.1.Attached", "Detached")
            || oem::attribute_is(&shown, "VirtualMedia.1.Enable", "Disabled")
        {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether virtual media are switched on; none where no manager says.
async fn media_enabled(walk: &mut Walk<'_>, managers: &[Manager]) -> Result<Option<bool>, Error> {
    let mut enabled = None;
    for manager in managers {
        if let Some(network) = &manager.network
            && let Some(network) = walk.read_quietly(network).await?
        {
            enabled = enabled.or(json::flag(json::object(&network, "VirtualMedia"), "ProtocolEnabled"));
        }
    }
    Ok(enabled)
}
