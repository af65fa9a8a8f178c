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
#[derive(Clone, Debug)]
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

/// The system itself if it lists targets; else its settings if they do (iDRAC10); else
/// whichever has override properties at all.
pub(crate) async fn place(walk: &mut Walk<'_>, system: &System, rules: Rules) -> Result<BootPlace, Error> {
    let main = &system.boot;
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
        let mut boot = Boot::read(&value);
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

/// The target that boots our medium. With none listed, `Cd`: a missing list must not mean
/// "unsupported".
pub(crate) fn choose_target(targets: &[String], rules: Rules) -> Option<String> {
    let first = if rules.has(Rule::SupermicroBootsUsbCd) {
        ["UsbCd", "Cd", "UefiUsbCd"]
    } else {
        ["Cd", "UsbCd", "UefiUsbCd"]
    };
    if targets.is_empty() {
        return rules.has(Rule::MissingTargetsAreNoRefusal).then(|| "Cd".to_owned());
    }
    // Supermicro X10 spells it `CD`.
    first
        .into_iter()
        .find_map(|wanted| targets.iter().find(|target| target.eq_ignore_ascii_case(wanted)).cloned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(targets: &[&str], usb_cd: bool) -> Option<String> {
        let targets: Vec<String> = targets.iter().map(|target| (*target).to_owned()).collect();
        let rules = Rules::general();
        choose_target(&targets, if usb_cd { rules.with(Rule::SupermicroBootsUsbCd) } else { rules })
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
}
