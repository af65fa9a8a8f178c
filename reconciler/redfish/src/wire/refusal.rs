// SPDX-License-Identifier: AGPL-3.0-or-later
//! What a refusal means: HTTP status and messages into a kind that an operator can act on.
//!
//! Decided by the key of the message where there is one, by its words where BMCs have no key
//! of their own, and by the status last.

use std::time::Duration;

use serde_json::Value;

use super::exchange::Answer;
use super::message::Messages;
use super::redact::Scrubber;
use crate::contract::error::ErrorKind;
use crate::rules::messages::Meaning;
use crate::rules::{Rule, Rules};

/// An answer that is not 2xx.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    pub(crate) messages: Messages,
    pub(crate) retry_after: Option<Duration>,
    /// The rules by which it is understood.
    pub(crate) rules: Rules,
}

impl Refusal {
    /// Of an answer that is not 2xx.
    pub(crate) fn of(answer: &Answer, rules: Rules) -> Self {
        Self {
            status: answer.status,
            messages: Messages::read(answer.body.as_ref().unwrap_or(&Value::Null), rules),
            retry_after: answer.retry_after(),
            rules,
        }
    }

    fn means(&self, meaning: Meaning) -> bool {
        self.messages.mean(meaning, self.rules)
    }

    /// Whether it says that the address's scheme is not taken.
    pub(crate) fn is_about_the_scheme(&self) -> bool {
        self.means(Meaning::Scheme)
    }

    /// Whether it says that the image could not be read. bmcweb says so with 401 as well, which
    /// has nothing to do with our login then.
    pub(crate) fn is_about_the_image(&self) -> bool {
        self.means(Meaning::Image)
    }

    /// Whether it says that nothing is in the slot that was to be ejected.
    pub(crate) fn is_about_an_empty_slot(&self) -> bool {
        self.means(Meaning::Empty)
    }

    /// The pause before the write is sent again: what the BMC asked for, or `usual`.
    pub(crate) fn pause(&self, usual: Duration) -> Duration {
        self.retry_after.unwrap_or_default().max(usual)
    }

    /// Whether it passes by itself.
    pub(crate) fn is_not_now(&self) -> bool {
        self.status == 429 || self.status == 503 || self.means(Meaning::NotNow)
    }

    /// The kind of failure.
    pub(crate) fn kind(&self, scrubber: &Scrubber) -> ErrorKind {
        let message = scrubber.clean(&self.messages.line());
        let status = self.status;
        if self.is_about_the_image() {
            ErrorKind::ImageUnreadable { message }
        } else if status == 401 || self.means(Meaning::Credentials) {
            ErrorKind::CredentialsRejected
        } else if self.means(Meaning::Sessions) {
            ErrorKind::SessionsExhausted { message }
        } else if self.means(Meaning::Licence) || self.speaks_of_a_licence() {
            ErrorKind::LicenceMissing { message }
        } else if self.means(Meaning::MediaDisabled) || self.speaks_of_disabled_media() {
            ErrorKind::VirtualMediaDisabled { message }
        } else if self.means(Meaning::Connections) {
            ErrorKind::MediaConnectionsInUse { message }
        } else if self.means(Meaning::Occupied) {
            ErrorKind::SlotOccupied { image: None }
        } else if self.means(Meaning::Pending) || self.speaks_of_pending_configuration() {
            ErrorKind::ConfigurationPending { message }
        } else if self.is_not_now() {
            ErrorKind::Busy { status, message }
        } else {
            match status {
                403 => ErrorKind::Forbidden { message },
                404 | 410 => ErrorKind::NotFound,
                500.. => ErrorKind::ServerFault { status, message },
                _ => ErrorKind::Refused { status, message },
            }
        }
    }

    /// Older iDRACs have other keys, and the same words.
    fn speaks_of_pending_configuration(&self) -> bool {
        self.rules.has(Rule::PendingConfigurationIsNamed)
            && (self.messages.says("pending attribute changes")
                || self.messages.says("pending configuration values are already committed"))
    }

    fn speaks_of_disabled_media(&self) -> bool {
        self.rules.has(Rule::DisabledMediaAreNamed) && self.messages.says("virtual media is disabled")
    }

    /// Firmware without a message key for it says it in words (Dell, Supermicro).
    fn speaks_of_a_licence(&self) -> bool {
        if !self.rules.has(Rule::MissingLicencesAreNamed) {
            return false;
        }
        let about = self.messages.says("license") || self.messages.says("licence");
        about
            && ["required", "not", "missing", "insufficient", "activate"]
                .iter()
                .any(|word| self.messages.says(word))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::message::Message;

    fn refusal(status: u16, id: &str, text: &str) -> Refusal {
        Refusal {
            status,
            messages: Messages(vec![Message { id: id.to_owned(), text: text.to_owned(), args: Vec::new() }]),
            retry_after: None,
            rules: Rules::general(),
        }
    }

    #[test]
    fn every_refusal_that_an_operator_can_act_on_has_its_own_kind() {
        for (status, id, text, label) in [
            (401, "", "", "credentials-rejected"),
            (400, "iLO.2.14.UnauthorizedLoginAttempt", "", "credentials-rejected"),
            (
                503,
                "IDRAC.2.7.RAC0218",
                "The maximum number of user sessions is reached.",
                "sessions-exhausted",
            ),
            (400, "iLO.2.14.LicenseKeyRequired", "", "licence-missing"),
            (403, "Base.1.0.0.OemLicenseNotPassed", "", "licence-missing"),
            (403, "", "A required license is missing or expired", "licence-missing"),
            (400, "iLO.2.14.VirtualMediaIsDisabled", "", "virtual-media-disabled"),
            (400, "iLO.2.14.MaxVirtualMediaConnectionEstablished", "", "media-connections-in-use"),
            (400, "iBMC.1.0.ConnectionOccupied", "", "slot-occupied"),
            (400, "iLO.2.18.UnableToModifyAfterVirtualMediaInsert", "", "slot-occupied"),
            (400, "AmiOem.1.0.ActionInProgress", "", "media-connections-in-use"),
            (400, "IDRAC.2.3.LC068", "", "configuration-pending"),
            (400, "", "Pending configuration values are already committed, no.", "configuration-pending"),
            (400, "Base.1.13.ResourceAtUriInUnknownFormat", "", "image-unreadable"),
            (500, "IDRAC.2.7.RAC0720", "Unable to locate the ISO or IMG image file", "image-unreadable"),
            (400, "iLO.2.14.UnableToModifyDuringSystemPOST", "", "busy"),
            (409, "Base.1.12.ActionParameterValueConflict", "", "busy"),
            (500, "IDRAC.2.7.SYS518", "", "busy"),
            (429, "", "", "busy"),
            (403, "Base.1.12.InsufficientPrivilege", "", "forbidden"),
            (404, "", "", "not-found"),
            (500, "", "", "server-fault"),
            (400, "Base.1.12.GeneralError", "", "refused"),
            (409, "", "", "refused"),
        ] {
            assert_eq!(
                refusal(status, id, text).kind(&Scrubber::default()).label(),
                label,
                "{status} {id} {text}"
            );
        }
    }
}
