// SPDX-License-Identifier: AGPL-3.0-or-later
//! Names, tags, digests, references and ranges.

use proptest::prelude::*;
use shoal_oci::{
    Algorithm, ContentRange, ContentRangeError, Digest, DigestError, Hasher, ImageReference, NameError,
    Reference, RepositoryName, Tag, referrers_tag,
};

use crate::expression;

/// The characters that decide, and some that never fit, so that both answers are common.
fn near(characters: &'static str, length: std::ops::Range<usize>) -> impl Strategy<Value = String> {
    let characters: Vec<char> = characters.chars().collect();
    prop::collection::vec(prop::sample::select(characters), length).prop_map(String::from_iter)
}

fn hex(digits: usize) -> impl Strategy<Value = String> {
    near("0123456789abcdef", digits..digits + 1)
}

pub(crate) fn a_digest() -> impl Strategy<Value = Digest> {
    prop_oneof![
        hex(64).prop_map(|hex| format!("sha256:{hex}")),
        hex(128).prop_map(|hex| format!("sha512:{hex}"))
    ]
    .prop_map(|text| Digest::parse(&text).expect("digits of the right number"))
}

/// What the specification allows and its length as well.
fn a_repository() -> impl Strategy<Value = String> {
    r"[a-z0-9]{1,4}((\.|_|__|-{1,3})[a-z0-9]{1,4}){0,3}(/[a-z0-9]{1,4}((\.|_|__|-{1,3})[a-z0-9]{1,4}){0,3}){0,3}"
}

fn a_tag() -> impl Strategy<Value = String> {
    "[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}"
}

fn a_registry() -> impl Strategy<Value = String> {
    let host = prop_oneof![
        "[a-zA-Z0-9]{1,5}(-[a-z0-9]{1,5})?(\\.[a-z0-9]{1,5}){0,3}",
        any::<std::net::Ipv4Addr>().prop_map(|address| address.to_string()),
        any::<std::net::Ipv6Addr>().prop_map(|address| format!("[{address}]")),
    ];
    (host, prop::option::of(1_u16..)).prop_map(|(host, port)| match port {
        Some(port) => format!("{host}:{port}"),
        None => host,
    })
}

#[test]
fn every_short_text_of_the_characters_that_decide_is_read_as_the_specification_says() {
    let rule = expression::repository();
    let mut texts = vec![String::new()];
    for _ in 0..6 {
        texts =
            texts.iter().flat_map(|text| ['a', '.', '_', '-', '/'].map(|c| format!("{text}{c}"))).collect();
        for text in &texts {
            assert_eq!(RepositoryName::parse(text).is_ok(), rule.fits(text), "{text:?}");
        }
    }
}

#[test]
fn of_all_characters_only_sixteen_are_digits_of_a_digest() {
    let ends = |c: &char| Digest::parse(&format!("sha256:{}{c}", "0".repeat(63))).is_ok();
    let digits: String = (0..0x250).filter_map(char::from_u32).filter(ends).collect();
    assert_eq!(digits, "0123456789abcdef");
}

