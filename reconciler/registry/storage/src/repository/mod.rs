// SPDX-License-Identifier: AGPL-3.0-or-later
//! Repositories: which blobs and manifests belong to them, their tags, and what refers to what.

mod delete;
pub(crate) mod gate;
pub(crate) mod images;
mod links;
mod names;
pub(crate) mod needed;
pub(crate) mod pattern;
pub(crate) mod put;
pub(crate) mod read;
pub(crate) mod records;
mod referrers;

use jiff::Timestamp;

use self::gate::Gate;
use crate::Storage;
use crate::disk::Files;
use crate::index::TagIndex;

impl Storage {
    pub(crate) fn files(&self) -> &Files {
        &self.inner.files
    }

    pub(crate) fn gate(&self) -> &Gate {
        &self.inner.gate
    }

    pub(crate) fn index(&self) -> &TagIndex {
        &self.inner.index
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.inner.options.clock.now()
    }
}
