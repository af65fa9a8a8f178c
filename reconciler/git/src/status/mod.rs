// SPDX-License-Identifier: AGPL-3.0-or-later
//! Writing the status branch.

mod message;
mod rotate;
mod writer;

pub use message::{Author, InvalidMessage};
pub use rotate::Rotated;
pub use writer::{PublishOutcome, Rebuild, Refuse, StatusCommit, StatusError, StatusTip, StatusWriter};

pub(crate) use message::commit_text;
