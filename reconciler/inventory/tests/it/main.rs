// SPDX-License-Identifier: AGPL-3.0-or-later
//! The crate's public face, over files as people write them.

mod documents;
mod example;
mod follow;
mod hostile;
mod load;
mod properties;
mod render;
mod repositories;
mod support;
