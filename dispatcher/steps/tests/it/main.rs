// SPDX-License-Identifier: AGPL-3.0-or-later
//! The steps against real archives, a real registry protocol, real tools and real file systems.

mod binary;
mod disks;
mod hostile;
mod real_tar;
mod registry;
mod support;
