// SPDX-License-Identifier: AGPL-3.0-or-later
//! What went wrong with a registry: which operation, where, what the registry said, what to do next.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;
use shoal_oci::{Digest, ManifestError, Reference, RepositoryName};

use crate::image::detect::ImageFileError;

/// What was being done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// Is the registry there?
    Reach,
    /// Getting a token.
    Login,
    /// Is something there?
    Check,
    /// Reading a manifest.
    PullManifest,
    /// Reading a blob.
    PullBlob,
    /// Writing a manifest.
    PushManifest,
    /// Writing a blob.
    PushBlob,
    /// Listing tags.
    ListTags,
    /// Listing repositories.
    ListRepositories,
    /// Listing what refers to a manifest.
    ListReferrers,
    /// Deleting.
    Delete,
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Reach => "reach",
            Self::Login => "get a token for",
            Self::Check => "check",
            Self::PullManifest => "pull the manifest",
            Self::PullBlob => "pull the blob",
            Self::PushManifest => "push the manifest",
            Self::PushBlob => "push the blob",
            Self::ListTags => "list the tags of",
            Self::ListRepositories => "list the repositories of",
            Self::ListReferrers => "list what refers to",
            Self::Delete => "delete",
        })
    }
}

/// An operation and its subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// What was being done.
    pub operation: Operation,
    /// The registry: host, and port where one was given.
    pub registry: String,
    /// The repository, where one is concerned.
    pub repository: Option<RepositoryName>,
    /// The tag or digest, where one is concerned.
    pub reference: Option<Reference>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.operation, self.registry)?;
        if let Some(repository) = &self.repository {
            write!(f, "/{repository}")?;
        }
        match &self.reference {
            Some(Reference::Tag(tag)) => write!(f, ":{tag}"),
            Some(Reference::Digest(digest)) => write!(f, "@{digest}"),
            None => Ok(()),
        }
    }
}

/// What a registry said about a refusal. Its words are cleaned of control characters and bounded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// The first error code, e.g. `DENIED` (distribution-spec, Error Codes).
    pub code: Option<String>,
    /// The first error's message.
    pub message: Option<String>,
    /// How long to wait, where the registry said so in seconds.
    pub retry_after: Option<Duration>,
}

impl Answer {
    /// Reads an error body; anything else than the specified JSON gives no code, and plain text a message.
    pub(crate) fn read(body: &[u8], plain_text: bool) -> Self {
        let text = |value: &Value, name: &str| value.get(name).and_then(Value::as_str).and_then(clean);
        if let Ok(json) = serde_json::from_slice::<Value>(body) {
            let first = json.get("errors").and_then(|errors| errors.get(0)).unwrap_or(&json);
            return Self { code: text(first, "code"), message: text(first, "message"), retry_after: None };
        }
        let message = plain_text.then(|| clean(&String::from_utf8_lossy(body))).flatten();
        Self { message, ..Self::default() }
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.code, &self.message) {
            (Some(code), Some(message)) => write!(f, " ({code}: {message})"),
            (Some(one), None) | (None, Some(one)) => write!(f, " ({one})"),
            (None, None) => Ok(()),
        }
    }
}

/// One line of at most 300 characters without control characters; `None` if nothing is left.
pub(crate) fn clean(text: &str) -> Option<String> {
    let one_line: String =
        text.chars().map(|c| if c.is_control() { ' ' } else { c }).filter(|c| !is_invisible(*c)).collect();
    let words = one_line.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut short: String = words.chars().take(300).collect();
    if short.len() < words.len() {
        short.push('…');
    }
    (!short.is_empty()).then_some(short)
}