proptest! {
    #[test]
    fn a_repository_name_is_one_exactly_where_the_specification_says_so(text in near("ab9._-_-/A ä", 0..14)) {
        let read = RepositoryName::parse(&text);
        prop_assert_eq!(read.is_ok(), expression::repository().fits(&text), "{:?}", text);
        if let Ok(name) = read {
            prop_assert_eq!(name.to_string(), text);
        }
    }

    #[test]
    fn every_name_that_the_expression_makes_is_read_unless_it_is_too_long(
        text in r"[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*"
    ) {
        match RepositoryName::parse(&text) {
            Ok(name) => prop_assert_eq!(name.as_str(), text),
            Err(error) => {
                prop_assert!(text.len() > 255);
                prop_assert_eq!(error, NameError::TooLong { bytes: text.len() });
            }
        }
    }

    #[test]
    fn a_repository_name_never_leaves_its_directory(text in "\\PC{0,40}|[a-z./_-]{0,40}") {
        if let Ok(name) = RepositoryName::parse(&text) {
            let path = std::path::Path::new(name.as_str());
            let usual = |part| matches!(part, std::path::Component::Normal(_));
            prop_assert!(path.is_relative() && path.components().all(usual));
            prop_assert_eq!(path.components().count(), name.as_str().split('/').count());
            prop_assert!(name.as_str().split('/').all(|part| !part.starts_with(['_', '.'])));
        }
    }

    #[test]
    fn a_tag_is_one_exactly_where_the_specification_says_so(
        text in prop_oneof![near("aZ9._-/: ä", 0..6), near("aZ9._-", 120..136)]
    ) {
        let read = Tag::parse(&text);
        prop_assert_eq!(read.is_ok(), expression::tag().fits(&text), "{:?}", text);
        if let Ok(tag) = read {
            prop_assert_eq!(tag.to_string(), text);
        }
    }

    #[test]
    fn text_is_a_digest_of_some_algorithm_exactly_where_the_specification_says_so(
        text in near("a9F=_-:+.: ä", 0..12)
    ) {
        let unsupported = matches!(Digest::parse(&text), Err(DigestError::Unsupported(_)));
        prop_assert_eq!(unsupported, expression::digest().fits(&text), "{:?}", text);
    }

    #[test]
    fn a_digest_is_written_as_it_was_read(digest in a_digest()) {
        prop_assert_eq!(&Digest::parse(digest.as_str()).unwrap(), &digest);
        prop_assert_eq!(format!("{}:{}", digest.algorithm(), digest.hex()), digest.to_string());
        prop_assert_eq!(Reference::parse(digest.as_str()), Ok(Reference::Digest(digest.clone())));
        let json = serde_json::to_string(&digest).unwrap();
        prop_assert_eq!(serde_json::from_str::<Digest>(&json).unwrap(), digest);
    }

    #[test]
    fn a_digest_with_one_character_changed_is_no_digest_or_another_one(
        digest in a_digest(), at in any::<prop::sample::Index>(), with in any::<char>()
    ) {
        let mut text: Vec<char> = digest.as_str().chars().collect();
        let at = at.index(text.len());
        prop_assume!(text[at] != with);
        text[at] = with;
        let text = String::from_iter(text);
        if let Ok(other) = Digest::parse(&text) {
            prop_assert_ne!(&other, &digest);
            prop_assert_eq!(other.as_str(), text);
            prop_assert!(matches!(with, '0'..='9' | 'a'..='f'));
        }
    }

    #[test]
    fn digests_are_ordered_as_their_text_is(one in a_digest(), other in a_digest()) {
        prop_assert_eq!(one.cmp(&other), one.as_str().cmp(other.as_str()));
    }

    #[test]
    fn bytes_have_the_same_digest_however_they_are_cut(bytes in any::<Vec<u8>>(), size in 1_usize..40) {
        for algorithm in [Algorithm::Sha256, Algorithm::Sha512] {
            let mut hasher = Hasher::new(algorithm);
            bytes.chunks(size).for_each(|chunk| hasher.update(chunk));
            let digest = hasher.finish();
            prop_assert_eq!(&digest, &Digest::of(algorithm, &bytes));
            prop_assert_eq!(Digest::parse(digest.as_str()), Ok(digest));
        }
    }

    #[test]
    fn the_referrers_tag_of_a_digest_is_its_own_up_to_64_digits(digest in a_digest()) {
        let tag = referrers_tag(&digest);
        let (algorithm, hex) = tag.as_str().split_once('-').unwrap();
        prop_assert_eq!(algorithm, digest.algorithm().as_str());
        prop_assert_eq!(hex.len(), 64);
        prop_assert!(digest.hex().starts_with(hex));
    }

    #[test]
    fn text_is_a_tag_or_a_digest_or_neither_and_never_both(text in near("aF9:._-=/ ", 0..80)) {
        match Reference::parse(&text) {
            Ok(Reference::Tag(tag)) => prop_assert!(tag.as_str() == text && Digest::parse(&text).is_err()),
            Ok(Reference::Digest(digest)) => prop_assert!(digest.as_str() == text && Tag::parse(&text).is_err()),
            Err(_) => prop_assert!(Tag::parse(&text).is_err() && Digest::parse(&text).is_err()),
        }
    }

    #[test]
    fn an_image_reference_is_made_of_its_parts_and_written_as_it_was_read(
        registry in a_registry(),
        repository in a_repository(),
        tag in prop::option::of(a_tag()),
        digest in prop::option::of(a_digest()),
    ) {
        let mut text = format!("{registry}/{repository}");
        if let Some(tag) = &tag {
            text = format!("{text}:{tag}");
        }
        if let Some(digest) = &digest {
            text = format!("{text}@{digest}");
        }
        let read = ImageReference::parse(&text).unwrap();
        prop_assert_eq!(read.to_string(), text);
        prop_assert_eq!(read.registry, registry);
        prop_assert_eq!(read.repository.as_str(), repository);
        prop_assert_eq!(read.tag.as_ref().map(Tag::as_str), tag.as_deref());
        prop_assert_eq!(read.digest, digest);
    }

    #[test]
    fn any_text_that_is_an_image_reference_is_written_as_it_was_read(text in near("ah1:@/._-[]", 0..16)) {
        if let Ok(read) = ImageReference::parse(&text) {
            prop_assert_eq!(read.to_string(), text);
        }
    }

    #[test]
    fn a_range_is_one_exactly_where_the_specification_says_so(text in near("0199- +/", 0..9)) {
        let malformed = ContentRange::parse(&text) == Err(ContentRangeError::Malformed);
        prop_assert_eq!(!malformed, expression::range().fits(&text), "{:?}", text);
    }

    #[test]
    fn a_range_has_both_its_ends_and_is_written_as_it_was_read(first in any::<u64>(), last in any::<u64>()) {
        let text = format!("{first}-{last}");
        match ContentRange::parse(&text) {
            Ok(range) => {
                prop_assert_eq!((range.first, range.last), (first, last));
                prop_assert_eq!(range.len(), last - first + 1);
                prop_assert_eq!(range.to_string(), text);
            }
            Err(error) if last < first => prop_assert_eq!(error, ContentRangeError::Backwards { first, last }),
            Err(error) => {
                prop_assert_eq!(error, ContentRangeError::TooLarge);
                prop_assert_eq!(last, u64::MAX);
            }
        }
    }
}
