// SPDX-License-Identifier: AGPL-3.0-or-later
//! Trust between Shoal's parts: pinned keys, authorities, certificates of our own making.
//!
//! * [`Pin`] names a public key; [`Trust`] says whose certificates a client believes, and
//!   [`client_config()`] makes the client's side of TLS of it.
//! * [`OwnCertificate`] is a server's certificate of its own making, [`config_from_files()`] one that was
//!   given.
//! * [`private_file`] writes what only its owner may read.
//!
//! Guarantees: handshake signatures are always verified, so only the holder of a key can answer; the
//! crypto provider is ring and is handed to rustls, nothing is installed for the whole process.
//! Caveats: HTTP/1.1 is the only protocol that servers offer.

mod own;
mod pin;
mod pinned;
pub mod private_file;
mod trust;

pub use own::{OwnCertificate, TlsError, config_from_files, pin_of_file};
pub use pin::{BadPin, Pin};
pub use pinned::PinMismatch;
pub use trust::{Trust, TrustError, client_config, is_untrusted};
