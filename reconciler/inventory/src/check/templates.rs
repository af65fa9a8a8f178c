// SPDX-License-Identifier: AGPL-3.0-or-later
//! References in templates have values.

use std::collections::{BTreeMap, BTreeSet};

use shoal_core::inventory::Located;
use shoal_core::template::{
    BUILTINS, LABEL_PREFIX, Reference, SECRET_PREFIX, TemplateError, fits_one_line, references,
};
use shoal_schema::kinds::Recipe;

use super::finding::token;
use super::recipes::templates_of;
use super::{At, Context, Finding, references as names};
use crate::codes;
use crate::decode::did_you_mean;
use crate::diagnostic::shown;

/// So much is said about one recipe's templates.
const MAX_FINDINGS: usize = 200;

/// What a recipe's templates ask of a server.
#[derive(Default)]
pub(super) struct Asked {
    /// Parameters and labels that stand unquoted somewhere: their values must be one line.
    pub(super) one_line: BTreeSet<String>,
    /// Labels that a server must have.
    pub(super) labels: BTreeSet<String>,
    /// Whether the server's serial is used.
    pub(super) serial: bool,
}

/// What a recipe's templates ask of a server; as much of it as can be read.
pub(super) fn asked(recipe: &Recipe) -> Asked {
    let mut asked = Asked::default();
    for (_, template) in templates_of(recipe) {
        for Reference { name, quote, .. } in references(&template.text).unwrap_or_default() {
            asked.serial |= name == "server.serial";
            if let Some(label) = name.strip_prefix(LABEL_PREFIX) {
                asked.labels.insert(label.to_owned());
            }
            if !quote {
                asked.one_line.insert(name);
            }
        }
    }
    asked
}

/// Whether a name means something in every template.
pub(super) fn is_taken(name: &str) -> bool {
    BUILTINS.contains(&name) || name.starts_with(LABEL_PREFIX) || name.starts_with(SECRET_PREFIX)
}

/// Whether a template can refer to a name.
pub(super) fn is_usable(name: &str) -> bool {
    references(&format!("${{{name}}}")).is_ok_and(|found| found.len() == 1 && found[0].name == name)
}

pub(super) fn check(context: &Context<'_>, recipe: &Located<Recipe>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let spec = &recipe.value.spec;
    let mut used: BTreeMap<String, bool> = BTreeMap::new();
    let mut all_read = true;
    for (field, template) in templates_of(&recipe.value) {
        let text_at = |offset| At::of(recipe, format!("/spec/{field}/text")).text(offset);
        for (key, reference) in &template.secrets {
            let at = || At::of(recipe, format!("/spec/{field}/secrets/{}/secret", token(key)));
            findings.extend(names::secret(context, &reference.secret, at));
        }
        let found = match references(&template.text) {
            Ok(found) => found,
            Err(error) => {
                all_read = false;
                findings.push(syntax(&error, text_at(error.offset())));
                continue;
            }
        };
        let mut secrets_used: BTreeSet<&str> = BTreeSet::new();
        for reference in &found {
            if findings.len() > MAX_FINDINGS {
                break;
            }
            let name = reference.name.as_str();
            if let Some(key) = name.strip_prefix(SECRET_PREFIX) {
                secrets_used.insert(key);
                if !template.secrets.contains_key(key) {
                    findings.push(undeclared_secret(
                        key,
                        field,
                        &template.secrets,
                        text_at(reference.offset),
                    ));
                }
            } else if spec.parameters.contains_key(name) {
                *used.entry(name.to_owned()).or_default() |= !reference.quote;
            } else if !BUILTINS.contains(&name) && !name.starts_with(LABEL_PREFIX) {
                findings.push(unknown(name, &recipe.value, text_at(reference.offset)));
            }
        }
        for key in template.secrets.keys().filter(|key| !secrets_used.contains(key.as_str())) {
            let at = At::of(recipe, format!("/spec/{field}/secrets/{}", token(key))).key();
            let message = format!("the text does not use `${{secret.{}}}`", shown(key));
            findings.push(Finding::warning(codes::TEMPLATE_SECRET_UNUSED, at, message));
        }
    }
    for (name, parameter) in &spec.parameters {
        let pointer = format!("/spec/parameters/{}", token(name));
        match used.get(name) {
            None if all_read => {
                let message = format!("no template uses `{}`", shown(name));
                findings.push(Finding::warning(
                    codes::PARAMETER_UNUSED,
                    At::of(recipe, pointer).key(),
                    message,
                ));
            }
            Some(true) if parameter.default.as_deref().is_some_and(|value| !fits_one_line(value)) => {
                let at = At::of(recipe, format!("{pointer}/default")).key();
                findings.push(several_lines(name, at));
            }
            _ => {}
        }
    }
    findings
}

/// A value of several lines where `${name}` stands without `|quote`.
pub(super) fn several_lines(name: &str, at: At) -> Finding {
    let message = format!("the value of `{}` must be one line where the template uses it", shown(name));
    Finding::error(codes::VAR_LINES, at, message)
        .hint(format!("write `${{{}|quote}}` in the template, or one line here", shown(name)))
}

fn syntax(error: &TemplateError, at: At) -> Finding {
    Finding::error(codes::TEMPLATE_SYNTAX, at, error.to_string())
}

fn undeclared_secret<T>(key: &str, field: &str, declared: &BTreeMap<String, T>, at: At) -> Finding {
    let names: Vec<&str> = declared.keys().map(String::as_str).collect();
    let message = format!("`${{secret.{}}}` is not listed in `{field}.secrets`", shown(key));
    let hint = did_you_mean(key, &names, "listed are").unwrap_or_else(|| {
        format!("add it to `{field}.secrets`, with the Secret's name and the key within it")
    });
    Finding::error(codes::TEMPLATE_REFERENCE, at, message).hint(hint)
}

fn unknown(name: &str, recipe: &Recipe, at: At) -> Finding {
    let mut names: Vec<&str> = recipe.spec.parameters.keys().map(String::as_str).collect();
    names.extend(BUILTINS);
    let message = format!("`${{{}}}` is no parameter of this recipe", shown(name));
    Finding::error(codes::TEMPLATE_REFERENCE, at, message).maybe_hint(did_you_mean(name, &names, "there are"))
}
