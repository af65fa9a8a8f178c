// SPDX-License-Identifier: AGPL-3.0-or-later
//! The managers of a system, and what they say about virtual media as a whole.

use serde_json::Value;

use super::licence;
use super::walk::Walk;
use crate::contract::error::Error;
use crate::model::system::System;
use crate::model::{action, json, oem};
use crate::rules::Rule;

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
    /// The list by which it mounts images.
    pub(crate) mount_list: Option<String>,
    pub(crate) has_no_cd_instance: bool,
    /// The action that sets the number of CDs.
    pub(crate) configure_cds: Option<String>,
}

/// Remote media that are switched off as a whole.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct RemoteMedia {
    pub(crate) manager: String,
    /// The action that switches them on.
    pub(crate) target: String,
}

/// Import of server configuration.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Import {
    pub(crate) target: String,
    /// Where the outcome shows.
    pub(crate) attributes: Option<String>,
}

/// The managers of the system: those it names, else those that name it, else the only one.
pub(super) async fn read(walk: &mut Walk<'_>, root: &Value, system: &System) -> Result<Vec<Manager>, Error> {
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
                mount_list: oem::mount_list(&value),
                has_no_cd_instance: oem::has_no_cd_instance(&value),
                configure_cds: action::find_oem(&value, ".ConfigureCDInstance").map(|action| action.target),
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

/// Whether virtual media are kept from the host, although images can be inserted (iDRAC).
pub(super) async fn media_are_detached(walk: &mut Walk<'_>, managers: &[Manager]) -> Result<bool, Error> {
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
pub(super) async fn media_enabled(walk: &mut Walk<'_>, managers: &[Manager]) -> Result<Option<bool>, Error> {
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
