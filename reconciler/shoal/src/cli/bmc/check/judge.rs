// SPDX-License-Identifier: AGPL-3.0-or-later
//! What discovery and a first steady look mean for an install.

use std::time::Duration;

use shoal_redfish::{About, BmcState, Discovered, InsertVia, Op, Rung};

use super::calls::Call;
use super::certificate::spoken;
use super::finding::{Check, Findings, Verdict};

/// What a warning of discovery is about, how bad it is, what to do. What holds an install in the plan
/// fails here, and nothing else does.
fn weigh(about: About) -> (Check, Verdict, &'static str) {
    use Verdict::{Failed, Ok, Warning};
    match about {
        About::NoTls => (Check::Certificate, Warning, "use https://: anybody in between reads the password"),
        About::UncheckedCertificate => (
            Check::Certificate,
            Warning,
            "compare the fingerprint on the BMC itself, then pin it: --pin, bmc.tls.sha256 in Git",
        ),
        About::Unreadable => (Check::Redfish, Warning, ""),
        About::NoSerial => (Check::Identity, Warning, "name the machine by 'uuid' in its file"),
        About::NoManager => (Check::System, Warning, "reset the BMC, or update its firmware"),
        About::NoReset => (Check::ResetTypes, Failed, "reset the BMC, or update its firmware"),
        // Where no slot is shown for want of one, virtual media fail by themselves.
        About::Licence => {
            (Check::Licence, Warning, "install it, or see with --try-media that images are taken without")
        }
        About::MediaDetached => (Check::VirtualMedia, Failed, "set it as it says, then check again"),
        About::MediaDisabled => (Check::VirtualMedia, Failed, "enable virtual media in the BMC's settings"),
        About::RemoteMediaOff => (Check::VirtualMedia, Failed, "enable it as it says, then check again"),
        About::NoCdInstance => (Check::VirtualMedia, Failed, "set it as it says, then check again"),
        About::RemoteMediaSwitchedOn | About::OneImage => (Check::VirtualMedia, Ok, ""),
        About::SlotHeldByConsole => {
            (Check::Slots, Warning, "end the remote console, or unmap its media there")
        }
        About::SlotOccupied => (
            Check::Slots,
            Warning,
            "take it out, unless it is a running job's: an approved install does so by itself",
        ),
        About::NoMedia => {
            (Check::VirtualMedia, Failed, "another firmware, licence or boot setting may bring media back")
        }
        About::OverHttp => (Check::VirtualMedia, Warning, "--try-media cannot show whether that works"),
        About::Schemes => (Check::ImageSchemes, Ok, ""),
        About::MediaCertificate => {
            (Check::ImageSchemes, Warning, "give the BMC the CA of our media, or switch its check off")
        }
        About::NoOverride => (Check::BootOverride, Failed, "update the BMC's firmware"),
        About::TargetsNotListed => (Check::BootOverride, Warning, "watch the first install"),
        About::WrongBootMode => (Check::BootMode, Failed, "set it there, and restart the machine once"),
        About::BootModeChanged => (Check::BootMode, Ok, ""),
    }
}

/// Judges everything that was found. `state` is nothing where the second look failed.
pub(super) fn judge(findings: &mut Findings, found: &Discovered, state: Option<&BmcState>) {
    identity(findings, found);
    power(findings, found, state);
    media(findings, found);
    boot(findings, found, state);
    for warning in &found.warnings {
        let (check, verdict, advice) = weigh(warning.about);
        // What is switched off of virtual media holds no machine that boots over HTTP.
        let holds = verdict != Verdict::Failed || found.stops(warning.about).is_some();
        let verdict = if holds { verdict } else { Verdict::Warning };
        findings.add(check, verdict, &warning.text, advice);
    }
    if !findings.has(Check::Licence) {
        // A BMC that names none is believed to have what it needs.
        findings.not_known(Check::Licence, "none is reported as missing; not every BMC says", "");
    }
}

/// How the BMC answered: how many calls, how slow, how often again.
pub(super) fn pace(findings: &mut Findings, calls: &[Call], limit: Duration) {
    let answered: Vec<&Call> = calls.iter().filter(|call| call.code.is_some()).collect();
    let Some(slowest) = answered.iter().max_by_key(|call| call.milliseconds) else { return };
    let longest = Duration::from_millis(slowest.milliseconds);
    let again = calls.iter().filter(|call| call.attempt > 1).count();
    let facts = format!(
        "{} calls, the slowest {} ({} {})",
        calls.len(),
        spoken(longest),
        slowest.method,
        slowest.path
    );
    if longest > limit / 2 || again > 0 {
        let seen = format!("{facts}, {again} sent again: slow or unreliable");
        let advice = "reset the BMC, update its firmware, or raise the controller's REDFISH_TIMEOUT";
        findings.add(Check::Redfish, Verdict::Warning, seen, advice);
    } else {
        findings.ok(Check::Redfish, facts);
    }
}

/// Whether a session was opened and closed again.
pub(super) fn session(findings: &mut Findings, calls: &[Call]) {
    let opened = calls.iter().any(|call| call.op == Op::Login && call.method == "POST" && call.is_success());
    let ended = calls.iter().rfind(|call| call.op == Op::Logout);
    match (opened, ended) {
        (true, Some(call)) if call.is_success() => findings.ok(Check::Session, "opened and closed"),
        (true, ended) => {
            let why = ended.map_or_else(String::new, |call| format!(" ({})", call.answer));
            let advice = "it ends by itself after a while; a BMC that keeps sessions runs out of them";
            findings.add(Check::Session, Verdict::Warning, format!("opened, but not closed{why}"), advice);
        }
        (false, _) => findings.ok(Check::Session, "the BMC has none: every call carries the account"),
    }
}

