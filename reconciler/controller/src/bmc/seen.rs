// SPDX-License-Identifier: AGPL-3.0-or-later
//! What a look at a BMC means for its server: what is published of it, and who hears of what.

use jiff::SignedDuration;
use shoal_core::desired::Desired;
use shoal_core::mistake::Mistake;
use shoal_redfish::{BmcState, BootOverride, Discovered, ErrorKind, MediaUrl, PowerState, Rung};
use shoal_schema::status::{BmcFacts, Obstacle, RecordState, Unreachable};
use url::Url;

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
/// Characters of what stands for a medium in its address.
const CAPABILITY: usize = 43;
/// A boot override to the machine's own disk leads where it goes anyway.
const OWN_DISK: &str = "Hdd";
/// The boot target of a machine that fetches its image by itself.
const OVER_HTTP: &str = "UefiHttp";

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
    let bases = controller.all_media_bases();
    let left = left_over(&state, &bases, row.left_behind);
    row.left_behind &= left.boot_override;
    let foreign_media = foreign_media(&state, &bases);
    let foreign_override = foreign_override(&state).filter(|_| !left.boot_override);
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
        own_media: !left.slots.is_empty(),
        foreign_media,
        boot_override: left.boot_override,
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

/// What a job of ours left behind.
pub(super) struct LeftOver {
    /// Slots with media of ours.
    pub(super) slots: Vec<String>,
    /// The boot override is ours: it comes with media of ours, names one, or is what a job that could not clean
    /// up is known to have set. Any other is somebody's business.
    pub(super) boot_override: bool,
}

/// What of a BMC's state is ours. `left_behind`: a job ended without leaving this BMC in order.
pub(super) fn left_over(state: &BmcState, bases: &[String], left_behind: bool) -> LeftOver {
    let ours = |image: &MediaUrl| is_ours(image.expose(), bases);
    let slots = state.slots.iter().filter(|slot| slot.inserted && slot.image.as_ref().is_some_and(ours));
    let mut slots: Vec<String> = slots.map(|slot| slot.uri.clone()).collect();
    if Mistake::MediaAreForgotten.is_made() {
        slots.clear();
    }
    let names_ours = state.boot.http_image.as_ref().is_some_and(ours);
    let as_we_set = left_behind && is_once_from_a_disc(&state.boot);
    let boot_override = state.boot.is_active()
        && (!slots.is_empty() || names_ours || as_we_set)
        && !Mistake::OverrideIsForgotten.is_made();
    LeftOver { slots, boot_override }
}

/// Whether an override is of the kind that a job sets: a BMC may have said that it took our medium, and not have it.
fn is_once_from_a_disc(boot: &BootOverride) -> bool {
    boot.enabled.as_deref() == Some("Once")
        && boot.target.as_deref().is_some_and(|target| target.ends_with("Cd") || target == OVER_HTTP)
}

