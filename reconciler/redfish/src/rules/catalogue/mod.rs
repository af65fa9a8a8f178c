// SPDX-License-Identifier: AGPL-3.0-or-later
//! The list of rules, a file for each theme. Out of it the reference in `docs/reference/redfish-rules.md`
//! is made.
//!
//! Each rule has one paragraph on what BMCs do, one on where that is known from, whether it is on for
//! every BMC or where discovery saw a reason, the file that applies it, and how it is proven.

#[macro_use]
mod boot;
#[macro_use]
mod door;
#[macro_use]
mod http;
#[macro_use]
mod meaning;
#[macro_use]
mod media;
#[macro_use]
mod oem;
#[macro_use]
mod order;
#[macro_use]
mod power;
#[macro_use]
mod slots;
#[macro_use]
mod tasks;
#[macro_use]
mod way;

/// How a rule is proven.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// A scenario of the rule's own, which succeeds with the rule and fails without it.
    Scenario,
    /// A test, of a rule that cannot be switched off.
    Test {
        /// File of the test, below the repository.
        file: &'static str,
        /// Its name.
        test: &'static str,
        /// Why there is no switch.
        why: &'static str,
    },
}

/// What is known of a rule.
#[derive(Clone, Copy, Debug)]
pub struct RuleFacts {
    /// Its stable name, in small letters with underscores.
    pub id: &'static str,
    /// What BMCs do, and what is done about it.
    pub about: &'static [&'static str],
    /// The file that applies it, below the repository.
    pub file: &'static str,
    /// On only where discovery saw a reason.
    pub of_one_maker: bool,
    /// How it is proven.
    pub proof: Proof,
}

const fn test(file: &'static str, test: &'static str, why: &'static str) -> Proof {
    Proof::Test { file, test, why }
}

/// Adds one theme after the other to what was gathered before, and makes the list of it.
macro_rules! gather {
    ({ $($rules:tt)* }) => { catalogue! { $($rules)* } };
    ({ $($rules:tt)* } $theme:ident $($more:ident)*) => { $theme! { { $($rules)* } $($more)* } };
}

macro_rules! catalogue {
    ($($(#[doc = $doc:literal])* $name:ident $id:literal, $scope:ident, $file:literal, $proof:expr;)*) => {
        /// Something that BMCs do, and that the client copes with.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Rule { $($(#[doc = $doc])* $name,)* }

        impl Rule {
            /// All of them, in the order of the list.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// What is known of it.
            pub const fn facts(self) -> RuleFacts {
                match self {
                    $(Self::$name => RuleFacts {
                        id: $id,
                        about: &[$($doc),*],
                        file: concat!("reconciler/redfish/src/", $file),
                        of_one_maker: catalogue!(@$scope),
                        proof: $proof,
                    },)*
                }
            }
        }
    };
    (@every) => { false };
    (@some) => { true };
}

use Proof::Scenario;

gather! { {} way slots door http meaning media oem tasks boot power order }
