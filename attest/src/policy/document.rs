//! The policy's TOML with the places of its fields, so that every fault has a line.

use std::ops::Range;

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::fault::PolicyFault;
use super::spelling::suggestion;

/// Most faults that one run names; a text with more is something else than a policy.
const MAX_FAULTS: usize = 32;

/// A TOML text, parsed, with its places.
pub(super) struct Document<'t> {
    text: &'t str,
    table: Spanned<DeTable<'t>>,
}

/// A step on the way to a field.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Key(String),
    Index(usize),
}

impl<'t> Document<'t> {
    /// Parses the text, or tells everything that is no TOML in it.
    pub(super) fn parse(text: &'t str) -> Result<Self, Vec<PolicyFault>> {
        let (table, errors) = DeTable::parse_recoverable(text);
        if errors.is_empty() {
            return Ok(Self { text, table });
        }
        let fault = |error: &toml::de::Error| {
            let line = error.span().map_or(1, |span| line_of(text, span.start));
            PolicyFault::new(line, "", &error.message().replace('\n', " "))
        };
        Err(errors.iter().take(MAX_FAULTS).map(fault).collect())
    }

    /// Reads the document as a `T`, and tells all fields that don't fit. What does not fit is left out and the rest read
    /// again, so that the faults behind it show too; a value that comes with faults is for finding more of them only.
    pub(super) fn read<T: Deserialize<'t>>(&self) -> (Option<T>, Vec<PolicyFault>) {
        let mut table = self.table.clone();
        let mut faults = Vec::new();
        let mut accounted: Vec<String> = Vec::new();
        while faults.len() < MAX_FAULTS {
            let error = match T::deserialize(toml::Deserializer::from(table.clone())) {
                Ok(value) => return (Some(value), faults),
                Err(error) => error,
            };
            let start = error.span().map_or(0, |span| span.start);
            let steps = path_to(table.get_ref(), &error);
            let path = path_text(&steps);
            let mut message = error.message().replace('\n', " ");
            let field = missing_field(&message).map_or_else(|| path.clone(), |name| join(&path, name));
            // What was left out a moment ago is not missing from the policy, and neither is what is only misspelt.
            if !accounted.contains(&field) || missing_field(&message).is_none() {
                if let Some(word) = suggestion(&message).map(str::to_owned) {
                    message = format!("{message}; did you mean `{word}`?");
                    accounted.push(join(parent(&path), &word));
                }
                faults.push(PolicyFault::new(line_of(self.text, start), &field, &message));
            }
            if !remove(table.get_mut(), &steps) {
                break;
            }
            // An entry of a list went with its list.
            accounted.push(path.split('[').next().unwrap_or_default().to_owned());
        }
        (None, faults)
    }

    /// The line of a field by its path; of what is around it, when it is not there.
    pub(super) fn line(&self, field: &str) -> usize {
        let mut place = None;
        let mut table = Some(self.table.get_ref());
        let mut value: Option<&Spanned<DeValue<'t>>> = None;
        for step in steps_of(field) {
            match step {
                Step::Key(key) => {
                    let Some((key, inner)) = table.and_then(|table| table.get_key_value(key.as_str())) else {
                        break;
                    };
                    place = Some(key.span().start);
                    value = Some(inner);
                }
                Step::Index(index) => {
                    let array = value.and_then(|value| value.get_ref().as_array());
                    let Some(inner) = array.and_then(|array| array.get(index)) else { break };
                    place = Some(inner.span().start);
                    value = Some(inner);
                }
            }
            table = value.and_then(|value| value.get_ref().as_table());
        }
        place.map_or(1, |start| line_of(self.text, start))
    }
}

/// The way to the innermost field that an error is about: the one whose key or value holds its place. Nested values are
/// walked with a loop, as deep as the parser let them be.
fn path_to(table: &DeTable<'_>, error: &toml::de::Error) -> Vec<Step> {
    let mut steps = Vec::new();
    let Some(span) = error.span() else { return steps };
    let whole_table = missing_field(error.message()).is_some();
    // A field that the text itself lacks has the place of its start, where its first field may stand too.
    if whole_table && span.is_empty() {
        return steps;
    }
    let holds = |outer: Range<usize>| contains(&outer, &span);
    let mut table = Some(table);
    while let Some(fields) = table.take() {
        // A section's own span is that of its header, and its fields stand after it: so look deeper first.
        let inside =
            |value: &Spanned<DeValue<'_>>| holds(value.span()) || inner_place(value.get_ref(), &span);
        let Some((key, value)) = fields.iter().find(|(key, value)| holds(key.span()) || inside(value)) else {
            break;
        };
        steps.push(Step::Key(key.get_ref().to_string()));
        // A fault of the key itself, or of the whole value, ends here.
        if holds(key.span()) || (whole_table && value.span() == span) {
            break;
        }
        let mut value = value;
        while let Some((index, inner)) = value.get_ref().as_array().and_then(|array| {
            array.iter().enumerate().find(|(_, inner)| {
                inner.get_ref().is_table() && (holds(inner.span()) || inner_place(inner.get_ref(), &span))
            })
        }) {
            steps.push(Step::Index(index));
            value = inner;
        }
        table = value.get_ref().as_table();
    }
    steps
}

/// Whether a place stands in a table whose span does not hold it: `[a]` holds its header only.
fn inner_place(value: &DeValue<'_>, span: &Range<usize>) -> bool {
    let mut open = vec![value];
    while let Some(value) = open.pop() {
        let holds = |outer: Range<usize>| contains(&outer, span);
        if let Some(table) = value.as_table() {
            for (key, inner) in table {
                if holds(key.span()) || holds(inner.span()) {
                    return true;
                }
                open.push(inner.get_ref());
            }
        } else if let Some(array) = value.as_array() {
            for inner in array {
                if holds(inner.span()) {
                    return true;
                }
                open.push(inner.get_ref());
            }
        }
    }
    false
}

fn contains(outer: &Range<usize>, inner: &Range<usize>) -> bool {
    outer.start <= inner.start && inner.end <= outer.end
}

/// Takes a field out. An entry of a list goes with its whole list, so that the others keep their numbers.
fn remove(table: &mut DeTable<'_>, steps: &[Step]) -> bool {
    let keys: Vec<&str> = steps
        .iter()
        .map_while(|step| match step {
            Step::Key(key) => Some(key.as_str()),
            Step::Index(_) => None,
        })
        .collect();
    let Some((last, outer)) = keys.split_last() else { return false };
    let mut table = table;
    for key in outer {
        match table.get_mut(*key).map(Spanned::get_mut) {
            Some(DeValue::Table(inner)) => table = inner,
            _ => return false,
        }
    }
    table.remove(*last).is_some()
}

fn missing_field(message: &str) -> Option<&str> {
    message.strip_prefix("missing field `")?.split('`').next()
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// The path of what is around a field.
fn parent(path: &str) -> &str {
    path.rsplit_once('.').map_or("", |(parent, _)| parent)
}

fn path_text(steps: &[Step]) -> String {
    steps.iter().fold(String::new(), |path, step| match step {
        Step::Key(key) => join(&path, key),
        Step::Index(index) => format!("{path}[{index}]"),
    })
}

/// `a.b[1].c`, step by step.
fn steps_of(field: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    for part in field.split('.') {
        let mut pieces = part.split('[');
        steps.extend(pieces.next().filter(|key| !key.is_empty()).map(|key| Step::Key(key.to_owned())));
        steps.extend(pieces.filter_map(|index| index.strip_suffix(']')?.parse().ok()).map(Step::Index));
    }
    steps
}

fn line_of(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count().saturating_add(1)
}
