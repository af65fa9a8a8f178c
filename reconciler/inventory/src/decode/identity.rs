// SPDX-License-Identifier: AGPL-3.0-or-later
//! Kind and name: found even where the rest of a document is broken, so that one broken document
//! stops only itself.

use shoal_schema::kinds::{API_VERSION, KINDS};

use super::{closest, known_kind};
use crate::codes;
use crate::diagnostic::{Span, shown};
use crate::yaml::{Entry, Fault, Node};

pub(crate) struct Identity {
    pub(crate) kind: Option<&'static str>,
    pub(crate) name: Option<String>,
    pub(crate) name_span: Option<Span>,
}

/// Finds kind and name. Of an incomplete document only what stands there is judged, not what may
/// still have come.
///
/// What stands among the secrets may be one, whatever it calls itself: `hide` keeps values out of
/// messages.
pub(crate) fn identify(
    root: &Node<'_>,
    start: Span,
    complete: bool,
    hide: bool,
    faults: &mut Vec<Fault>,
) -> Identity {
    let text = |entry: &'_ Entry<'_>| entry.value.text().map(str::to_owned);
    let kind = match root.get("kind") {
        None => {
            if complete {
                faults.push(Fault::error(codes::KIND, start, "`kind` is missing").with_hint(kinds()));
            }
            None
        }
        Some(entry) => {
            let name = text(entry).unwrap_or_default();
            let known = known_kind(&name);
            if known.is_none() {
                let span = root.find("/kind").value_span();
                let hint =
                    closest(&name, &KINDS).map_or_else(kinds, |best| format!("did you mean `{best}`?"));
                let message = if hide {
                    "unknown kind".to_owned()
                } else if name.is_empty() {
                    "`kind` must be a word".to_owned()
                } else {
                    format!("unknown kind `{}`", shown(&name))
                };
                faults.push(Fault::error(codes::KIND, span, message).with_hint(hint));
            }
            known
        }
    };
    match root.get("apiVersion") {
        None if complete => {
            faults.push(
                Fault::error(codes::API_VERSION, start, "`apiVersion` is missing")
                    .with_hint(format!("write `apiVersion: {API_VERSION}`")),
            );
        }
        Some(entry) if entry.value.text() != Some(API_VERSION) => {
            let span = root.find("/apiVersion").value_span();
            let message = match entry.value.text() {
                Some(_) if hide => "unknown apiVersion".to_owned(),
                Some(text) if !text.is_empty() => format!("unknown apiVersion `{}`", shown(text)),
                _ => "`apiVersion` must be a word".to_owned(),
            };
            faults.push(
                Fault::error(codes::API_VERSION, span, message)
                    .with_hint(format!("this version of Shoal reads `{API_VERSION}`")),
            );
        }
        _ => {}
    }
    let name = root.get("metadata").and_then(|entry| entry.value.get("name"));
    Identity {
        kind,
        name: name.and_then(text).filter(|name| !name.is_empty()),
        name_span: name.map(|entry| entry.value.span),
    }
}

fn kinds() -> String {
    format!("one of {}", KINDS.join(", "))
}
