// SPDX-License-Identifier: AGPL-3.0-or-later
//! `shoal bmc inspect`: what Shoal makes of a BMC.

use std::sync::Arc;

use shoal_redfish::{
    Bmc as _, BmcEndpoint, CallObserver, Credentials, Discovered, Error, Fingerprint, InsertVia, RedfishBmc,
    TlsTrust, Unobserved,
};

use super::endpoint::{Account, EndpointArgs, bmc_url, failed, wiring};
use super::session::{Stoppable, Stopped};
use crate::error::Outcome;
use crate::host::Context;
use crate::output::Table;

/// Print what Shoal makes of a BMC; changes nothing on it
///
/// Vendor, identity, boot override, virtual media, and how a medium would be brought to the
/// machine. The same code as the controller's.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  shoal bmc inspect --url https://10.0.0.12 --user root --password-env BMC_PASSWORD
  shoal bmc inspect --url https://10.0.0.12 --user root --password-file - --pin 5f:1c:... --json

Exit codes: 0 understood, 69 the BMC does not answer as it should, 1 error.")]
pub(super) struct Inspect {
    /// Scheme and host of the BMC
    #[arg(long, value_name = "URL")]
    url: String,
    #[command(flatten)]
    endpoint: EndpointArgs,
    /// Print it as JSON
    #[arg(long)]
    json: bool,
}

impl Inspect {
    pub(super) fn perform(&self, context: &Context) -> Outcome {
        let url = bmc_url(&self.url)?;
        let trust = self.endpoint.trust()?.unwrap_or(TlsTrust::SystemRoots);
        let credentials = self.endpoint.account(context)?.as_ref().map(Account::credentials);
        let credentials = credentials.unwrap_or_else(|| Credentials::new(String::new(), String::new()));
        let endpoint = BmcEndpoint {
            timeouts: self.endpoint.timeouts(),
            system: self.endpoint.system.clone(),
            ..BmcEndpoint::new(url.clone(), trust, credentials)
        };
        let progress = context.progress(format!("asking {url}"));
        let mut stoppable = Stoppable::new(context, Arc::new(Unobserved))?;
        let observer = stoppable.observer();
        let found = match stoppable.wait(inspect(&endpoint, observer)) {
            Ok(found) => found,
            Err(Stopped(code)) => {
                drop(progress);
                stoppable.end();
                return Ok(code);
            }
        };
        drop(progress);
        let (discovered, certificate) = found.map_err(failed)?;
        if self.json {
            context.json(&discovered)?;
        } else {
            context.data(&text(&discovered, certificate))?;
            for warning in &discovered.warnings {
                context.warn(&warning.text);
            }
        }
        Ok(0)
    }
}

async fn inspect(
    endpoint: &BmcEndpoint,
    observer: Arc<dyn CallObserver>,
) -> Result<(Discovered, Option<Fingerprint>), Error> {
    let bmc = RedfishBmc::connect(endpoint, wiring(observer)).await?;
    let found = (bmc.discovered().clone(), bmc.certificate());
    // The session ends by itself where the BMC does not let us; what was found is found.
    let _ = bmc.close().await;
    Ok(found)
}

fn text(found: &Discovered, certificate: Option<Fingerprint>) -> String {
    let or_none = |value: &Option<String>| value.clone().unwrap_or_else(|| "unknown".to_owned());
    let list = |values: &[String]| {
        if values.is_empty() { "not listed".to_owned() } else { values.join(", ") }
    };
    let mut facts = Table::new(&[]);
    facts.row(["vendor", &found.vendor]);
    facts.row(["model", &or_none(&found.model)]);
    facts.row(["firmware", &or_none(&found.firmware)]);
    facts.row(["serial", &or_none(&found.serial)]);
    facts.row(["sku", &or_none(&found.sku)]);
    facts.row(["uuid", &or_none(&found.uuid)]);
    facts.row(["system", &found.system]);
    facts.row(["managers", &list(&found.managers)]);
    facts.row(["power", &found.power]);
    facts.row(["boot targets", &list(&found.boot.targets)]);
    facts.row(["boot modes", &list(&found.boot.modes)]);
    facts.row(["boots our medium by", found.boot.chosen.as_deref().unwrap_or("no target that we know")]);
    facts.row(["route for media", &found.rung.to_string()]);
    if let Some(certificate) = certificate {
        facts.row(["certificate", &certificate.to_string()]);
    }
    let mut out = facts.render();
    if !found.media.is_empty() {
        let mut media = Table::new(&["slot", "kind", "insert", "inserted", "use"]);
        for slot in &found.media {
            let insert = match slot.insert {
                InsertVia::Action => "action",
                InsertVia::Patch => "patch",
                InsertVia::Oem => "oem",
                InsertVia::None => "none",
            };
            let used = match (&found.boot_slot, &found.task_slot) {
                (Some(boot), _) if *boot == slot.uri => "boot medium",
                (_, Some(task)) if *task == slot.uri => "task medium",
                _ => "",
            };
            let inserted = match (&slot.image, slot.inserted) {
                (Some(image), true) => image.to_string(),
                (None, true) => "yes".to_owned(),
                (_, false) => "no".to_owned(),
            };
            media.row([&*slot.uri, &slot.kind, insert, &inserted, used]);
        }
        out.push('\n');
        out.push_str(&media.render());
    }
    out
}
