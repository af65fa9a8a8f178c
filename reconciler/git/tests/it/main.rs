// SPDX-License-Identifier: AGPL-3.0-or-later
//! The library against real repositories, made and judged by the `git` command.

mod clone;
mod common;
mod history;
mod import;
mod maintain;
mod mirror;
mod network;
mod scale;
mod seam;
mod server;
mod status;
mod tree;
mod worktree;
