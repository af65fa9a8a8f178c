// SPDX-License-Identifier: AGPL-3.0-or-later
//! The client against servers: recordings of real BMCs, and small ones that misbehave.

mod recordings;
mod support;
