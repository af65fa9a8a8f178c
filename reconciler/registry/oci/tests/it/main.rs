// SPDX-License-Identifier: AGPL-3.0-or-later
//! What holds for every input: names against the specification's expressions, reading against
//! writing, manifests against any JSON.

mod expression;
mod manifests;
mod names;
