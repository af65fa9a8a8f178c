// SPDX-License-Identifier: AGPL-3.0-or-later
//! Emulated BMCs over real HTTP and HTTPS.

mod client;
mod fixture;
mod image_server;
mod route;

mod behaviour_auth;
mod behaviour_boot;
mod behaviour_http;
mod behaviour_media;
mod behaviour_power;
mod books;
mod clients;
mod farm;
mod faults;
mod models;
mod recordings;
mod witness;