/// Where media come from that are not ours.
fn foreign_media(state: &BmcState, bases: &[String]) -> Vec<String> {
    let mut foreign = Vec::new();
    for slot in state.slots.iter().filter(|slot| slot.inserted) {
        let url = slot.image.as_ref().map(|image| image.expose().to_owned()).unwrap_or_default();
        if is_ours(&url, bases) {
            continue;
        }
        foreign.push(match slot.connected_via.as_deref() {
            Some("Applet") => "a console session".to_owned(),
            _ => host_of(&url),
        });
    }
    foreign
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

/// Whether an image's address is one that this controller gives out. A BMC may show it without its port;
/// then it must look like one of ours in every other respect.
fn is_ours(url: &str, bases: &[String]) -> bool {
    let url = url.to_ascii_lowercase();
    bases.iter().any(|base| {
        let base = base.trim_end_matches('/').to_ascii_lowercase();
        if url.starts_with(&format!("{base}/media/")) {
            return true;
        }
        let (Ok(shown), Ok(mut base)) = (Url::parse(&url), Url::parse(&base)) else { return false };
        if shown.port().is_some() || base.port().is_none() || base.set_port(None).is_err() {
            return false;
        }
        let rest = url.strip_prefix(&format!("{}/media/", base.as_str().trim_end_matches('/')));
        rest.and_then(|rest| rest.split_once('/'))
            .is_some_and(|(capability, _)| capability.len() == CAPABILITY)
    })
}

fn host_of(url: &str) -> String {
    Url::parse(url)
        .ok()
        .and_then(|url| url.host_str().map(str::to_owned))
        .unwrap_or_else(|| "unknown".to_owned())
}

#[cfg(test)]
mod tests {
    use shoal_redfish::SlotState;

    use super::*;

    const CAP: &str = "btut9yg8cimpo2xv09y7vupwywyfnhftodpigomuidg";

    fn slot(uri: &str, image: Option<String>) -> SlotState {
        SlotState {
            uri: uri.to_owned(),
            inserted: true,
            image: image.map(MediaUrl::new),
            connected_via: None,
        }
    }

    fn once(target: &str) -> BootOverride {
        BootOverride {
            enabled: Some("Once".to_owned()),
            target: Some(target.to_owned()),
            mode: None,
            http_image: None,
        }
    }

    #[test]
    fn of_what_is_in_the_slots_only_our_own_is_taken_out() {
        let bases = ["http://10.0.0.1:8081".to_owned()];
        let mut state = BmcState {
            power: PowerState::Off,
            boot: once("Cd"),
            slots: vec![
                slot("/cd/1", Some("http://nas/rescue.iso".to_owned())),
                slot("/cd/2", Some(format!("http://10.0.0.1:8081/media/{CAP}/task.iso"))),
                slot("/cd/3", None),
            ],
            boot_progress: None,
        };
        let left = left_over(&state, &bases, false);
        assert_eq!(left.slots, ["/cd/2"]);
        assert!(left.boot_override, "it was set along with ours");
        assert_eq!(foreign_media(&state, &bases), ["nas", "unknown"]);
        state.slots.remove(1);
        let left = left_over(&state, &bases, false);
        assert!(left.slots.is_empty() && !left.boot_override, "all of it is somebody else's");
        assert_eq!(foreign_override(&state).as_deref(), Some("Once Cd"));
    }

    #[test]
    fn a_one_time_boot_from_a_disc_is_ours_where_a_job_could_not_clear_it_and_no_other_override_is() {
        let ours = |enabled: &str, target: &str, left_behind| {
            let boot = BootOverride { enabled: Some(enabled.to_owned()), ..once(target) };
            let state = BmcState { power: PowerState::Off, boot, slots: Vec::new(), boot_progress: None };
            left_over(&state, &[], left_behind).boot_override
        };
        for target in ["Cd", "UsbCd", "UefiCd", "UefiHttp"] {
            assert!(ours("Once", target, true), "{target}");
            assert!(!ours("Once", target, false), "{target}");
            assert!(!ours("Continuous", target, true), "{target}: a job never sets it for good");
        }
        for target in ["Pxe", "Hdd", "BiosSetup", "None"] {
            assert!(!ours("Once", target, true), "{target}");
        }
        assert!(!ours("Disabled", "Cd", true));
    }

    #[test]
    fn an_address_is_ours_without_its_port_too_but_not_just_any_on_the_same_host() {
        let bases = ["http://10.0.0.1:8081".to_owned(), "https://media.test".to_owned()];
        for (url, ours) in [
            (format!("http://10.0.0.1:8081/media/{CAP}/boot.iso"), true),
            (format!("HTTP://10.0.0.1:8081/media/{CAP}/boot.iso"), true),
            (format!("http://10.0.0.1/media/{CAP}/boot.iso"), true),
            (format!("https://media.test/media/{CAP}/boot.iso"), true),
            ("http://10.0.0.1/media/debian.iso".to_owned(), false),
            ("http://10.0.0.1/media/isos/debian.iso".to_owned(), false),
            (format!("http://10.0.0.1:80/media/{CAP}x/boot.iso"), false),
            (format!("http://10.0.0.1:9000/media/{CAP}/boot.iso"), false),
            (format!("http://10.0.0.2/media/{CAP}/boot.iso"), false),
            (String::new(), false),
        ] {
            assert_eq!(is_ours(&url, &bases), ours, "{url}");
        }
    }
}
