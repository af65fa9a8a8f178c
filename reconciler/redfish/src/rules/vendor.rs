// SPDX-License-Identifier: AGPL-3.0-or-later
//! Who made it, from the words of system, service root and OEM sections.

/// A maker, as far as rules differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Vendor {
    Ami,
    AsrockRack,
    Cisco,
    Dell,
    Fujitsu,
    Gigabyte,
    H3c,
    Hpe,
    Huawei,
    Intel,
    Lenovo,
    Nvidia,
    OpenBmc,
    Supermicro,
    Xfusion,
    /// Another one, in its own words.
    Other(String),
}

/// Words by which makers are known, in lower case. Longer and rarer ones first.
const WORDS: [(&str, Vendor); 20] = [
    ("asrockrack", Vendor::AsrockRack),
    ("supermicro", Vendor::Supermicro),
    ("super micro", Vendor::Supermicro),
    ("hewlett packard", Vendor::Hpe),
    ("hewlett-packard", Vendor::Hpe),
    ("xfusion", Vendor::Xfusion),
    ("huawei", Vendor::Huawei),
    ("lenovo", Vendor::Lenovo),
    ("fujitsu", Vendor::Fujitsu),
    ("fsas", Vendor::Fujitsu),
    ("gigabyte", Vendor::Gigabyte),
    ("giga computing", Vendor::Gigabyte),
    ("nvidia", Vendor::Nvidia),
    ("cisco", Vendor::Cisco),
    ("intel", Vendor::Intel),
    ("openbmc", Vendor::OpenBmc),
    ("dell", Vendor::Dell),
    ("hpe", Vendor::Hpe),
    ("h3c", Vendor::H3c),
    ("ami", Vendor::Ami),
];

impl Vendor {
    /// Who is meant by some words. Short names count only as whole words: `Miami` is not AMI.
    fn known(words: &str) -> Option<Self> {
        let words = words.to_ascii_lowercase();
        let whole = |name: &str| words.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| word == name);
        WORDS
            .into_iter()
            .find(|(name, _)| if name.len() > 3 { words.contains(name) } else { whole(name) })
            .map(|(_, vendor)| vendor)
            .or_else(|| whole("hp").then_some(Self::Hpe))
    }

    /// The first of these words that names somebody. With none, the first words as they are.
    pub(crate) fn of<'a>(words: impl IntoIterator<Item = &'a str>) -> Self {
        let mut first = None;
        for words in words {
            if let Some(vendor) = Self::known(words) {
                return vendor;
            }
            first = first.or(Some(words));
        }
        Self::Other(first.unwrap_or("unknown").chars().take(60).filter(|c| !c.is_control()).collect())
    }

    /// For people.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Ami => "AMI",
            Self::AsrockRack => "ASRockRack",
            Self::Cisco => "Cisco",
            Self::Dell => "Dell",
            Self::Fujitsu => "Fujitsu",
            Self::Gigabyte => "Gigabyte",
            Self::H3c => "H3C",
            Self::Hpe => "HPE",
            Self::Huawei => "Huawei",
            Self::Intel => "Intel",
            Self::Lenovo => "Lenovo",
            Self::Nvidia => "NVIDIA",
            Self::OpenBmc => "OpenBMC",
            Self::Supermicro => "Supermicro",
            Self::Xfusion => "xFusion",
            Self::Other(words) => words,
        }
    }

    /// For metrics: fixed words only.
    pub(crate) fn label(&self) -> &'static str {
        match self {
            Self::Ami => "ami",
            Self::AsrockRack => "asrockrack",
            Self::Cisco => "cisco",
            Self::Dell => "dell",
            Self::Fujitsu => "fujitsu",
            Self::Gigabyte => "gigabyte",
            Self::H3c => "h3c",
            Self::Hpe => "hpe",
            Self::Huawei => "huawei",
            Self::Intel => "intel",
            Self::Lenovo => "lenovo",
            Self::Nvidia => "nvidia",
            Self::OpenBmc => "openbmc",
            Self::Supermicro => "supermicro",
            Self::Xfusion => "xfusion",
            Self::Other(_) => "other",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn makers_are_known_by_their_many_names() {
        for (words, label) in [
            ("Dell Inc.", "dell"),
            ("HPE", "hpe"),
            ("Hewlett Packard Enterprise", "hpe"),
            ("HP", "hpe"),
            ("Super Micro Computer, Inc.", "supermicro"),
            ("AMI", "ami"),
            ("Miami Servers", "other"),
            ("GIGABYTE", "gigabyte"),
            ("New H3C Technologies Co., Ltd.", "h3c"),
            ("Ts_Fujitsu", "fujitsu"),
        ] {
            assert_eq!(Vendor::of([words]).label(), label, "{words}");
        }
    }

    #[test]
    fn the_first_known_words_win_and_unknown_ones_are_kept() {
        assert_eq!(Vendor::of(["Acme", "Lenovo"]).label(), "lenovo");
        assert_eq!(Vendor::of(["Acme", "Bolt"]).name(), "Acme");
        assert_eq!(Vendor::of([]).name(), "unknown");
    }
}
