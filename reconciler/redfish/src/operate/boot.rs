// SPDX-License-Identifier: AGPL-3.0-or-later
//! The boot override.

use serde_json::{Map, Value, json};

use super::patience::Patience;
use super::{RedfishBmc, Resource, boot_by_config, boot_by_import};
use crate::contract::bmc::Effect;
use crate::contract::discovered::Rung;
use crate::contract::error::{Error, ErrorKind};
use crate::contract::image::MediaUrl;
use crate::contract::observe::Op;
use crate::model::boot::{Boot, DISK, NONE};
use crate::model::json::same_path;
use crate::rules::{Rule, Rules};
use crate::wire::client::Failure;
use crate::wire::exchange::Broken;

const UEFI: &str = "UEFI";
const OVER_HTTP: &str = "UefiHttp";
const ADDRESS: &str = "HttpBootUri";
const MODE: &str = "BootSourceOverrideMode";
const ENABLED: &str = "BootSourceOverrideEnabled";
/// No property: left out when a BMC refuses to be cleared by `Enabled` alone (sushy-tools looks
/// at the target only).
const CLEAR_BY_ENABLED_ALONE: &str = "Enabled alone";
/// Times that the override is written when the BMC fails or its answer is lost. One that is
/// busy is asked until the budget is over.
const MOST_FAILURES: u32 = 4;

/// What the override is to be.
enum Wanted<'a> {
    /// Once, from this target, under UEFI.
    Once(&'a str),
    /// Once, over HTTP, from this address.
    Http(&'a MediaUrl),
    /// Nothing, and no address for booting over HTTP.
    Cleared { address: bool },
}

impl Wanted<'_> {
    /// `was_sent` after it was taken: an address that is not shown is believed then.
    fn is_met(&self, boot: &Boot, rules: Rules, was_sent: bool) -> bool {
        let current = &boot.current;
        let is_once = |target: &str| {
            let enabled = current.enabled.as_deref();
            // sushy-tools.
            let shown_otherwise = enabled == Some("Continuous") && rules.has(Rule::OnceMayShowAsContinuous);
            (enabled == Some(how_long(rules)) || shown_otherwise)
                && current.target.as_deref() == Some(target)
                && current.mode.as_deref().is_none_or(|mode| mode == UEFI)
        };
        match self {
            Self::Once(target) => is_once(target),
            Self::Http(image) => {
                is_once(OVER_HTTP)
                    && current.http_image.as_ref().map_or(was_sent, |shown| image.same_image(shown))
            }
            Self::Cleared { address } => {
                !current.is_active() && (!*address || was_sent || current.http_image.is_none())
            }
        }
    }

    /// The body. Some BMCs want all three properties each time, others refuse what changes
    /// nothing; a mode is never sent to a BMC that shows none.
    fn body(&self, boot: &Boot, rules: Rules, left_out: &[&str]) -> Value {
        let all = rules.override_needs_all_three() || !rules.has(Rule::OnlyWhatDiffersIsSent);
        let mut fields = Map::new();
        let mut set = |name: &str, value: &str, current: Option<&str>| {
            if (all || current != Some(value)) && !left_out.contains(&name) {
                fields.insert(name.to_owned(), json!(value));
            }
        };
        let current = &boot.current;
        let target = match self {
            Self::Once(target) => Some(*target),
            Self::Http(_) => Some(OVER_HTTP),
            Self::Cleared { .. } => None,
        };
        if let Some(target) = target {
            set("BootSourceOverrideTarget", target, None);
            set(ENABLED, how_long(rules), current.enabled.as_deref());
            if boot.has_mode || !rules.has(Rule::NoModeWhereNoneIsShown) {
                set(MODE, UEFI, current.mode.as_deref());
            }
        } else {
            set(ENABLED, "Disabled", None);
            let refused = left_out.contains(&CLEAR_BY_ENABLED_ALONE);
            let knows_nothing_else =
                refused && boot.knows_no_none() && rules.has(Rule::TheDiskMayStandForNone);
            if knows_nothing_else || !rules.has(Rule::NoOverrideNamesADisk) {
                set("BootSourceOverrideTarget", DISK, None);
            } else if all || refused {
                set("BootSourceOverrideTarget", NONE, None);
            }
            if all && let Some(mode) = current.mode.as_deref() {
                set(MODE, mode, None);
            }
        }
        match self {
            Self::Http(image) => {
                fields.insert(ADDRESS.to_owned(), json!(image.expose()));
            }
            Self::Cleared { address: true } if current.http_image.is_some() => {
                fields.insert(ADDRESS.to_owned(), Value::Null);
            }
            _ => {}
        }
        json!({"Boot": fields})
    }

    /// Whether a refused body can be said in other words.
    fn has_another_form(&self, left_out: &[&str], rules: Rules) -> bool {
        rules.has(Rule::ClearingMayTakeATarget)
            && matches!(self, Self::Cleared { .. })
            && !left_out.contains(&CLEAR_BY_ENABLED_ALONE)
    }

    fn in_words(&self) -> String {
        match self {
            Self::Once(target) => format!("Once {target} {UEFI}"),
            Self::Http(image) => format!("Once {OVER_HTTP} {UEFI} of {image}"),
            Self::Cleared { .. } => "no override".to_owned(),
        }
    }
}

