// SPDX-License-Identifier: AGPL-3.0-or-later
//! Everything that the core promises, from the outside.

mod support;

mod job_life;
mod job_table;
mod job_walk;
mod plan_fleet;
mod plan_table;
mod retry;
