// SPDX-License-Identifier: AGPL-3.0-or-later
//! The command line as a person or a script meets it: the real binary, with nobody's environment,
//! on real repositories.

mod approve;
mod backup;
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
mod restore;
mod run;
mod running;
mod secret;
mod status_rebuild;
mod talk;
mod validate;
mod wrong_input;
