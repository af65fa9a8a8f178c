// SPDX-License-Identifier: AGPL-3.0-or-later
//! What the keys of messages mean, whoever sends them.
//!
//! A key is the part of a `MessageId` behind its last dot: registries differ in name and version.

use super::{Rule, Rules};

/// What a refusal comes down to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// It passes by itself.
    NotNow,
    /// A licence is missing.
    Licence,
    /// Virtual media are switched off.
    MediaDisabled,
    /// Somebody else holds the slot.
    Occupied,
    /// Every connection for media is in use, of whichever slot.
    Connections,
    /// There is nothing to eject.
    Empty,
    /// Every session is taken.
    Sessions,
    /// User or password are wrong, or the account is locked.
    Credentials,
    /// The image's scheme is not taken.
    Scheme,
    /// The image cannot be read.
    Image,
    /// Changes of configuration wait for a restart, or a job makes some just now.
    Pending,
}

/// Key, meaning, and the rule that knows it; those of the specification need none.
const KEYS: &[(&str, Meaning, Option<Rule>)] = &[
    // HPE iLO (message registry of iLO 6, redfishdocs).
    ("UnableToModifyDuringSystemPOST", Meaning::NotNow, Some(Rule::IloRefusesWhileInPost)),
    ("InvalidOperationForSystemState", Meaning::NotNow, Some(Rule::IloRefusesWhileInPost)),
    ("LicenseKeyRequired", Meaning::Licence, Some(Rule::MissingLicencesAreNamed)),
    ("VirtualMediaIsDisabled", Meaning::MediaDisabled, Some(Rule::DisabledMediaAreNamed)),
    // It is said of what was to be given with the image: an image is in the slot.
    (
        "UnableToModifyAfterVirtualMediaInsert",
        Meaning::Occupied,
        Some(Rule::IloChangesNothingOnceAnImageIsIn),
    ),
    ("MaxVirtualMediaConnectionEstablished", Meaning::Connections, Some(Rule::FullMediaConnectionsAreNamed)),
    // iLO answers 400 with this to a wrong password.
    ("UnauthorizedLoginAttempt", Meaning::Credentials, None),
    // Dell iDRAC.
    ("SYS518", Meaning::NotNow, Some(Rule::IdracMaySayDataSourcesUnavailable)),
    ("RAC0218", Meaning::Sessions, Some(Rule::FullSessionsAreNamed)),
    ("RAC0720", Meaning::Image, Some(Rule::UnreadableImagesAreNamed)),
    ("VRM0009", Meaning::Empty, Some(Rule::EjectedImagesMayShowForAWhile)),
    ("LC068", Meaning::Pending, Some(Rule::PendingConfigurationIsNamed)),
    ("SYS011", Meaning::Pending, Some(Rule::PendingConfigurationIsNamed)),
    // AMI MegaRAC, to a change of what has media in use.
    ("ActionInProgress", Meaning::Connections, Some(Rule::FullMediaConnectionsAreNamed)),
    // iDRAC10 to an `On` that comes too early after off (Ironic `redfish/power.py`).
    ("ActionParameterValueConflict", Meaning::NotNow, Some(Rule::EarlyOnConflicts)),
    // Supermicro; Lenovo.
    ("OemLicenseNotPassed", Meaning::Licence, Some(Rule::MissingLicencesAreNamed)),
    ("LicenseNotPassed", Meaning::Licence, Some(Rule::MissingLicencesAreNamed)),
    ("NoLicenseInstalled", Meaning::Licence, Some(Rule::MissingLicencesAreNamed)),
    // Huawei and xFusion iBMC.
    ("ConnectionOccupied", Meaning::Occupied, Some(Rule::OccupiedSlotsAreNamed)),
    ("VirtualMediaConnectionOccupied", Meaning::Occupied, Some(Rule::OccupiedSlotsAreNamed)),
    ("FileTransferProtocolMismatch", Meaning::Scheme, Some(Rule::RefusedSchemesAreNamed)),
    // Others, and DMTF's own.
    ("VirtualMediaInUse", Meaning::Occupied, Some(Rule::OccupiedSlotsAreNamed)),
    ("VirtualMediaDisabled", Meaning::MediaDisabled, Some(Rule::DisabledMediaAreNamed)),
    ("SourceDoesNotSupportProtocol", Meaning::Scheme, Some(Rule::RefusedSchemesAreNamed)),
    // bmcweb answers this one to an `http` address as well.
    ("ResourceAtUriInUnknownFormat", Meaning::Image, Some(Rule::UnreadableImagesAreNamed)),
    ("ResourceAtUriUnauthorized", Meaning::Image, Some(Rule::UnreadableImagesAreNamed)),
    ("CouldNotEstablishConnection", Meaning::Image, Some(Rule::UnreadableImagesAreNamed)),
    ("SessionLimitExceeded", Meaning::Sessions, Some(Rule::FullSessionsAreNamed)),
    ("CreateLimitReachedForResource", Meaning::Sessions, Some(Rule::FullSessionsAreNamed)),
    ("NoValidSession", Meaning::Credentials, None),
    ("AccountLocked", Meaning::Credentials, None),
    ("ServiceTemporarilyUnavailable", Meaning::NotNow, None),
    ("ServiceInUnknownState", Meaning::NotNow, None),
    ("ResourceInStandby", Meaning::NotNow, None),
    ("ServiceShuttingDown", Meaning::NotNow, None),
];

/// Whether a key means this.
pub(crate) fn means(key: &str, meaning: Meaning, rules: Rules) -> bool {
    KEYS.iter().any(|(known, what, rule)| {
        *what == meaning && rule.is_none_or(|rule| rules.has(rule)) && known.eq_ignore_ascii_case(key)
    })
}
