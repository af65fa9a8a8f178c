// SPDX-License-Identifier: AGPL-3.0-or-later
//! Task media, seen from outside: written here, read back by others.

mod composed;
mod conformance;
mod golden;
mod hadris;
mod hostile;
mod roundtrip;
mod sets;
mod xorriso;
