// SPDX-License-Identifier: AGPL-3.0-or-later
//! What a look at a BMC means for its server: what is published of it, and who hears of what.

use jiff::SignedDuration;
use shoal_core::desired::Desired;
use shoal_redfish::{BmcState, Discovered, ErrorKind, PowerState, Rung};
use shoal_schema::status::{BmcFacts, Obstacle, RecordState, Unreachable};

use super::ConnectError;
use super::sweep::Seen;
use crate::controller::Controller;
use crate::notify::Message;
use crate::rows::ServerRow;

/// A BMC counts as unreachable after so many failed looks
const MISSES: u32 = 3;
/// and no sooner than this after the first of them.
const MISSED_FOR: SignedDuration = SignedDuration::from_mins(10);
/// What a machine's boot progress says once its own system runs.
const STARTED: [&str; 2] = ["OSRunning", "OSBootStarted"];
/// A boot override to the machine's own disk leads where it goes anyway.
const OWN_DISK: &str = "Hdd";

/// Whether what was discovered earlier cannot be so any more: somebody changed the boot mode.
pub(super) fn is_outdated(seen: &Seen) -> bool {
    if !matches!(seen.found.rung, Rung::TwoCd | Rung::CdUsb | Rung::Single) {
        return false;
    }
    let was_wrong = seen.found.warnings.iter().any(|warning| warning.about.is_of_the_boot_mode());
    seen.state.boot.mode.as_deref().is_some_and(|mode| (mode != "UEFI") != was_wrong)
}

/// The BMC answered.
pub(super) fn saw(controller: &Controller, desired: &Desired, row: &mut ServerRow, seen: Seen) {
    let Seen { found, state, certificate } = seen;
    row.missed = 0;
    row.missed_since = None;
    row.refused_credentials = None;
    let before = row.status_mut().bmc.take().unwrap_or_default();
    let power = match state.power {
        PowerState::On => Some("On".to_owned()),
        PowerState::Off => Some("Off".to_owned()),
        // Not settled: what was last seen stands.
        _ => before.power.clone(),
    };
    if before.power.is_some() && before.power != power {
        row.power_changed_at = Some(controller.now());
    }
    if row.status.record.state == RecordState::Installed
        && let Some(installed) = &mut row.status_mut().record.installed
        && state.boot_progress.as_deref().is_some_and(|progress| STARTED.contains(&progress))
    {
        installed.boot_observed = true;
    }
    let (own_media, foreign_media) = media(&state, &controller.all_media_bases());
    // An override that somebody else set is their business; ours comes with media of ours, or names
    // one.
    let bases = controller.all_media_bases();
    let names_ours = state.boot.http_image.as_ref().is_some_and(|image| is_ours(image.expose(), &bases));
    let ours = own_media || names_ours;
    let foreign_override = foreign_override(&state).filter(|_| !ours);
    let (scheme, obstacles) = way(&found, &controller.bases_of(&desired.name));
    let facts = BmcFacts {
        reachable: true,
        unreachable: None,
        rung: Some(found.rung.to_string()),
        scheme,
        boots_by: found.boot.chosen.clone(),
        obstacles,
        warnings: found.advisories(),
        vendor: Some(found.vendor),
        model: found.model,
        firmware: found.firmware,
        serial: found.serial,
        uuid: found.uuid,
        power,
        own_media,
        foreign_media,
        boot_override: ours && state.boot.is_active(),
        foreign_override,
        certificate: desired
            .bmc
            .tls
            .as_ref()
            .filter(|tls| tls.trust_on_first_use)
            .and_then(|_| certificate.or_else(|| before.certificate.clone())),
    };
    tell_changes(&desired.name, &before, &facts);
    row.status_mut().bmc = Some(facts);
}

/// What somebody else changed since the last look, in the log; the status shows how it is.
fn tell_changes(server: &str, before: &BmcFacts, now: &BmcFacts) {
    if before.rung.is_none() {
        return;
    }
    if before.unreachable.is_some() {
        tracing::info!(server, "the BMC answers again");
    }
    if before.power.is_some() && before.power != now.power {
        tracing::info!(server, before = before.power, now = now.power, "power changed");
    }
    if before.foreign_media != now.foreign_media {
        tracing::info!(server, before = ?before.foreign_media, now = ?now.foreign_media, "media of somebody else's changed");
    }
    if before.foreign_override != now.foreign_override {
        let (before, now) = (before.foreign_override.as_deref(), now.foreign_override.as_deref());
        tracing::info!(server, before, now, "a boot override of somebody else's changed");
    }
}

/// Whether media of ours are in, and where other media come from.
fn media(state: &BmcState, bases: &[String]) -> (bool, Vec<String>) {
    let mut own = false;
    let mut foreign = Vec::new();
    for slot in state.slots.iter().filter(|slot| slot.inserted) {
        let url = slot.image.as_ref().map(|image| image.expose().to_owned()).unwrap_or_default();
        if is_ours(&url, bases) {
            own = true;
        } else if slot.connected_via.as_deref() == Some("Applet") {
            foreign.push("a console session".to_owned());
        } else {
            foreign.push(host_of(&url));
        }
    }
    (own, foreign)
}

