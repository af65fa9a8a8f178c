// SPDX-License-Identifier: AGPL-3.0-or-later
//! The library against real repositories, made and judged by the `git` command.

mod common;
mod mirror;
mod status;
