// SPDX-License-Identifier: AGPL-3.0-or-later
//! Names of repositories, tags and image references.

use std::path::{Component, Path};

use shoal_oci::{Digest, ImageReference, Reference, RepositoryName, Tag};

/// The input as a repository, a tag, a reference and an image reference.
///
/// # Panics
///
/// Where a name is read that the specification does not allow or the other way round, where a name
/// could leave its directory, or where something is not written as it was read.
pub fn oci_names(input: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(input) else { return false };
    let repository = repository(text);
    let tag = tag(text);
    reference(text, tag.is_some());
    let image = image(text);
    if let Some(name) = &repository {
        round(&format!("localhost:5000/{name}"));
        round(&format!("[::1]/{name}:latest"));
    }
    if let Some(tag) = &tag {
        round(&format!("h/r:{tag}"));
    }
    repository.is_some() || tag.is_some() || image
}

fn repository(text: &str) -> Option<RepositoryName> {
    let read = RepositoryName::parse(text).ok();
    let rule = text.len() <= 255 && text.split('/').all(is_component);
    assert_eq!(read.is_some(), rule, "the specification's rule and the reader disagree on {text:?}");
    let name = read?;
    assert_eq!(name.as_str(), text);
    let path = Path::new(name.as_str());
    assert!(path.components().all(|part| matches!(part, Component::Normal(_))), "{text:?} is no plain path");
    assert_eq!(path.components().count(), text.split('/').count());
    assert!(text.split('/').all(|part| !part.starts_with(['_', '.'])), "{text:?} could be a file of ours");
    let json = serde_json::to_string(&name).expect("a name is a JSON string");
    assert_eq!(serde_json::from_str::<RepositoryName>(&json).expect("it was just written"), name);
    Some(name)
}

/// The specification's expression as rewriting: each separator becomes one mark, and between marks
/// there must be something.
fn is_component(part: &str) -> bool {
    let mut text = part.to_owned();
    while text.contains("--") {
        text = text.replace("--", "-");
    }
    // A mark that is in no input that passes the check below.
    let marked = text.replace("__", "\0").replace(['_', '.', '-'], "\0");
    !part.contains('\0')
        && marked.split('\0').all(|word| {
            !word.is_empty() && word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
        })
}

fn tag(text: &str) -> Option<Tag> {
    let read = Tag::parse(text).ok();
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut characters = text.chars();
    let rule = characters.next().is_some_and(word)
        && characters.all(|c| word(c) || c == '.' || c == '-')
        && text.chars().count() <= 128;
    assert_eq!(read.is_some(), rule, "the specification's rule and the reader disagree on the tag {text:?}");
    let tag = read?;
    assert_eq!(tag.to_string(), text);
    assert!(Path::new(text).file_name().is_some_and(|name| name == text), "{text:?} is no file name");
    Some(tag)
}

fn reference(text: &str, is_tag: bool) {
    let is_digest = Digest::parse(text).is_ok();
    match Reference::parse(text) {
        Ok(Reference::Tag(tag)) => assert!(is_tag && !is_digest && tag.as_str() == text),
        Ok(Reference::Digest(digest)) => assert!(is_digest && !is_tag && digest.as_str() == text),
        Err(error) => {
            assert!(!is_tag && !is_digest, "{text:?} is refused: {error}");
            assert!(error.to_string().len() < 400, "the error repeats its input: {error}");
        }
    }
}

fn image(text: &str) -> bool {
    let read = match ImageReference::parse(text) {
        Ok(read) => read,
        Err(error) => {
            assert!(error.to_string().len() < 400, "the error repeats its input: {error}");
            return false;
        }
    };
    assert_eq!(read.to_string(), text);
    let (host, _) = text.split_once('/').expect("a reference has a slash");
    assert_eq!(read.registry, host);
    assert!(read.registry.is_ascii() && !read.registry.contains(['@', '?', '#', ' ', '%', '\\']));
    assert!(!read.registry.is_empty() && read.registry.len() <= 253 + 6);
    assert_eq!(text.contains('@'), read.digest.is_some());
    match read.reference() {
        Some(Reference::Digest(digest)) => assert_eq!(Some(digest), read.digest),
        Some(Reference::Tag(tag)) => assert!(read.digest.is_none() && Some(tag) == read.tag),
        None => assert!(read.digest.is_none() && read.tag.is_none()),
    }
    true
}

/// What is made of parts that were read must be read, and written back.
fn round(text: &str) {
    let read = ImageReference::parse(text);
    assert_eq!(read.map(|read| read.to_string()).as_deref(), Ok(text));
}
