// SPDX-License-Identifier: AGPL-3.0-or-later
//! How data is shown: tables, plans, progress, times.

mod clean;
mod plan;
mod progress;
mod table;
mod times;
pub(crate) mod yaml;

pub(crate) use clean::clean;
pub(crate) use plan::{PlanFormat, render_plan};
pub(crate) use progress::{is_news, progress};
pub(crate) use table::Table;
pub(crate) use times::{ago, parse_duration};
