// SPDX-License-Identifier: AGPL-3.0-or-later
//! From schema violations, and remarks on scalars, to faults with a place and a hint.

use std::collections::{HashMap, HashSet};

use shoal_validate::Violation;

use super::convert::{Odd, Remark};
use super::{closest, is_hidden};
use crate::codes;
use crate::diagnostic::shown;
use crate::yaml::scalar::Misread;
use crate::yaml::{Fault, Node, Show, quoted};

/// So many of a kind are said for one document: a list of a thousand wrong values needs no
/// thousand lines, and to find the place of each costs time.
const MAX: usize = 200;

/// Puts everything into `faults`, one for each place: what says more wins.
pub(crate) fn report(
    kind: &'static str,
    root: &Node<'_>,
    violations: Vec<Violation>,
    remarks: Vec<Remark>,
    faults: &mut Vec<Fault>,
) {
    let odd: HashMap<&str, Odd> =
        remarks.iter().map(|remark| (remark.pointer.as_str(), remark.what)).collect();
    let violated: HashSet<&str> = violations.iter().map(|violation| violation.pointer.as_str()).collect();
    for violation in violations.iter().take(MAX) {
        // Both were judged when the document was identified.
        if matches!(violation.pointer.as_str(), "/apiVersion" | "/kind")
            || (violation.pointer.is_empty()
                && violation.code == "required"
                && matches!(violation.property.as_deref(), Some("apiVersion" | "kind")))
        {
            continue;
        }
        let odd = odd.get(violation.pointer.as_str()).copied();
        if matches!(odd, Some(Odd::Null | Odd::NotFinite)) {
            continue;
        }
        faults.push(fault_of(kind, root, violation, odd));
    }
    for remark in remarks.iter().take(MAX) {
        let covered = violated.contains(remark.pointer.as_str());
        if !covered || matches!(remark.what, Odd::Null | Odd::NotFinite) {
            faults.push(fault_of_remark(kind, root, remark));
        }
    }
    let more = violations.len().saturating_sub(MAX) + remarks.len().saturating_sub(MAX);
    if more > 0 {
        let message = format!("and {more} more in this document");
        faults.push(Fault::error(codes::SCHEMA_OTHER, root.find("").key_span(), message));
    }
}

fn fault_of(kind: &'static str, root: &Node<'_>, violation: &Violation, odd: Option<Odd>) -> Fault {
    let found = root.find(&violation.pointer);
    let code = match violation.code {
        "additionalProperties" => codes::SCHEMA_UNKNOWN,
        "required" => codes::SCHEMA_REQUIRED,
        "type" => codes::SCHEMA_TYPE,
        "enum" | "oneOf" | "anyOf" | "minProperties" | "maxProperties" => codes::SCHEMA_CHOICE,
        "pattern" | "format" => codes::SCHEMA_FORM,
        "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum" | "minLength" | "maxLength"
        | "minItems" | "maxItems" => codes::SCHEMA_RANGE,
        _ => codes::SCHEMA_OTHER,
    };
    let hidden = is_hidden(Some(kind), &violation.pointer);
    let span = match violation.code {
        "additionalProperties" | "required" => found.key_span(),
        _ => found.value_span(),
    };
    let text = found.node.text().filter(|_| !hidden && found.exact);
    let field = last_token(&violation.pointer);
    let hint = hint(violation, text, odd);
    let message = match (violation.code, &violation.property) {
        // The name that was meant says more than all that there are.
        ("additionalProperties", Some(name)) if hint.is_some() => format!("unknown field `{}`", shown(name)),
        ("additionalProperties" | "required", _) => violation.message.clone(),
        _ if field.is_empty() || field.bytes().all(|b| b.is_ascii_digit()) => violation.message.clone(),
        _ => format!("`{}`: {}", shown(&field), violation.message),
    };
    Fault { hint, show: show(hidden, &found), ..Fault::error(code, span, message) }
}

fn hint(violation: &Violation, text: Option<&str>, odd: Option<Odd>) -> Option<String> {
    if let Some(unknown) = &violation.property
        && violation.code == "additionalProperties"
    {
        return closest(unknown, &violation.candidates).map(|best| format!("did you mean `{best}`?"));
    }
    let text = text?;
    if violation.quote && violation.candidates.is_empty() {
        return Some(
            quoted(text).map_or_else(|| "quote it".to_owned(), |quoted| format!("quote it: {quoted}")),
        );
    }
    if let Some(Odd::Misread(Misread::Boolean)) = odd
        && violation.message.contains("`true` or `false`")
    {
        let meant = if text.to_ascii_lowercase().starts_with(['y']) || text.eq_ignore_ascii_case("on") {
            "true"
        } else {
            "false"
        };
        return Some(format!("YAML 1.2 reads `{text}` as text: write `{meant}`"));
    }
    closest(text, &violation.candidates).map(|best| format!("did you mean `{best}`?"))
}

fn fault_of_remark(kind: &'static str, root: &Node<'_>, remark: &Remark) -> Fault {
    let found = root.find(&remark.pointer);
    let hidden = is_hidden(Some(kind), &remark.pointer);
    let span = found.value_span();
    let text = found.node.text().unwrap_or_default();
    let field = last_token(&remark.pointer);
    let named = if field.is_empty() || field.bytes().all(|b| b.is_ascii_digit()) {
        "an entry".to_owned()
    } else {
        format!("`{}`", shown(&field))
    };
    let quote = quoted(text).filter(|_| !hidden);
    let quote_it = quote.map_or_else(|| "quote it".to_owned(), |quoted| format!("quote it: {quoted}"));
    let fault = match remark.what {
        Odd::Null => Fault::error(codes::NULL, span, format!("{named} has no value"))
            .with_hint("give it a value, or remove it"),
        Odd::Octal => {
            let message = format!("{named}: a leading zero means octal to YAML 1.1 tools, and nothing here");
            let digits = text.trim_start_matches(['+', '-']).trim_start_matches('0');
            let digits = if digits.is_empty() { "0" } else { digits };
            Fault::error(codes::NUMBER, span, message).with_hint(format!("write `{digits}`, or {quote_it}"))
        }
        Odd::NotFinite => Fault::error(codes::NUMBER, span, format!("{named}: not a finite number"))
            .with_hint(format!("where text is meant, {quote_it}")),
        Odd::Misread(misread) => Fault::warning(
            codes::AMBIGUOUS,
            span,
            format!("{named} is text here, and {} to YAML 1.1 tools", misread.as_what()),
        )
        .with_hint(quote_it),
    };
    Fault { show: show(hidden, &found), ..fault }
}

fn show(hidden: bool, found: &crate::yaml::Found<'_, '_>) -> Show {
    match (hidden, found.entry) {
        (false, _) => Show::Line,
        (true, Some(entry)) => Show::Before(entry.key_span.end_column),
        (true, None) => Show::Nothing,
    }
}

/// The last token of a JSON pointer.
fn last_token(pointer: &str) -> String {
    pointer.rsplit('/').next().unwrap_or_default().replace("~1", "/").replace("~0", "~")
}