/// An override is for one start, and set anew before each. What does without that asks for one that stays.
fn how_long(rules: Rules) -> &'static str {
    if rules.has(Rule::OverridesAreSetForEveryStart) { "Once" } else { "Continuous" }
}

pub(super) async fn set_once(bmc: &RedfishBmc, way: usize) -> Result<Effect, Error> {
    let found = &bmc.discovered;
    let ways = &found.facts.boot_ways;
    let way = if bmc.has(Rule::SilentTargetsAreFollowedByTheNext) { way } else { 0 };
    let target = way.checked_rem(ways.len()).and_then(|way| ways.get(way));
    let (Rung::TwoCd | Rung::CdUsb | Rung::Single, Some(target)) = (found.rung, target) else {
        return Err(no_target(bmc, Op::BootOverride));
    };
    if let Some(import) = boot_by_import::needed(bmc) {
        let system = &bmc.layout().system;
        let boot = Boot::read(&bmc.read(Op::BootOverride, system).await?.value);
        check_mode(bmc, Op::BootOverride, system, &boot, &[])?;
        if let Some(effect) = boot_by_import::reach(bmc, Op::BootOverride, import, true).await? {
            return Ok(effect);
        }
    }
    if let Some(config) = boot_by_config::needed(bmc)
        && let Some(effect) = boot_by_config::reach(bmc, Op::BootOverride, config, Some(target)).await?
    {
        return Ok(effect);
    }
    reach(bmc, Op::BootOverride, &Wanted::Once(target)).await
}

pub(super) async fn set_once_http(bmc: &RedfishBmc, image: &MediaUrl) -> Result<Effect, Error> {
    if bmc.discovered.rung != Rung::UefiHttp {
        return Err(no_target(bmc, Op::BootOverride));
    }
    for segment in image.capabilities() {
        bmc.wire.hide(segment);
    }
    let scheme = image.scheme().unwrap_or_default();
    if !matches!(scheme.as_str(), "http" | "https") {
        let kind = ErrorKind::UnsupportedImageScheme { scheme, offered: "http and https".to_owned() };
        return Err(bmc.wire.error(Op::BootOverride, Some(&bmc.layout().system), kind));
    }
    reach(bmc, Op::BootOverride, &Wanted::Http(image)).await
}

pub(super) async fn clear(bmc: &RedfishBmc) -> Result<Effect, Error> {
    let mut own = Effect::AlreadySo;
    if let Some(import) = boot_by_import::needed(bmc)
        && let Some(effect) = boot_by_import::reach(bmc, Op::BootClear, import, false).await?
    {
        own = effect;
    }
    if let Some(config) = boot_by_config::needed(bmc)
        && let Some(effect) = boot_by_config::reach(bmc, Op::BootClear, config, None).await?
    {
        own = effect;
    }
    if bmc.layout().boot.resource.is_none() {
        // What takes no override has none.
        return Ok(own);
    }
    // Where we never set an address, one that is there is somebody else's.
    let ours = bmc.discovered.rung == Rung::UefiHttp;
    let address = ours && bmc.has(Rule::HttpBootAddressesAreTakenBack);
    let cleared = reach(bmc, Op::BootClear, &Wanted::Cleared { address }).await?;
    Ok(if own == Effect::Changed { own } else { cleared })
}

fn no_target(bmc: &RedfishBmc, op: Op) -> Error {
    let kind = match &bmc.discovered.facts.missing_licence {
        Some(message) => ErrorKind::LicenceMissing { message: message.clone() },
        None => ErrorKind::NoBootTarget { allowed: bmc.layout().boot.targets.clone() },
    };
    bmc.wire.error(op, Some(&bmc.layout().system), kind)
}

