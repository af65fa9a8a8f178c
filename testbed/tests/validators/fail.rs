// SPDX-License-Identifier: AGPL-3.0-or-later
//! What a validator says of a BMC.

use serde::Deserialize;

/// Which one says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Validator {
    /// `redfish_service_validator`: schemas.
    Service,
    /// `redfish_protocol_validator`: the specification.
    Protocol,
}

/// A FAIL.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Fail {
    /// The rule: a kind of error of the service validator, or an id of the protocol validator.
    pub(crate) assertion: String,
    /// Where: address and property, or method and address.
    pub(crate) at: String,
    /// What the validator says.
    pub(crate) message: String,
}

/// All that a validator says of a BMC.
#[derive(Debug, Deserialize)]
pub(crate) struct Report {
    /// How many checks passed.
    pub(crate) passes: usize,
    /// Whether it came to the end.
    pub(crate) finished: bool,
    /// What failed.
    pub(crate) fails: Vec<Fail>,
}
