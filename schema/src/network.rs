// SPDX-License-Identifier: AGPL-3.0-or-later
//! A machine's own network, by MAC: used by the maintenance OS and handed to the installed system.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::string_schema::string_schema;

/// One interface. Without any, every interface uses DHCP.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Interface {
    /// The name to give it.
    #[schemars(regex(pattern = r"^[a-z][a-z0-9._-]{0,14}$"))]
    pub name: String,
    /// Its hardware address, lower case with colons. Not for bonds and VLANs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mac: Option<Mac>,
    /// Ask a DHCP server. True unless addresses are given, or it is a bond's member.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dhcp: Option<bool>,
    /// Addresses with prefix length: `10.0.0.5/24`, `2001:db8::5/64`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(inner(regex(pattern = r"^[0-9A-Fa-f.:]+/[0-9]{1,3}$")))]
    pub addresses: Vec<String>,
    /// Default gateway.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[0-9A-Fa-f.:]+$"))]
    pub gateway: Option<String>,
    /// Name servers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(inner(regex(pattern = r"^[0-9A-Fa-f.:]+$")))]
    pub dns: Vec<String>,
    /// VLAN number on top of `parent`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 4094))]
    pub vlan: Option<u16>,
    /// The interface that a VLAN stands on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    /// The names of a bond's members. It is of mode `active-backup`, which needs nothing of the switch.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bond: Vec<String>,
    /// Maximum transmission unit in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 576, max = 9216))]
    pub mtu: Option<u16>,
}

/// A hardware address, six lower-case hex pairs with colons.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Mac(String);

string_schema!(Mac, r"^([0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}$");

impl Mac {
    /// Reads pairs with colons or dashes, in either case.
    pub fn parse(text: &str) -> Result<Self, MacError> {
        let lower = text.to_ascii_lowercase().replace('-', ":");
        let fits = lower.len() == 17
            && lower.split(':').count() == 6
            && lower.split(':').all(|p| p.len() == 2 && p.bytes().all(|b| b.is_ascii_hexdigit()));
        if fits { Ok(Self(lower)) } else { Err(MacError { text: text.to_owned() }) }
    }

    /// Lower case with colons.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Mac {
    type Error = MacError;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<Mac> for String {
    fn from(mac: Mac) -> Self {
        mac.0
    }
}

/// A text that is no hardware address.
#[derive(Debug, thiserror::Error)]
#[error("`{text}` is not a hardware address: write six hex pairs with colons, quoted")]
pub struct MacError {
    text: String,
}
