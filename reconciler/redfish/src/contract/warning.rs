// SPDX-License-Identifier: AGPL-3.0-or-later
//! What an operator should know of a BMC: a sentence for people, and what it is about for programs.

use std::fmt;

use serde::{Serialize, Serializer};

/// Something that an operator should know. Serialised, it is its sentence.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Warning {
    /// What it is about. The sentence may be worded anew at any time; this may not.
    pub about: About,
    /// One sentence, without credentials and capabilities.
    pub text: String,
}

/// What a [`Warning`] is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum About {
    /// The BMC is spoken to without TLS.
    NoTls,
    /// The certificate is not checked.
    UncheckedCertificate,
    /// A resource cannot be read; discovery went on without it.
    Unreadable,
    /// The system has no serial number.
    NoSerial,
    /// No manager of the system was found.
    NoManager,
    /// The system has no reset action.
    NoReset,
    /// A licence is, or seems to be, missing.
    Licence,
    /// Virtual media are kept from the host.
    MediaDetached,
    /// Virtual media are disabled.
    MediaDisabled,
    /// Remote media are switched off, and somebody must switch them on.
    RemoteMediaOff,
    /// Remote media are switched off, and are switched on before the first image.
    RemoteMediaSwitchedOn,
    /// Remote media have no CD, and somebody must give them some.
    NoCdInstance,
    /// A console session holds a slot.
    SlotHeldByConsole,
    /// A slot has an image already.
    SlotOccupied,
    /// Maintenance OS and task come as one image.
    OneImage,
    /// No medium can be brought to the machine.
    NoMedia,
    /// Only booting over HTTP is left.
    OverHttp,
    /// Only one scheme of image addresses is taken.
    Schemes,
    /// The BMC checks the certificate of our media.
    MediaCertificate,
    /// The BMC shows no boot override.
    NoOverride,
    /// The BMC does not list its boot targets.
    TargetsNotListed,
    /// The boot mode must be changed by hand.
    WrongBootMode,
    /// The boot mode is changed for our boot.
    BootModeChanged,
}

impl About {
    /// All of them.
    pub const ALL: &[Self] = &[
        Self::NoTls,
        Self::UncheckedCertificate,
        Self::Unreadable,
        Self::NoSerial,
        Self::NoManager,
        Self::NoReset,
        Self::Licence,
        Self::MediaDetached,
        Self::MediaDisabled,
        Self::RemoteMediaOff,
        Self::RemoteMediaSwitchedOn,
        Self::NoCdInstance,
        Self::SlotHeldByConsole,
        Self::SlotOccupied,
        Self::OneImage,
        Self::NoMedia,
        Self::OverHttp,
        Self::Schemes,
        Self::MediaCertificate,
        Self::NoOverride,
        Self::TargetsNotListed,
        Self::WrongBootMode,
        Self::BootModeChanged,
    ];

    /// Whether it says that the boot mode is not UEFI.
    pub fn is_of_the_boot_mode(self) -> bool {
        matches!(self, Self::WrongBootMode | Self::BootModeChanged)
    }
}

impl Warning {
    pub(crate) fn new(about: About, text: impl Into<String>) -> Self {
        Self { about, text: text.into() }
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Serialize for Warning {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}
