// SPDX-License-Identifier: AGPL-3.0-or-later
//! Our media address against what the BMC takes.

use shoal_redfish::ImageSchemes;
use url::{Host, Url};

use super::finding::{Check, Findings, Verdict};
use crate::error::CliError;

/// What the controller puts behind a media address: `/media/`, a capability of 43 characters, a name.
const BEHIND: usize = "/media/".len() + 43 + "/boot.iso".len();
/// Longer image addresses are cut or refused by some BMCs.
const LONGEST: usize = 200;

/// Not a parser of clap's, which repeats what was typed.
pub(super) fn media_url(text: &str) -> Result<Url, CliError> {
    let wrong = |why: &str| {
        CliError::user("media.url", format!("the media address cannot be used: {why}"))
            .hint("http://IP:PORT or https://IP:PORT, as in mediaUrls of the Fleet")
    };
    let url: Url = text.parse().map_err(|_| wrong("it is no URL"))?;
    if !matches!(url.scheme(), "https" | "http") || url.host().is_none() {
        return Err(wrong("it is neither https:// nor http://"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("an account does not belong into it"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(wrong("it has a query, and some BMCs refuse those"));
    }
    Ok(url)
}

/// Judges the address that the controller would take of these: the first whose scheme fits.
pub(super) fn judge(findings: &mut Findings, bmc: &Url, addresses: &[Url], takes: ImageSchemes) {
    if addresses.is_empty() {
        findings.not_known(
            Check::MediaAddress,
            "none was given",
            "name the controller's with --media-address URL",
        );
        return;
    }
    let Some(url) = addresses.iter().find(|url| takes.takes(url.scheme())) else {
        let offered: Vec<&str> = addresses.iter().map(Url::scheme).collect();
        findings.add(
            Check::MediaAddress,
            Verdict::Failed,
            format!("the BMC takes images over {} only, offered is {}", takes.in_words(), offered.join(", ")),
            "listen on the other scheme too (MEDIA_ADDR, MEDIA_TLS_ADDR) and add it to mediaUrls of the Fleet",
        );
        return;
    };
    let shown = url.as_str().trim_end_matches('/');
    findings.ok(Check::MediaAddress, format!("{shown}: its scheme fits"));
    let (unspecified, loopback) = match url.host() {
        Some(Host::Ipv4(ip)) => (ip.is_unspecified(), ip.is_loopback()),
        Some(Host::Ipv6(ip)) => (ip.is_unspecified(), ip.is_loopback()),
        Some(Host::Domain(name)) => {
            let advice = "many BMCs have no DNS, or another one: offer an IP address";
            findings.add(Check::MediaAddress, Verdict::Warning, "it is a name, not an address", advice);
            (false, name == "localhost")
        }
        None => (true, false),
    };
    if unspecified || (loopback && !is_loopback(bmc)) {
        let advice = "offer an address of the controller on the BMC's network";
        findings.add(Check::MediaAddress, Verdict::Failed, "no BMC can reach it", advice);
    }
    let length = shown.len() + BEHIND;
    if length > LONGEST {
        findings.add(
            Check::MediaAddress,
            Verdict::Warning,
            format!("image addresses have {length} characters"),
            &format!("some BMCs cut or refuse more than {LONGEST}: shorten it"),
        );
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Finding;
    use super::*;

    fn judged(bmc: &str, addresses: &[&str], takes: ImageSchemes) -> Finding {
        let mut findings = Findings::default();
        let addresses: Vec<Url> = addresses.iter().map(|text| media_url(text).ok().unwrap()).collect();
        judge(&mut findings, &bmc.parse().unwrap(), &addresses, takes);
        let all = findings.all("");
        all.into_iter().find(|finding| finding.check == Check::MediaAddress).unwrap()
    }

    const BMC: &str = "https://10.0.0.12";
    const HTTPS: ImageSchemes = ImageSchemes { http: false, https: true };

    #[test]
    fn the_first_address_whose_scheme_fits_is_the_one_that_counts() {
        let found = judged(BMC, &["http://10.0.0.1:8081", "https://10.0.0.1:8443/"], HTTPS);
        assert_eq!((found.verdict, &*found.seen), (Verdict::Ok, "https://10.0.0.1:8443: its scheme fits"));
        let found = judged(BMC, &["http://10.0.0.1:8081"], HTTPS);
        assert_eq!(found.verdict, Verdict::Failed);
        assert!(found.seen.contains("https only, offered is http"), "{}", found.seen);
    }

    #[test]
    fn names_long_addresses_and_those_that_no_bmc_reaches_are_told() {
        let any = ImageSchemes::default();
        assert_eq!(judged(BMC, &["http://media.example.org"], any).verdict, Verdict::Warning);
        assert_eq!(judged(BMC, &["http://127.0.0.1:8081"], any).verdict, Verdict::Failed);
        assert_eq!(judged("https://127.0.0.1:1", &["http://127.0.0.1:8081"], any).verdict, Verdict::Ok);
        assert_eq!(judged(BMC, &["http://0.0.0.0:8081"], any).verdict, Verdict::Failed);
        let long = format!("http://10.0.0.1/{}", "a/".repeat(70));
        assert_eq!(judged(BMC, &[&long], any).verdict, Verdict::Warning);
    }

    #[test]
    fn an_address_with_an_account_or_a_query_is_refused_without_being_repeated() {
        for text in ["http://u:c4n4ry@10.0.0.1", "http://10.0.0.1/?c4n4ry", "c4n4ry", "ftp://c4n4ry"] {
            let error = media_url(text).err().unwrap_or_else(|| panic!("{text} was taken"));
            assert!(!error.render(false).contains("c4n4ry"), "{text}");
        }
    }
}
