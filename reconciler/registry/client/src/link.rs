// SPDX-License-Identifier: AGPL-3.0-or-later
//! The `Link` header of paged answers (RFC 8288), as far as registries use it.

use reqwest::header::{HeaderMap, LINK};
use url::Url;

/// The address of the next page, relative to the page that it came with; `None`: this was the last.
///
/// A page on another host is no page of this list: such a link is ignored.
pub(crate) fn next(page: &Url, headers: &HeaderMap) -> Option<Url> {
    let values = headers.get_all(LINK).iter().filter_map(|value| value.to_str().ok());
    let target = values.flat_map(links).find(|(_, parameters)| is_next(parameters))?.0;
    let next = page.join(target).ok()?;
    (next.origin() == page.origin() && next != *page).then_some(next)
}

/// Every `<target>; parameters` of a value.
fn links(mut value: &str) -> Vec<(&str, &str)> {
    let mut found = Vec::new();
    while let Some((_, rest)) = value.split_once('<') {
        let Some((target, rest)) = rest.split_once('>') else { break };
        let end = rest.find(",<").or_else(|| rest.find(", <")).unwrap_or(rest.len());
        found.push((target, &rest[..end]));
        value = &rest[end..];
    }
    found
}

fn is_next(parameters: &str) -> bool {
    parameters.split(';').any(|parameter| {
        let Some((name, value)) = parameter.split_once('=') else { return false };
        let words = value.trim().trim_matches('"');
        name.trim().eq_ignore_ascii_case("rel")
            && words.split_whitespace().any(|word| word.eq_ignore_ascii_case("next"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next_of(value: &str) -> Option<String> {
        let mut headers = HeaderMap::new();
        headers.insert(LINK, value.parse().unwrap());
        let page = Url::parse("https://r.example/v2/a/tags/list?n=2").unwrap();
        next(&page, &headers).map(String::from)
    }

    #[test]
    fn the_next_page_is_found_relative_or_absolute() {
        let wanted = Some("https://r.example/v2/a/tags/list?n=2&last=b".to_owned());
        assert_eq!(next_of("</v2/a/tags/list?n=2&last=b>; rel=\"next\""), wanted);
        assert_eq!(next_of("<https://r.example/v2/a/tags/list?n=2&last=b>;rel=next"), wanted);
        assert_eq!(next_of("</x>; rel=\"prev\", </v2/a/tags/list?n=2&last=b>; rel=\"next\""), wanted);
    }

    #[test]
    fn a_page_elsewhere_or_the_same_page_again_is_no_next_page() {
        assert_eq!(next_of("<https://evil.example/v2/a/tags/list>; rel=next"), None);
        assert_eq!(next_of("</v2/a/tags/list?n=2>; rel=next"), None);
        assert_eq!(next_of("</v2/a/tags/list?n=2&last=b>; rel=prev"), None);
        assert_eq!(next_of("nothing"), None);
    }
}
