// SPDX-License-Identifier: AGPL-3.0-or-later
//! The command line as a person or a script meets it: the real binary, with nobody's environment,
//! on real repositories.

mod approve;
mod bmc;
mod bmc_check;
mod bmc_stop;
mod harness;
mod help;
mod init;
mod offline;
mod plan;
mod recordings;
mod repository;
mod run;
mod secret;
mod talk;
mod validate;
mod wrong_input;
