// SPDX-License-Identifier: AGPL-3.0-or-later
//! The generated references: what the code itself says, as Markdown and JSON Schema.
//!
//! Guarantees: deterministic; a repository can keep the files and check that they are up to date.

mod cli;
mod env;
mod inventory;
pub mod schemas;

pub use cli::cli_markdown;
pub use env::env_markdown;
pub use inventory::inventory_markdown;