/// `Once Pxe`, where the next start takes another way than the usual one.
fn foreign_override(state: &BmcState) -> Option<String> {
    let boot = Some(&state.boot).filter(|boot| boot.is_active())?;
    let target = boot.target.as_deref().filter(|target| *target != OWN_DISK)?;
    Some(format!("{} {target}", boot.enabled.as_deref().unwrap_or_default()))
}

/// The scheme of the address that the BMC would be given, and what would stop an install.
fn way(found: &Discovered, bases: &[String]) -> (Option<String>, Vec<Obstacle>) {
    let mut obstacles: Vec<Obstacle> = found
        .obstacles()
        .into_iter()
        .map(|obstacle| Obstacle {
            code: obstacle.code.to_owned(),
            message: obstacle.message,
            hint: obstacle.hint.to_owned(),
        })
        .collect();
    let schemes = || bases.iter().filter_map(|base| base.split_once("://")).map(|(scheme, _)| scheme);
    let scheme = schemes().find(|scheme| found.facts.schemes.takes(scheme)).map(str::to_owned);
    if scheme.is_none() && found.rung != Rung::None {
        let offered: Vec<&str> = schemes().collect();
        let offered = if offered.is_empty() { "none".to_owned() } else { offered.join(" and ") };
        obstacles.push(Obstacle {
            code: "no-media-address".to_owned(),
            message: format!(
                "the BMC takes images over {}, and mediaUrls offers {offered}",
                found.facts.schemes.in_words()
            ),
            hint:
                "add such an address to mediaUrls in the Fleet, and listen there (MEDIA_ADDR, MEDIA_TLS_ADDR)"
                    .to_owned(),
        });
    }
    (scheme, obstacles)
}

/// The BMC did not answer, or not as it should.
pub(super) fn missed(controller: &Controller, desired: &Desired, row: &mut ServerRow, error: &ConnectError) {
    let now = controller.now();
    if let ConnectError::Redfish(error) = error
        && matches!(error.kind(), ErrorKind::CredentialsRejected)
    {
        row.refused_credentials.clone_from(&desired.bmc.credentials_digest);
    }
    row.missed = row.missed.saturating_add(1);
    let since = *row.missed_since.get_or_insert(now);
    let lasting = row.missed >= MISSES && now.duration_since(since) >= MISSED_FOR;
    // What was never reached is not held up by a rule for what came and went.
    let never = row.status.bmc.is_none() && row.missed >= MISSES;
    // Another certificate than the one that was trusted is no passing fault: somebody may stand in
    // between. Nor is a refused account. People hear of it at once, and nothing is sent there any more.
    let alarm = alarm(error);
    if !lasting && !never && alarm.is_none() {
        return;
    }
    let message = error.told();
    let code = error.code();
    let known = row.status.bmc.as_ref().and_then(|bmc| bmc.unreachable.as_ref());
    if known.is_none_or(|known| known.code != code) {
        match alarm {
            Some((text, hint)) => {
                tracing::error!(server = desired.name, error = message, "{text}");
                controller.tell(&Message {
                    kind: "stalled".to_owned(),
                    server: desired.name.clone(),
                    text: message.clone(),
                    hint: Some(hint.to_owned()),
                    job: None,
                    time: now,
                });
            }
            None => tracing::warn!(server = desired.name, error = message, "the BMC is unreachable"),
        }
    }
    let facts = row.status_mut().bmc.get_or_insert_default();
    facts.reachable = false;
    // How it fails may change, and what it says each time is news only where the kind is another one.
    if facts.unreachable.as_ref().is_none_or(|known| known.code != code) {
        facts.unreachable = Some(Unreachable { since, code: code.to_owned(), message });
    }
}

/// What to say, and what to do, where people hear of it at once.
fn alarm(error: &ConnectError) -> Option<(&'static str, &'static str)> {
    let ConnectError::Redfish(error) = error else { return None };
    match error.kind() {
        ErrorKind::CertificateChanged { .. } => Some((
            "the BMC shows another certificate",
            "if the BMC or its certificate was replaced on purpose, write the new one as bmc.tls.sha256",
        )),
        ErrorKind::CredentialsRejected => Some((
            "the BMC refused the account",
            "correct the Secret, or unlock the account on the BMC and run 'shoal retry SERVER'",
        )),
        _ => None,
    }
}

/// Whether an image's address is one that this controller gives out.
fn is_ours(url: &str, bases: &[String]) -> bool {
    let trim = |text: &str| text.trim_end_matches('/').to_ascii_lowercase();
    let url = url.to_ascii_lowercase();
    bases.iter().any(|base| url.starts_with(&format!("{}/media/", trim(base))))
}

fn host_of(url: &str) -> String {
    url::Url::parse(url)
        .ok()
        .and_then(|url| url.host_str().map(str::to_owned))
        .unwrap_or_else(|| "unknown".to_owned())
}
