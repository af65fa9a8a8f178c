// SPDX-License-Identifier: AGPL-3.0-or-later
//! What an operator can do about each kind of failure, and the metric label of each.

use super::error::ErrorKind;

impl ErrorKind {
    /// What an operator can do, as one or two sentences.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Unreachable { .. } | Self::Timeout { .. } => {
                "check the address in the inventory, the management network and whether the bmc is up"
            }
            Self::CircuitOpen { .. } => "the bmc is left alone for a while; it is tried again by itself",
            Self::CertificateChanged { .. } => {
                "if the bmc's certificate was replaced on purpose, put the seen fingerprint into the inventory; \
                 otherwise somebody may be in between"
            }
            Self::CertificateUntrusted { .. } => {
                "give the bmc's ca, or pin the fingerprint once you have checked it on the bmc itself"
            }
            Self::BadEndpoint { .. } => "correct the bmc's entry in the inventory",
            Self::Closed => "connect again",
            Self::NotRedfish { .. } => "check that the address is a bmc and that redfish is enabled on it",
            Self::AnswerTooLarge { .. }
            | Self::BadRedirect { .. }
            | Self::BadLink
            | Self::TooManyResources { .. } => {
                "the bmc misbehaves: reset it or update its firmware, and check that the address is really a bmc"
            }
            Self::CredentialsRejected => {
                "correct the bmc's credentials, and check that the account is enabled and not locked; \
                 it is not tried again until they change"
            }
            Self::Forbidden { .. } => {
                "give the account the administrator or operator role, with rights for virtual media, power and boot"
            }
            Self::SessionsExhausted { .. } => "close idle sessions on the bmc, or wait for them to expire",
            Self::NoSuchSystem { .. } | Self::AmbiguousSystem { .. } => {
                "name one of the systems in `spec.bmc.system`"
            }
            Self::WrongMachine { .. } => {
                "the bmc's address leads to another machine: correct address or identity in the inventory"
            }
            Self::LicenceMissing { .. } => {
                "install the licence for remote virtual media (iDRAC Enterprise, iLO Advanced, XCC Enterprise, SFT-OOB-LIC)"
            }
            Self::VirtualMediaDisabled { .. } => "enable virtual media in the bmc's settings",
            Self::SlotOccupied { .. } => {
                "somebody else's medium or console session holds the slot: disconnect it"
            }
            Self::MediaConnectionsInUse { .. } => {
                "close remote consoles that have a medium attached and eject the media of other slots, then try again"
            }
            Self::ConfigurationPending { .. } => {
                "let the job end, or restart the machine so that what waits is applied, or delete it (iDRAC: job queue and \
                 pending bios settings), then try again"
            }
            Self::UnknownSlot => "inspect the bmc again: its slots changed",
            Self::NoInsertRoute => "use another slot; this one is for uploads or the console only",
            Self::WrongImageKind { .. } => "inspect the bmc again: its slots changed",
            Self::UnsupportedImageScheme { .. } => {
                "offer media under a scheme that the bmc takes (`mediaUrls` of the fleet)"
            }
            Self::ImageUnreadable { .. } => {
                "check that the bmc reaches the media address (route, firewall, name), takes its scheme (some \
                 take https only) and trusts its certificate"
            }
            Self::UnsupportedImageUrl { .. } => "offer media under an address without a query string",
            Self::WrongBootMode { .. } => {
                "set the boot mode to UEFI in the firmware's settings and restart the machine once"
            }
            Self::NoBootTarget { .. } => {
                "enable booting from optical or usb media in the firmware's settings"
            }
            Self::NoResetAction => "the bmc shows no reset action: reset the bmc, or update its firmware",
            Self::NoEffect { .. } | Self::TaskFailed { .. } => {
                "look at the bmc's own log; a reset of the bmc often helps"
            }
            Self::Busy { .. } => "wait until the machine has left POST, then try again",
            Self::NotFound => "inspect the bmc again: the resource is gone",
            Self::Refused { .. } | Self::ServerFault { .. } => {
                "look at the bmc's own log; update its firmware if this stays"
            }
        }
    }

    /// The metric label: fixed words only.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Unreachable { .. } => "unreachable",
            Self::Timeout { .. } => "timeout",
            Self::CircuitOpen { .. } => "circuit-open",
            Self::CertificateChanged { .. } => "certificate-changed",
            Self::CertificateUntrusted { .. } => "certificate-untrusted",
            Self::BadEndpoint { .. } => "bad-endpoint",
            Self::Closed => "closed",
            Self::NotRedfish { .. } => "not-redfish",
            Self::AnswerTooLarge { .. } => "answer-too-large",
            Self::BadRedirect { .. } => "bad-redirect",
            Self::BadLink => "bad-link",
            Self::TooManyResources { .. } => "too-many-resources",
            Self::CredentialsRejected => "credentials-rejected",
            Self::Forbidden { .. } => "forbidden",
            Self::SessionsExhausted { .. } => "sessions-exhausted",
            Self::NoSuchSystem { .. } => "no-such-system",
            Self::AmbiguousSystem { .. } => "ambiguous-system",
            Self::WrongMachine { .. } => "wrong-machine",
            Self::LicenceMissing { .. } => "licence-missing",
            Self::VirtualMediaDisabled { .. } => "virtual-media-disabled",
            Self::SlotOccupied { .. } => "slot-occupied",
            Self::MediaConnectionsInUse { .. } => "media-connections-in-use",
            Self::ConfigurationPending { .. } => "configuration-pending",
            Self::UnknownSlot => "unknown-slot",
            Self::NoInsertRoute => "no-insert-route",
            Self::WrongImageKind { .. } => "wrong-image-kind",
            Self::UnsupportedImageScheme { .. } => "unsupported-image-scheme",
            Self::ImageUnreadable { .. } => "image-unreadable",
            Self::UnsupportedImageUrl { .. } => "unsupported-image-url",
            Self::WrongBootMode { .. } => "wrong-boot-mode",
            Self::NoBootTarget { .. } => "no-boot-target",
            Self::NoResetAction => "no-reset-action",
            Self::NoEffect { .. } => "no-effect",
            Self::TaskFailed { .. } => "task-failed",
            Self::Busy { .. } => "busy",
            Self::NotFound => "not-found",
            Self::Refused { .. } => "refused",
            Self::ServerFault { .. } => "server-fault",
        }
    }
}
