// SPDX-License-Identifier: AGPL-3.0-or-later
//! `shoal-steps`: one subcommand for each step.
fn main() {}
