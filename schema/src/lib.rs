// SPDX-License-Identifier: AGPL-3.0-or-later
//! The types of every document that Shoal reads or writes.
//!
//! * [`kinds`]: what people commit (Fleet, Server, Recipe, Image, Secret, Approval).
//! * [`wire`]: what processes say to each other (recipe, task medium, permit, webhook, stamp).
//! * [`plan`]: the plan document. [`status`]: the files of the status branch. [`api`]: HTTP bodies.
//!
//! Guarantees: no IO, no clock, no randomness; a value that serialises reads back as itself;
//! unknown fields are refused in everything that people write.
//! Assumptions: callers hand in times and identifiers.

pub mod api;
pub mod digest;
pub mod disk;
pub mod ids;
pub mod kinds;
pub mod network;
pub mod plan;
pub mod plan_file;
pub mod recipients;
pub mod secret_value;
pub mod size;
pub mod status;
pub mod step;
mod string_schema;
pub mod wire;

pub use digest::Sha256;
pub use ids::{JobId, LedgerId};
pub use secret_value::SecretString;
