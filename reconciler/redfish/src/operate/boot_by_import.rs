// SPDX-License-Identifier: AGPL-3.0-or-later
//! The boot override of older iDRACs, by importing a piece of configuration.
//!
//! Their `Cd` is the physical drive, so that the virtual one is named in an import of the server
//! configuration (sushy-oem-idrac `manager.py`; `SetNextOneTimeBootVirtualMediaDeviceOemREDFISH`).
//!
//! # Guarantees
//! What was imported is read back where the manager links its attributes, sent again where it has no
//! effect, and believed by the end of its task elsewhere; there it is also taken back unseen. Where the import is refused, the standard
//! override is left to try.

use serde_json::json;

use super::RedfishBmc;
use super::patience::Patience;
use crate::contract::bmc::Effect;
use crate::contract::error::{Error, ErrorKind};
use crate::contract::observe::Op;
use crate::contract::state::BootOverride;
use crate::discovery::managers::Import;
use crate::model::oem::attribute_is;
use crate::rules::Rule;
use crate::wire::client::Failure;
use crate::wire::exchange::Answer;
use crate::wire::retry::Replay;
use crate::wire::task::{self, TaskEnd};

const VIRTUAL_CD: &str = "VCD-DVD";

/// The import of this BMC, where its override needs one.
pub(super) fn needed(bmc: &RedfishBmc) -> Option<&Import> {
    bmc.layout().import.as_ref().filter(|_| bmc.has(Rule::OldIdracBootsItsPhysicalDrive))
}

/// The override as imports left it; none where there is none, or where nobody knows.
pub(super) async fn shown(bmc: &RedfishBmc, op: Op) -> Result<Option<BootOverride>, Error> {
    let Some(import) = needed(bmc) else {
        return Ok(None);
    };
    Ok((is_set(bmc, op, import).await? == Some(true)).then(|| BootOverride {
        enabled: Some("Once".to_owned()),
        target: Some(VIRTUAL_CD.to_owned()),
        ..BootOverride::default()
    }))
}

/// Boots the virtual CD once, or no longer. None where the BMC refuses to be asked this way.
pub(super) async fn reach(
    bmc: &RedfishBmc,
    op: Op,
    import: &Import,
    once: bool,
) -> Result<Option<Effect>, Error> {
    // Without attributes nobody knows what is set, so that it is taken back by an import as well: one that
    // was not used up would start the virtual CD whenever something is in it.
    if is_set(bmc, op, import).await? == Some(once) {
        return Ok(Some(Effect::AlreadySo));
    }
    let mut patience = Patience::new(bmc.budgets.boot, bmc.budgets.poll);
    let most = bmc.most_writes();
    let mut accepted = 0;
    loop {
        let Some(answer) = send(bmc, op, import, once, &mut patience).await? else {
            return Ok(None);
        };
        accepted += 1;
        let end = task::wait(&bmc.wire, op, &answer, patience.deadline(), bmc.budgets.poll).await?;
        // Beside a job that may be under way a second one would be refused.
        let may_send_again = accepted < most && end != TaskEnd::Unknown;
        let mut share = patience.share(if may_send_again { most } else { 1 });
        match await_shown(bmc, op, import, once, end, &mut share).await {
            Err(error) if may_send_again && matches!(error.kind(), ErrorKind::NoEffect { .. }) => {}
            shown => return shown.map(|()| Some(Effect::Changed)),
        }
    }
}

/// None where the BMC refuses to be asked this way.
async fn send(
    bmc: &RedfishBmc,
    op: Op,
    import: &Import,
    once: bool,
    patience: &mut Patience,
) -> Result<Option<Answer>, Error> {
    loop {
        match bmc.post(op, &import.target, Some(body(once)), Replay::Unsent).await {
            Ok(answer) => return Ok(Some(answer)),
            Err(Failure::Refused(refusal)) => {
                let (pause, not_now) = (refusal.pause(bmc.budgets.rewrite), refusal.is_not_now());
                let error = bmc.wire.failed(op, &import.target, Failure::Refused(refusal));
                match error.kind() {
                    ErrorKind::Refused { .. } | ErrorKind::NotFound => return Ok(None),
                    // A job may end meanwhile. The standard override would start the physical drive.
                    ErrorKind::ConfigurationPending { .. } if patience.wait_for(pause).await => {}
                    _ if not_now && patience.wait_for(pause).await => {}
                    _ => return Err(error),
                }
            }
            Err(failure) => return Err(bmc.wire.failed(op, &import.target, failure)),
        }
    }
}

async fn await_shown(
    bmc: &RedfishBmc,
    op: Op,
    import: &Import,
    once: bool,
    end: TaskEnd,
    patience: &mut Patience,
) -> Result<(), Error> {
    loop {
        let shown = is_set(bmc, op, import).await?;
        let believed = shown.is_none() && matches!(end, TaskEnd::Completed | TaskEnd::NotATask);
        if shown == Some(once) || believed || !bmc.reads_back() {
            return Ok(());
        }
        if !patience.wait().await {
            let kind = ErrorKind::NoEffect {
                wanted: format!("BootOnce of the virtual CD: {once}"),
                seen: shown.map_or_else(|| "a task that is gone".to_owned(), |set| set.to_string()),
            };
            return Err(bmc.wire.error(op, Some(&import.target), kind));
        }
    }
}

/// None where the manager links no attributes.
async fn is_set(bmc: &RedfishBmc, op: Op, import: &Import) -> Result<Option<bool>, Error> {
    let Some(uri) = &import.attributes else {
        return Ok(None);
    };
    let shown = bmc.read(op, uri).await?.value;
    let once = attribute_is(&shown, "ServerBoot.1.BootOnce", "Enabled");
    Ok(Some(once && attribute_is(&shown, "ServerBoot.1.FirstBootDevice", VIRTUAL_CD)))
}

/// The job fails when there is white space between the elements (sushy-oem-idrac).
fn body(once: bool) -> serde_json::Value {
    let (once, device) = if once { ("Enabled", VIRTUAL_CD) } else { ("Disabled", "Normal") };
    let attribute =
        |name: &str, value: &str| format!("<Attribute Name=\"ServerBoot.1#{name}\">{value}</Attribute>");
    let buffer = format!(
        "<SystemConfiguration><Component FQDD=\"iDRAC.Embedded.1\">{}{}</Component></SystemConfiguration>",
        attribute("BootOnce", once),
        attribute("FirstBootDevice", device),
    );
    json!({"ShareParameters": {"Target": "ALL"}, "ImportBuffer": buffer})
}
