// SPDX-License-Identifier: AGPL-3.0-or-later
//! What discovery means for an install that nobody has agreed to yet: what would stop it, and what an
//! operator should know before.

use super::discovered::{Discovered, Rung};
use super::warning::About;

/// Something that would stop an install.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Obstacle {
    /// A stable word.
    pub code: &'static str,
    /// One sentence.
    pub message: String,
    /// What to do.
    pub hint: &'static str,
}

impl About {
    /// The stable word and what to do, where this would stop an install. A missing licence does so
    /// only where no slot is shown for want of it.
    pub fn stops(self) -> Option<(&'static str, &'static str)> {
        Some(match self {
            Self::NoReset => ("no-reset", "reset the bmc, or update its firmware"),
            Self::MediaDetached => ("media-detached", "set it as it says"),
            Self::MediaDisabled => ("media-disabled", "enable virtual media in the bmc's settings"),
            Self::RemoteMediaOff => ("remote-media-off", "enable it as it says"),
            Self::NoCdInstance => ("no-cd-instance", "set it as it says"),
            Self::NoMedia => {
                ("no-media", "another firmware, licence or boot setting may bring virtual media back")
            }
            Self::NoOverride => ("no-boot-override", "update the bmc's firmware"),
            Self::WrongBootMode => ("wrong-boot-mode", "set it there, and restart the machine once"),
            Self::NoTls
            | Self::UncheckedCertificate
            | Self::Unreadable
            | Self::NoSerial
            | Self::NoManager
            | Self::Licence
            | Self::RemoteMediaSwitchedOn
            | Self::SlotHeldByConsole
            | Self::SlotOccupied
            | Self::OneImage
            | Self::OverHttp
            | Self::Schemes
            | Self::MediaCertificate
            | Self::TargetsNotListed
            | Self::BootModeChanged => return None,
        })
    }

    /// Whether it concerns virtual media alone, and so no machine that boots over HTTP.
    fn is_of_virtual_media(self) -> bool {
        matches!(self, Self::MediaDetached | Self::MediaDisabled | Self::RemoteMediaOff | Self::NoCdInstance)
    }

    /// Whether it is worth knowing before an install. What is in a slot is not: that changes, and each
    /// look at the BMC tells. Nor is what rung and scheme say by themselves, or what is about trust.
    fn is_worth_knowing(self) -> bool {
        matches!(
            self,
            Self::Unreadable
                | Self::NoManager
                | Self::Licence
                | Self::RemoteMediaSwitchedOn
                | Self::MediaCertificate
                | Self::TargetsNotListed
                | Self::BootModeChanged
        )
    }
}

impl Discovered {
    /// The stable word and what to do, where this would stop an install of this machine.
    pub fn stops(&self, about: About) -> Option<(&'static str, &'static str)> {
        about.stops().filter(|_| self.rung != Rung::UefiHttp || !about.is_of_virtual_media())
    }

    /// What would stop an install, each once.
    pub fn obstacles(&self) -> Vec<Obstacle> {
        let unlicensed = self.facts.missing_licence.as_ref().map(|message| Obstacle {
            code: "licence",
            message: format!("no slot is shown for want of a licence: {message}"),
            hint: "install the licence for remote virtual media (iDRAC Enterprise, iLO Advanced, XCC Enterprise, SFT-OOB-LIC)",
        });
        let stops = self.warnings.iter().filter_map(|warning| {
            let (code, hint) = self.stops(warning.about)?;
            Some(Obstacle { code, message: warning.text.clone(), hint })
        });
        unlicensed.into_iter().chain(stops).collect()
    }

    /// What an operator should know before an install, one sentence each. No obstacle is among them.
    pub fn advisories(&self) -> Vec<String> {
        self.warnings
            .iter()
            .filter(|warning| warning.about.is_worth_knowing())
            .filter(|warning| warning.about != About::Licence || self.facts.missing_licence.is_none())
            .map(|warning| warning.text.clone())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::discovered::{BootFacts, Facts};
    use crate::contract::warning::Warning;

    fn found(rung: Rung, warnings: &[(About, &str)], missing_licence: Option<&str>) -> Discovered {
        Discovered {
            vendor: "Acme".to_owned(),
            model: None,
            firmware: None,
            serial: None,
            sku: None,
            uuid: None,
            system: "/redfish/v1/Systems/1".to_owned(),
            managers: Vec::new(),
            power: "On".to_owned(),
            boot: BootFacts::default(),
            media: Vec::new(),
            rung,
            boot_slot: None,
            task_slot: None,
            warnings: warnings.iter().map(|(about, text)| Warning::new(*about, *text)).collect(),
            facts: Facts { missing_licence: missing_licence.map(str::to_owned), ..Facts::default() },
        }
    }

    #[test]
    fn what_would_stop_an_install_has_a_word_and_something_to_do_and_is_no_advice_as_well() {
        let found = found(
            Rung::TwoCd,
            &[
                (About::NoReset, "no reset"),
                (About::MediaDisabled, "disabled"),
                (About::SlotOccupied, "occupied"),
                (About::WrongBootMode, "legacy"),
                (About::BootModeChanged, "is set"),
                (About::NoTls, "in the clear"),
            ],
            None,
        );
        let obstacles = found.obstacles();
        let told: Vec<(&str, &str)> = obstacles.iter().map(|o| (o.code, &*o.message)).collect();
        let stops = [("no-reset", "no reset"), ("media-disabled", "disabled"), ("wrong-boot-mode", "legacy")];
        assert_eq!(told, stops);
        assert!(obstacles.iter().all(|obstacle| !obstacle.hint.is_empty()));
        assert_eq!(found.advisories(), ["is set"]);
    }

    #[test]
    fn what_is_switched_off_of_virtual_media_stops_no_machine_that_boots_over_http() {
        let told = [(About::MediaDisabled, "disabled"), (About::NoReset, "no reset")];
        let obstacles = found(Rung::UefiHttp, &told, None).obstacles();
        assert_eq!(obstacles.iter().map(|obstacle| obstacle.code).collect::<Vec<_>>(), ["no-reset"]);
    }

    #[test]
    fn a_missing_licence_is_advice_until_no_slot_is_shown_for_want_of_it() {
        let told = [(About::Licence, "images need iLO Advanced")];
        assert_eq!(found(Rung::CdUsb, &told, None).advisories(), ["images need iLO Advanced"]);
        assert!(found(Rung::CdUsb, &told, None).obstacles().is_empty());
        let without = found(Rung::None, &told, Some("activate SFT-OOB-LIC"));
        assert_eq!(without.obstacles().len(), 1);
        assert_eq!(without.obstacles()[0].code, "licence");
        assert!(without.obstacles()[0].message.ends_with("activate SFT-OOB-LIC"));
        assert!(without.advisories().is_empty());
    }
}
