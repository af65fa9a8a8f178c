// SPDX-License-Identifier: AGPL-3.0-or-later
//! What a run is told, apart from the machine itself.

use std::time::Duration;

use crate::permit::PermitPolicy;
use crate::webhook::WebhookPolicy;

/// Where the machine's serial number comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SerialSource {
    /// The firmware's tables.
    Dmi,
    /// A person gave it, in the environment; only on explicit request.
    Given(Option<String>),
}

/// Settings of a run. `Default` is what the maintenance OS uses.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Name of the recipe on the medium.
    pub recipe_name: String,
    /// Name of the recipe's schema on the medium.
    pub schema_name: String,
    /// How long to wait for the medium. USB devices show up seconds after the first unit.
    pub medium_wait: Duration,
    /// Pause between two looks at the devices.
    pub poll_interval: Duration,
    /// How long to wait for network interfaces that the task names: drivers load late.
    pub interface_wait: Duration,
    /// Where the serial number comes from.
    pub serial: SerialSource,
    /// Whether the target is started in the end.
    pub start: bool,
    /// A target to start instead of the recipe's.
    pub target_override: Option<String>,
    /// Whether the system clock is set from the controller's answer.
    pub set_clock: bool,
    /// How to ask for the permit.
    pub permit: PermitPolicy,
    /// How to deliver the outcome.
    pub webhook: WebhookPolicy,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            recipe_name: "recipe.json".to_owned(),
            schema_name: "recipe.schema.json".to_owned(),
            medium_wait: Duration::from_secs(120),
            poll_interval: Duration::from_secs(1),
            interface_wait: Duration::from_secs(30),
            serial: SerialSource::Dmi,
            start: true,
            target_override: None,
            set_clock: true,
            permit: PermitPolicy::default(),
            webhook: WebhookPolicy::default(),
        }
    }
}