async fn reach(bmc: &RedfishBmc, op: Op, wanted: &Wanted<'_>) -> Result<Effect, Error> {
    let place = &bmc.layout().boot;
    let rules = bmc.rules();
    let mut at = place.resource.as_deref().ok_or_else(|| no_target(bmc, op))?;
    let mut patience = Patience::new(bmc.budgets.boot, bmc.budgets.poll);
    let mut left_out: Vec<&str> = Vec::new();
    let mut effect = Effect::AlreadySo;
    let (mut failures, mut accepted) = (0, 0);
    loop {
        let resource = bmc.read(op, at).await?;
        let boot = Boot::read(&resource.value);
        if wanted.is_met(&boot, rules, false) {
            return Ok(effect);
        }
        if matches!(wanted, Wanted::Once(_) | Wanted::Http(_)) {
            check_mode(bmc, op, at, &boot, &left_out)?;
        }
        effect = Effect::Changed;
        let body = wanted.body(&boot, rules, &left_out);
        let mut pause = bmc.budgets.rewrite;
        let error = match bmc.patch(op, &resource, &body).await {
            Ok(_) => {
                accepted += 1;
                let most = bmc.most_writes();
                let mut share = patience.share(if accepted < most { most } else { 1 });
                match await_override(bmc, op, at, wanted, &mut share).await {
                    Err(error) if accepted < most && matches!(error.kind(), ErrorKind::NoEffect { .. }) => {
                        continue;
                    }
                    shown => return shown,
                }
            }
            // Nobody knows whether it arrived: the resource will tell.
            Err(Failure::Broken(Broken { unsent: false, passing: true, kind })) => {
                failures += 1;
                bmc.wire.error(op, Some(at), kind)
            }
            Err(failure @ Failure::Broken(_)) => return Err(bmc.wire.failed(op, at, failure)),
            Err(Failure::Refused(refusal)) => {
                pause = refusal.pause(pause);
                let not_now = refusal.is_not_now();
                failures += u32::from(!not_now);
                let refused_mode = !left_out.contains(&MODE) && refusal.messages.name(MODE);
                let error = bmc.wire.failed(op, at, Failure::Refused(refusal));
                if accepted > 0 && !not_now {
                    // Accepted before and refused now: perhaps the first one is still under way.
                    return await_override(bmc, op, at, wanted, &mut patience).await.map_err(|_| error);
                }
                match error.kind() {
                    // No override is active; an address that the BMC will not give up starts nothing.
                    ErrorKind::Refused { .. } if wanted.is_met(&boot, rules, true) => return Ok(effect),
                    ErrorKind::Refused { .. } if refused_mode => {
                        left_out.push(MODE);
                        continue;
                    }
                    ErrorKind::Refused { .. } if wanted.has_another_form(&left_out, rules) => {
                        left_out.push(CLEAR_BY_ENABLED_ALONE);
                        continue;
                    }
                    ErrorKind::Refused { .. } | ErrorKind::NotFound => {
                        let may_move = rules.has(Rule::RefusedOverridesGoToTheSettings);
                        let fallback = place.fallback.as_deref().filter(|_| may_move);
                        match fallback.filter(|fallback| !same_path(fallback, at)) {
                            Some(fallback) => {
                                at = fallback;
                                continue;
                            }
                            None => return Err(error),
                        }
                    }
                    ErrorKind::ServerFault { .. } | ErrorKind::ConfigurationPending { .. } => error,
                    _ if not_now => error,
                    _ => return Err(error),
                }
            }
        };
        if failures >= MOST_FAILURES || !patience.wait_for(pause).await {
            return Err(error);
        }
    }
}

/// Our media start under UEFI. Where a change of the mode is a firmware job, or is refused, it
/// is left to a human.
fn check_mode(bmc: &RedfishBmc, op: Op, at: &str, boot: &Boot, left_out: &[&str]) -> Result<(), Error> {
    let may_change = !bmc.has(Rule::DellChangesTheBootModeByAJob) && !left_out.contains(&MODE);
    match boot.current.mode.as_deref() {
        Some(mode) if mode != UEFI && !may_change => {
            let kind = ErrorKind::WrongBootMode { mode: mode.to_owned() };
            Err(bmc.wire.error(op, Some(at), kind))
        }
        _ => Ok(()),
    }
}

/// Waits until the override shows, where it was set or at the system. A BMC that shows no
/// override at all after it took one hides it, and is believed.
async fn await_override(
    bmc: &RedfishBmc,
    op: Op,
    at: &str,
    wanted: &Wanted<'_>,
    patience: &mut Patience,
) -> Result<Effect, Error> {
    let system = &bmc.layout().system;
    let rules = bmc.rules();
    loop {
        let resource: Resource = bmc.read(op, at).await?;
        let boot = Boot::read(&resource.value);
        let is_hidden = !boot.has_override && rules.has(Rule::HiddenOverridesAreBelieved);
        if wanted.is_met(&boot, rules, true) || is_hidden || !bmc.reads_back() {
            return Ok(Effect::Changed);
        }
        if !same_path(at, system)
            && wanted.is_met(&Boot::read(&bmc.read(op, system).await?.value), rules, true)
        {
            return Ok(Effect::Changed);
        }
        if !patience.wait().await {
            let seen = &boot.current;
            let word = |part: &Option<String>| part.clone().unwrap_or_else(|| "-".to_owned());
            let kind = ErrorKind::NoEffect {
                wanted: wanted.in_words(),
                seen: format!("{} {} {}", word(&seen.enabled), word(&seen.target), word(&seen.mode)),
            };
            return Err(bmc.wire.error(op, Some(at), kind));
        }
    }
}
