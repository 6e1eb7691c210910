//! Rego as the escape hatch: rules over the claims of an appraisal that TOML has no field for.
//!
//! The rules get one document, [`input`](FurtherRules::deny): the claims, the reasons and the notes of everything that was
//! judged before. They answer with `data.hallmark.deny`, a set of reasons against the device. So they can refuse and never
//! excuse. What can't be evaluated, or answers something else than a set, is a reason against (threats q18, v02).
//!
//! Evaluation is bounded without a clock: the files' size and depth are, the document's size is, functions and rules can't recurse or
//! call each other more than [`MAX_CALL_DEPTH`] deep, and built-in functions that reach time, network or randomness, or
//! that make much out of little, are not among the [allowed ones](ALLOWED_FUNCTIONS), or stop at 64 KiB. Loops inside loops end
//! after [`MAX_STEPS`]: a reason against the device, as every other error. What remains is values that the policy's
//! author makes of themselves again and again (`b := [a, a]; c := [b, b]; …`): nothing that a device sends can bring that about.
//! A panic of the engine is a reason against the device, too.

mod bounds;
mod guard;
mod shape;

use std::panic::{AssertUnwindSafe, catch_unwind};

use regorus::{CompiledPolicy, Engine, Value};
use thiserror::Error;

pub use bounds::{MAX_ARRAY, MAX_STEPS};
pub use guard::{ALLOWED_FUNCTIONS, MAX_CALL_DEPTH};

use crate::appraisal::Reason;
use crate::appraise::FurtherRules;

/// Largest Rego file, in bytes.
pub const MAX_FILE: usize = 64 * 1024;
/// Largest document that rules are evaluated over, in bytes of JSON.
pub const MAX_INPUT: usize = 1024 * 1024;
/// Most reasons that are taken from one evaluation; the rest is counted.
pub const MAX_REASONS: usize = 32;
/// Most characters of a text that a rule gives.
const MAX_TEXT: usize = 1024;
/// The one rule that is asked for.
const DENY: &str = "data.hallmark.deny";

/// Why Rego rules can't be used.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Error)]
#[error("{file}, line {line}: {message}")]
pub struct RegoFault {
    /// The file, by the name that the policy gives it.
    pub file: String,
    /// The line, counted from 1.
    pub line: usize,
    /// What is wrong, and what is expected.
    pub message: String,
}

/// A Rego file: its name in the policy, and its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RegoFile<'t> {
    /// Its name.
    pub name: &'t str,
    /// Its text.
    pub text: &'t str,
}

/// Rules, parsed and checked once, to be evaluated for any number of devices.
#[derive(Debug, Clone)]
pub struct CompiledRules {
    policy: CompiledPolicy,
}

