// SPDX-License-Identifier: AGPL-3.0-or-later
//! Tests of secrets through their public face.

mod editing;
mod envelope;
mod keys;
mod redaction;
mod support;
mod verifying;
