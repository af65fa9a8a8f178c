// SPDX-License-Identifier: AGPL-3.0-or-later
//! YAML 1.2, read strictly into a tree with spans.
//!
//! Guarantees:
//! * any bytes give a tree or faults, never a panic; nesting and aliases are bounded;
//! * keys are text and unique; there are no tags and no merge keys;
//! * scalars mean what the core schema of YAML 1.2 says, and what YAML 1.1 tools would read
//!   otherwise is found.
//!
//! Accepted: LF, CRLF and CR line ends; a byte order mark at the start of a file (editors on
//! Windows write one); several documents; anchors and aliases within a document.

mod builder;
pub(crate) mod fault;
mod read;
pub(crate) mod scalar;
mod text;
mod tree;

pub(crate) use builder::quoted;
pub(crate) use fault::{Fault, Show};
pub(crate) use read::{Document, read};
pub(crate) use text::{Lines, decode};
pub(crate) use tree::{Entry, Found, Kind, Node, Style};