impl CompiledRules {
    /// Parses and checks the files.
    ///
    /// # Errors
    /// All faults that were found: what does not parse, another package than `hallmark`, no `deny` rule or one that is no set,
    /// recursion, functions that are not allowed.
    pub fn compile(files: &[RegoFile<'_>]) -> Result<Self, Vec<RegoFault>> {
        let mut engine = Engine::new();
        engine.set_rego_v0(false);
        if !(bounds::count_steps() && bounds::replace_builtins(&mut engine)) {
            return Err(vec![fault(files, "error: the engine's steps can't be counted in this program")]);
        }
        let mut faults: Vec<_> = files.iter().filter_map(|file| add(&mut engine, file)).collect();
        if faults.is_empty() {
            let ast = engine.get_ast_as_json().map_err(|error| vec![fault(files, &error.to_string())])?;
            faults = guard::check(&ast, files);
        }
        if !faults.is_empty() {
            faults.sort();
            return Err(faults);
        }
        let policy = engine
            .compile_with_entrypoint(&DENY.into())
            .map_err(|error| vec![fault(files, &error.to_string())])?;
        Ok(Self { policy })
    }

    fn evaluate(&self, input: &str) -> Result<Vec<Reason>, Reason> {
        if input.len() > MAX_INPUT {
            let what = format!("the document has {} bytes, expected at most {MAX_INPUT}", input.len());
            return Err(failed(what));
        }
        let input = Value::from_json_str(input).map_err(|error| failed(one_line(&error.to_string())))?;
        // The engine panics where it would tell of a number that has grown beyond all numbers, for example. It is handed nothing that
        // anybody uses after that.
        let evaluated = catch_unwind(AssertUnwindSafe(|| self.policy.eval_with_input(input)));
        let evaluated = evaluated.map_err(|_| failed("the engine gave up".to_owned()))?;
        let value = evaluated.map_err(|error| failed(told(&error.to_string())))?;
        match value {
            // No rule held.
            Value::Undefined => Ok(Vec::new()),
            Value::Set(reasons) => {
                let more = reasons.len().saturating_sub(MAX_REASONS);
                let mut found: Vec<_> = reasons.iter().take(MAX_REASONS).map(reason).collect();
                if more > 0 {
                    found.push(own_reason(format!("{more} more reasons")));
                }
                Ok(found)
            }
            other => Err(failed(format!("`deny` is {}, expected a set of reasons", kind(&other)))),
        }
    }
}

impl FurtherRules for CompiledRules {
    fn deny(&self, input: &str) -> Vec<Reason> {
        self.evaluate(input).unwrap_or_else(|reason| vec![reason])
    }
}

/// Adds a file; why not, if it can't be.
fn add(engine: &mut Engine, file: &RegoFile<'_>) -> Option<RegoFault> {
    let own = |message: String| RegoFault { file: file.name.to_owned(), line: 1, message };
    if file.text.len() > MAX_FILE {
        return Some(own(format!("{} bytes, expected at most {MAX_FILE}", file.text.len())));
    }
    if let Err((line, message)) = shape::check(file.text) {
        return Some(RegoFault { file: file.name.to_owned(), line, message });
    }
    let error = engine.add_policy(file.name.to_owned(), file.text.to_owned()).err()?;
    Some(fault(std::slice::from_ref(file), &error.to_string()))
}

/// An error of the engine as a fault. Its text begins with `--> FILE:LINE:COLUMN` and ends with `error: MESSAGE`.
fn fault(files: &[RegoFile<'_>], text: &str) -> RegoFault {
    let named = |file: &&RegoFile<'_>| text.contains(&format!("--> {}:", file.name));
    let file = files.iter().find(named).or(files.first()).map_or("", |file| file.name);
    let line = text
        .split_once(&format!("--> {file}:"))
        .and_then(|(_, rest)| rest.split(':').next()?.parse().ok())
        .unwrap_or(1);
    RegoFault { file: file.to_owned(), line, message: message_of(text) }
}

/// The message at the end of an engine's error, on one line.
fn message_of(text: &str) -> String {
    one_line(text.rsplit_once("error: ").map_or(text, |(_, message)| message))
}

/// The same with its place before it.
fn place_of(text: &str) -> String {
    let place = text.split_once("--> ").and_then(|(_, rest)| rest.lines().next());
    place.map_or_else(|| message_of(text), |place| format!("{place}: {}", message_of(text)))
}

/// Why an evaluation failed. The engine calls its steps a time.
fn told(text: &str) -> String {
    if text.contains("execution exceeded time limit") {
        return format!("more than {MAX_STEPS} steps; use fewer loops in one another");
    }
    place_of(text)
}

fn one_line(text: &str) -> String {
    let words: Vec<_> = text.split_whitespace().collect();
    shortened(&words.join(" "))
}

/// What a rule says, bounded, and without bytes that would act on a terminal.
fn shortened(text: &str) -> String {
    text.chars().take(MAX_TEXT).map(|c| if c.is_control() { '\u{FFFD}' } else { c }).collect()
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Set(_) => "a set",
        Value::Object(_) => "an object",
        Value::Undefined => "undefined",
    }
}

/// A reason that a rule gave: a text, or an object with `id`, `what`, `where`, `expected`, `found`.
fn reason(value: &Value) -> Reason {
    if let Value::String(what) = value {
        return own_reason(shortened(what));
    }
    let Value::Object(fields) = value else {
        return own_reason(format!("a rule denies with {}, expected a text or an object", kind(value)));
    };
    let field = |name: &str| match fields.get(&Value::from(name)) {
        Some(Value::String(text)) => shortened(text),
        Some(Value::Undefined) | None => String::new(),
        Some(other) => bounds::text_of(other)
            .map_or_else(|| "a value that is too large to tell".to_owned(), |text| shortened(&text)),
    };
    let what = match (field("id"), field("what")) {
        (id, what) if id.is_empty() => what,
        (id, what) => format!("{id}: {what}"),
    };
    let place = field("where");
    Reason {
        id: "rego",
        what,
        place: if place.is_empty() { "rego".to_owned() } else { place },
        expected: field("expected"),
        found: field("found"),
    }
}

fn own_reason(what: String) -> Reason {
    Reason { id: "rego", what, place: "rego".to_owned(), expected: String::new(), found: String::new() }
}

/// An evaluation that failed never passes (threat q18).
fn failed(what: String) -> Reason {
    Reason {
        id: "rego",
        what: format!("the rules could not be evaluated: {what}"),
        place: "rego".to_owned(),
        expected: "an answer to every rule".to_owned(),
        found: "an error".to_owned(),
    }
}

#[cfg(test)]
mod attacks;
#[cfg(test)]
mod tests;