/// Characters that can turn the text around them about on a terminal.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// An error of any kind.
pub(crate) type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Something with a registry failed.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The registry's name is no host.
    #[error(
        "{registry:?} is not a registry: a host name or address is needed, with :PORT where it is not the default"
    )]
    Address {
        /// What was given.
        registry: String,
    },
    /// No client could be made.
    #[error("cannot prepare connections to {registry}")]
    Setup {
        /// The registry.
        registry: String,
        /// Why.
        #[source]
        source: BoxError,
    },
    /// There was no connection, or it broke.
    #[error("cannot {place}: no connection, or it broke")]
    Broken {
        /// Where.
        place: Box<Place>,
        /// Why.
        #[source]
        source: reqwest::Error,
    },
    /// The registry's certificate is not believed.
    #[error("cannot {place}: its certificate is not trusted")]
    Untrusted {
        /// Where.
        place: Box<Place>,
        /// Why.
        #[source]
        source: reqwest::Error,
    },
    /// Nothing moved for too long.
    #[error("cannot {place}: nothing moved for {seconds} s")]
    Stalled {
        /// Where.
        place: Box<Place>,
        /// How long it was waited for.
        seconds: u64,
    },
    /// The registry said no.
    #[error("cannot {place}: the registry answered {status}{answer}")]
    Refused {
        /// Where.
        place: Box<Place>,
        /// The HTTP status.
        status: u16,
        /// The registry's own words.
        answer: Box<Answer>,
    },
    /// The registry's answer is not what the specification says.
    #[error("cannot {place}: {what}")]
    Nonsense {
        /// Where.
        place: Box<Place>,
        /// What is wrong with it.
        what: &'static str,
    },
    /// A manifest cannot be read.
    #[error("cannot {place}: what came is no usable manifest")]
    Manifest {
        /// Where.
        place: Box<Place>,
        /// Why.
        #[source]
        source: Box<ManifestError>,
    },
    /// Other bytes came than were asked for.
    #[error("cannot {place}: the content has the digest {got}, not {expected}")]
    WrongDigest {
        /// Where.
        place: Box<Place>,
        /// What was asked for.
        expected: Box<Digest>,
        /// What came.
        got: Box<Digest>,
    },
    /// Another number of bytes came than was announced.
    #[error("cannot {place}: {got} bytes, not {expected}")]
    WrongSize {
        /// Where.
        place: Box<Place>,
        /// What was announced.
        expected: u64,
        /// What came, or what the registry says is coming.
        got: u64,
    },
    /// More bytes than are allowed.
    #[error("cannot {place}: larger than the {limit} bytes that are allowed")]
    TooLarge {
        /// Where.
        place: Box<Place>,
        /// The limit.
        limit: u64,
    },
    /// Credentials would travel in the clear.
    #[error("cannot {place}: {host} asks for a login over plain HTTP, where anyone on the way could read it")]
    PlainLogin {
        /// Where.
        place: Box<Place>,
        /// Who asks.
        host: String,
    },
    /// Credentials would go to a host that they were not given for.
    #[error("cannot {place}: the registry sends the login to another host, {host}")]
    ForeignLogin {
        /// Where.
        place: Box<Place>,
        /// The token server.
        host: String,
    },
    /// The registry points to somewhere less safe than itself.
    #[error("cannot {place}: the registry points to {host} over plain HTTP")]
    Downgrade {
        /// Where.
        place: Box<Place>,
        /// Where it points to.
        host: String,
    },
    /// The registry does not do this at all.
    #[error("cannot {place}: this registry does not offer it (status {status})")]
    NotOffered {
        /// Where.
        place: Box<Place>,
        /// The HTTP status.
        status: u16,
    },
    /// A local file cannot be read.
    #[error("cannot read {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// What was pulled cannot be written.
    #[error("cannot write what was pulled ({place})")]
    Write {
        /// Where it came from.
        place: Box<Place>,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file is no image that can be pushed.
    #[error(transparent)]
    Image(#[from] ImageFileError),
}

// === impl ClientError ===

impl ClientError {
    /// A request failed before there was an answer. The URL is left out: it may hold a signature.
    pub(crate) fn transport(place: &Place, source: reqwest::Error) -> Self {
        let place = Box::new(place.clone());
        let source = source.without_url();
        if shoal_tls::is_untrusted(&source) {
            return Self::Untrusted { place, source };
        }
        Self::Broken { place, source }
    }

    pub(crate) fn stalled(place: &Place, patience: Duration) -> Self {
        Self::Stalled { place: Box::new(place.clone()), seconds: patience.as_secs() }
    }

    pub(crate) fn nonsense(place: &Place, what: &'static str) -> Self {
        Self::Nonsense { place: Box::new(place.clone()), what }
    }

    /// The HTTP status, where the registry answered with a refusal.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Refused { status, .. } | Self::NotOffered { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// The registry's error code, where it gave one.
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Refused { answer, .. } => answer.code.as_deref(),
            _ => None,
        }
    }

    /// Whether the same request may well succeed a moment later.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Broken { .. } | Self::Stalled { .. } => true,
            Self::Refused { status, .. } => is_passing(*status),
            _ => false,
        }
    }

    /// Whether nobody answered at all: what is not there now is seldom there a moment later.
    pub(crate) fn is_unanswered(&self) -> bool {
        matches!(self, Self::Broken { source, .. } if source.is_connect())
    }

    /// How long the registry wants to be left alone.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused { answer, .. } => answer.retry_after,
            _ => None,
        }
    }

    /// What to do next.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Address { .. } => "write the image as HOST[:PORT]/REPOSITORY:TAG",
            Self::Broken { source, .. } if source.is_connect() => {
                "check that the name and the port are right and that the registry runs; \
                 one without TLS must be said to be so (plain HTTP)"
            }
            Self::Broken { .. } | Self::Stalled { .. } => "check the network between here and the registry",
            Self::Untrusted { .. } => {
                "give the registry's certificate authority or the pin of its key, \
                 after comparing it with the registry's own"
            }
            Self::Refused { status, answer, place } => return hint_of_refusal(*status, answer, place),
            Self::WrongDigest { place, .. } | Self::WrongSize { place, .. }
                if place.operation == Operation::PullBlob =>
            {
                "the registry's copy is damaged, or a proxy changed it: push the image again, \
                 or pull it from another registry"
            }
            Self::TooLarge { .. } => "check that the reference is the right one",
            Self::PlainLogin { .. } => {
                "use TLS for this registry; credentials go over plain HTTP to loopback only"
            }
            Self::ForeignLogin { .. } => {
                "if that host is the registry's token server, allow it by name; otherwise do not log in here"
            }
            Self::Downgrade { .. } => {
                "the registry does not know that it is behind TLS: have its proxy send X-Forwarded-Proto and Host"
            }
            Self::NotOffered { .. } => "name the repositories yourself",
            Self::Image(error) => return error.hint(),
            _ => return None,
        };
        Some(hint.to_owned())
    }
}

