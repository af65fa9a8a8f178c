// SPDX-License-Identifier: AGPL-3.0-or-later
//! Everything that the core promises, from the outside.

mod support;

mod conditions;
mod decide;
mod job_life;
mod job_routes;
mod job_table;
mod job_walk;
mod markdown;
mod permit;
mod plan_approvals;
mod plan_fleet;
mod plan_follow;
mod plan_holds;
mod plan_id;
mod plan_random;
mod plan_table;
mod records;
mod report;
mod retry;
mod scenarios;
mod superseded;
