// SPDX-License-Identifier: AGPL-3.0-or-later
//! Tests of the dispatcher as a whole: one program, so that it is linked once.

mod binary;
mod disks;
mod mounted;
mod pinned;
mod progress;
mod report;
mod run;
mod support;
