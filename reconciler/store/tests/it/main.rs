// SPDX-License-Identifier: AGPL-3.0-or-later
//! Tests of the store through its public face.

mod conformance;
mod crash;
mod damage;
mod disk_full;
mod export;
mod group_commit;
mod ledger;
mod opening;
mod power_loss;
mod restore;
mod support;
mod typed;
mod upgrade;