fn identity(findings: &mut Findings, found: &Discovered) {
    let managers = if found.managers.is_empty() { "none".to_owned() } else { found.managers.join(", ") };
    findings.ok(Check::System, format!("{}, managed by {managers}", found.system));
    let mut facts = Vec::new();
    // On Dell the machine itself shows the service tag, which Redfish has as SKU.
    match (&*found.vendor, &found.sku) {
        ("Dell", Some(tag)) => {
            facts.push(format!("service tag {tag} (the serial in Git)"));
            facts.extend(found.serial.iter().map(|serial| format!("board {serial}")));
        }
        (_, sku) => {
            facts.extend(found.serial.iter().map(|serial| format!("serial {serial}")));
            facts.extend(sku.iter().map(|sku| format!("SKU {sku}")));
        }
    }
    facts.extend(found.uuid.iter().map(|uuid| format!("UUID {uuid}")));
    if found.serial.is_none() && found.uuid.is_none() && found.sku.is_none() {
        let advice = "reset the BMC, or set the serial in the firmware";
        findings.add(Check::Identity, Verdict::Failed, "neither serial nor UUID", advice);
    } else {
        findings.ok(Check::Identity, facts.join(", "));
    }
}

fn power(findings: &mut Findings, found: &Discovered, state: Option<&BmcState>) {
    let power = state.map_or_else(|| found.power.clone(), |state| state.power.to_string());
    if power == "Unknown" {
        findings.not_known(Check::Power, "the BMC does not say", "reset the BMC");
    } else {
        findings.ok(Check::Power, power);
    }
    let types = &found.facts.reset_types;
    let missing: Vec<&str> =
        ["On", "ForceOff"].into_iter().filter(|need| !types.iter().any(|one| one == need)).collect();
    if types.is_empty() {
        findings.not_known(Check::ResetTypes, "the BMC lists none", "");
    } else if missing.is_empty() {
        findings.ok(Check::ResetTypes, types.join(", "));
    } else {
        let seen = format!("{}; {} is not listed", types.join(", "), missing.join(", "));
        findings.add(Check::ResetTypes, Verdict::Warning, seen, "update the BMC's firmware");
    }
}

fn media(findings: &mut Findings, found: &Discovered) {
    let slots = found.media.len();
    let route = match found.rung {
        Rung::TwoCd => "two optical slots, one for each medium",
        Rung::CdUsb => "an optical slot and a USB or floppy slot",
        Rung::Single => "one optical slot, for one composed medium",
        Rung::UefiHttp => "no slot, but the firmware boots over HTTP",
        Rung::None => "",
    };
    if route.is_empty() {
        // Why is among the warnings.
        let advice = "another firmware, licence or boot setting may bring media back";
        findings.add(Check::VirtualMedia, Verdict::Failed, "no way to bring media to this machine", advice);
    } else {
        let chosen: Vec<&str> =
            [&found.boot_slot, &found.task_slot].into_iter().flatten().map(String::as_str).collect();
        let chosen = if chosen.is_empty() { String::new() } else { format!(": {}", chosen.join(", ")) };
        findings.ok(Check::VirtualMedia, format!("{}: {route}{chosen}", found.rung));
        findings.ok(Check::ImageSchemes, found.facts.schemes.in_words());
    }
    let usable = found.media.iter().filter(|slot| slot.insert != InsertVia::None).count();
    if slots > 0 {
        findings.ok(Check::Slots, format!("{slots} in all, {usable} take an image from a URL"));
    }
}

fn boot(findings: &mut Findings, found: &Discovered, state: Option<&BmcState>) {
    match (&found.boot.chosen, &found.boot.resource) {
        (Some(target), Some(resource)) => {
            let targets = if found.boot.targets.is_empty() {
                "not listed".to_owned()
            } else {
                found.boot.targets.join(", ")
            };
            findings.ok(Check::BootOverride, format!("{target}, at {resource}; targets: {targets}"));
        }
        (None, Some(_)) => {
            let seen = format!("no target starts from virtual media: {}", found.boot.targets.join(", "));
            let advice = "enable booting from optical or USB media in the firmware's settings";
            findings.add(Check::BootOverride, Verdict::Failed, seen, advice);
        }
        // It is among the warnings, where there is a slot to boot from.
        (_, None) => {}
    }
    let Some(state) = state else { return };
    if state.boot.is_active() {
        let word = |value: &Option<String>| value.clone().unwrap_or_default();
        let seen = format!("one stands: {} {}", word(&state.boot.enabled), word(&state.boot.target));
        let advice = "somebody set it, or a job is running; an install sets its own and clears it";
        findings.add(Check::BootOverride, Verdict::Warning, seen, advice);
    }
    match state.boot.mode.as_deref() {
        Some("UEFI") => findings.ok(Check::BootMode, "UEFI"),
        // What is to be done is among the warnings.
        Some(mode) => findings.ok(Check::BootMode, mode),
        None => findings.not_known(Check::BootMode, "the BMC does not say", "Shoal installs under UEFI only"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_holds_an_install_in_the_plan_fails_here_and_nothing_else_does() {
        for about in About::ALL {
            let fails = weigh(*about).1 == Verdict::Failed;
            assert_eq!(fails, about.stops().is_some(), "{about:?}");
        }
    }
}
