// SPDX-License-Identifier: AGPL-3.0-or-later
//! Reading resources as BMCs really send them: everything optional, types approximate.

pub(crate) mod action;
pub(crate) mod boot;
pub(crate) mod json;
pub(crate) mod media;
pub(crate) mod oem;
pub(crate) mod system;
