// SPDX-License-Identifier: AGPL-3.0-or-later
//! The client against servers: recordings of real BMCs, and small ones that misbehave.

mod boot;
mod discovery;
mod eject;
mod flow;
mod hostile;
mod http;
mod insert;
mod models;
mod power;
mod property;
mod recordings;
mod rules;
mod secrets;
mod sessions;
mod support;
mod tls;
