// SPDX-License-Identifier: AGPL-3.0-or-later
//! Where the boot override is set, and to what.

use super::walk::Walk;
use crate::contract::error::Error;
use crate::model::boot::Boot;
use crate::model::json;
use crate::model::system::System;
use crate::rules::{Rule, Rules};

/// Names of settings resources that some BMCs have without linking them: sushy and gofish try
/// `/Settings`, DGX has `/SD`, XCC `/Pending`. Tried only where the system itself says nothing
/// about overrides and links no settings.
const UNLINKED: [&str; 3] = ["Settings", "SD", "Pending"];

/// Where the boot override is set.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct BootPlace {
    /// Takes the override; none when nothing does.
    pub(crate) resource: Option<String>,
    /// Tried when the former refuses.
    pub(crate) fallback: Option<String>,
    pub(crate) targets: Vec<String>,
    pub(crate) modes: Vec<String>,
    /// The mode when it was read.
    pub(crate) mode: Option<String>,
}

impl BootPlace {
    /// The targets that may start our medium, best first.
    pub(crate) fn ways(&self, rules: Rules) -> Vec<String> {
        ways(&self.targets, !self.modes.is_empty(), rules)
    }
}

/// The system itself if it lists targets; else its settings if they do (iDRAC10); else
/// whichever has override properties at all.
pub(crate) async fn place(walk: &mut Walk<'_>, system: &System, rules: Rules) -> Result<BootPlace, Error> {
    let main = &listed(system.boot.clone(), rules);
    let linked = system.settings.clone().filter(|_| rules.has(Rule::OverridesMayStandInTheSettings));
    if !main.targets.is_empty() {
        return Ok(settled(main, &system.uri, linked));
    }
    let mut candidates: Vec<String> = linked.clone().into_iter().collect();
    if candidates.is_empty() && !main.has_override && rules.has(Rule::SettingsMayNotBeLinked) {
        let base = system.uri.trim_end_matches('/');
        candidates.extend(UNLINKED.map(|name| format!("{base}/{name}")));
    }
    let mut second = None;
    for uri in candidates {
        let Some(value) = walk.read_quietly(&uri).await? else {
            continue;
        };
        let mut boot = listed(Boot::read(&value), rules);
        if !boot.targets.is_empty() {
            if !boot.has_mode {
                boot.modes.clone_from(&main.modes);
            }
            let fallback = main.has_override.then(|| system.uri.clone());
            let mut place = settled(&boot, &uri, fallback);
            place.mode = boot.current.mode.or_else(|| main.current.mode.clone());
            return Ok(place);
        }
        if boot.has_override && second.is_none() {
            second = Some((uri, boot));
        }
    }
    Ok(match second {
        Some((uri, _)) if main.has_override => settled(main, &system.uri, Some(uri)),
        Some((uri, boot)) => settled(&boot, &uri, None),
        None if main.has_override => settled(main, &system.uri, linked),
        None => BootPlace {
            resource: None,
            fallback: None,
            targets: Vec::new(),
            modes: main.modes.clone(),
            mode: None,
        },
    })
}

fn settled(boot: &Boot, uri: &str, fallback: Option<String>) -> BootPlace {
    BootPlace {
        resource: Some(uri.to_owned()),
        fallback: fallback.filter(|fallback| !json::same_path(fallback, uri)),
        targets: boot.targets.clone(),
        modes: boot.modes.clone(),
        mode: boot.current.mode.clone(),
    }
}

/// With the targets that it lists in whichever way.
fn listed(mut boot: Boot, rules: Rules) -> Boot {
    if boot.targets.is_empty() && rules.has(Rule::TargetsMayBeListedAsSupported) {
        boot.targets = std::mem::take(&mut boot.supported);
    }
    boot
}

/// The targets that may start our medium, best first: where the first starts nothing, the next is tried.
/// With none listed, those that most know: a missing list must not mean "unsupported".
fn ways(targets: &[String], shows_a_mode: bool, rules: Rules) -> Vec<String> {
    const UEFI: [&str; 2] = ["UefiUsbCd", "UefiCd"];
    let plain = if rules.has(Rule::SupermicroBootsUsbCd) { ["UsbCd", "Cd"] } else { ["Cd", "UsbCd"] };
    if targets.is_empty() {
        let may = rules.has(Rule::MissingTargetsAreNoRefusal);
        return plain.into_iter().filter(|_| may).map(str::to_owned).collect();
    }
    let order = if shows_a_mode || !rules.has(Rule::ModesMayBePartOfTheTarget) {
        [plain, UEFI]
    } else {
        [UEFI, plain]
    };
    // Supermicro X10 spells it `CD`.
    let known = |wanted: &str| targets.iter().find(|target| target.eq_ignore_ascii_case(wanted)).cloned();
    order.into_iter().flatten().filter_map(known).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(targets: &[&str], shows_a_mode: bool, usb_cd: bool) -> Vec<String> {
        let targets: Vec<String> = targets.iter().map(|target| (*target).to_owned()).collect();
        let rules = Rules::general();
        let rules = if usb_cd { rules.with(Rule::SupermicroBootsUsbCd) } else { rules };
        ways(&targets, shows_a_mode, rules)
    }

    fn chosen(targets: &[&str], usb_cd: bool) -> Option<String> {
        all(targets, true, usb_cd).first().cloned()
    }

    #[test]
    fn the_virtual_cd_is_chosen_among_the_listed_targets() {
        assert_eq!(chosen(&["None", "Cd", "UsbCd"], false).as_deref(), Some("Cd"));
        assert_eq!(chosen(&["None", "Cd", "UsbCd"], true).as_deref(), Some("UsbCd"));
        assert_eq!(chosen(&["None", "Cd"], true).as_deref(), Some("Cd"));
        assert_eq!(chosen(&["None", "CD"], true).as_deref(), Some("CD"));
        assert_eq!(chosen(&["None", "UefiHttp", "Pxe"], false), None);
        assert_eq!(chosen(&[], false).as_deref(), Some("Cd"));
    }

    #[test]
    fn others_follow_and_where_no_mode_is_shown_those_under_uefi_come_first() {
        let listed = ["Cd", "UsbCd", "UefiUsbKey", "UefiCd", "UefiUsbCd"];
        assert_eq!(all(&listed, true, true), ["UsbCd", "Cd", "UefiUsbCd", "UefiCd"]);
        assert_eq!(all(&listed, false, true), ["UefiUsbCd", "UefiCd", "UsbCd", "Cd"]);
        assert_eq!(all(&["Cd"], false, false), ["Cd"]);
        assert_eq!(all(&[], false, true), ["UsbCd", "Cd"]);
    }
}