/// Statuses that a repetition can mend. 501, 505 and 507 will be the same next time.
pub(crate) fn is_passing(status: u16) -> bool {
    matches!(status, 408 | 425 | 429 | 500 | 502 | 503 | 504)
}

fn hint_of_refusal(status: u16, answer: &Answer, place: &Place) -> Option<String> {
    let hint = match (status, answer.code.as_deref()) {
        (401, _) => "log in: give a user and a password or a token, or check those that were given",
        // The registry says itself what is used up.
        (403, _) if answer.message.as_deref().is_some_and(|message| message.contains("quota")) => {
            "remove what is not needed there, or ask whoever runs the registry for more"
        }
        (403, _) => "this login may not do this here: ask whoever runs the registry",
        (400, Some("DIGEST_INVALID")) if place.operation == Operation::PushBlob => {
            "the file changed while it was read, or was damaged on the way: push it again"
        }
        (404, _) if place.operation == Operation::Reach => {
            "what answers there is no registry: check host and port"
        }
        (404, _) if place.operation == Operation::Delete => "look at what is there: it may be gone already",
        (405, _) | (_, Some("UNSUPPORTED")) if place.operation == Operation::Delete => {
            "deleting is switched off in this registry, or it deletes by digest only"
        }
        (404, _) => "check the repository and the tag or digest",
        (409, _) => "this tag cannot be moved: use another tag",
        (413, _) => {
            "something on the way limits the size of requests: raise the limit of the proxy or the registry"
        }
        (429, _) => "the registry limits how often it is asked: try again later",
        (507, _) => "the registry's disk is full: free space there (garbage collection), then push again",
        // Registries have no other code for what they do not want: the status says more than it.
        (_, Some("DENIED")) => "this login may not do this here: ask whoever runs the registry",
        (300..=399, _) => "the registry points elsewhere: use its right name",
        (500..=599, _) => "see the registry's log",
        _ => return None,
    };
    Some(hint.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registry_cannot_write_to_the_terminal_through_its_messages() {
        let body = b"{\"errors\":[{\"code\":\"DEN\\u001b[31mIED\",\"message\":\"a\\nb\\u202ec\"}]}";
        let answer = Answer::read(body, false);
        assert_eq!(answer.code.as_deref(), Some("DEN [31mIED"));
        assert_eq!(answer.message.as_deref(), Some("a bc"));
    }

    #[test]
    fn a_long_message_is_cut() {
        let long = "x".repeat(5000);
        assert_eq!(clean(&long).map(|text| text.chars().count()), Some(301));
    }

    #[test]
    fn a_web_page_instead_of_json_is_not_quoted_but_plain_text_is() {
        assert_eq!(Answer::read(b"<html>", false), Answer::default());
        assert_eq!(Answer::read(b"  no \n", true).message.as_deref(), Some("no"));
        assert_eq!(Answer::read(b"\x00\x01", true).message, None);
    }
}
