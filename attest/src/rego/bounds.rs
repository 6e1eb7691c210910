//! How much work and memory one evaluation may take, counted and not timed: the same document always gets the same answer.
//!
//! The engine checks a clock every so many steps. Here that clock is the count of its own checks. And the built-in functions that
//! make large values out of small ones, or of what a device sends, are replaced by ones that stop in time.

use std::cell::Cell;
use std::num::NonZeroU32;
use std::sync::OnceLock;
use std::time::Duration;

use regorus::utils::limits::{
    ExecutionTimerConfig, TimeSource, set_fallback_execution_timer_config, set_time_source,
};
use regorus::{Engine, Value};
use thiserror::Error;

/// Most steps of one evaluation: statements, expressions and turns of loops.
pub const MAX_STEPS: u32 = 1_000_000;
/// Largest text that `sprintf` and `concat` make, in bytes.
pub(super) const MAX_TEXT: usize = 64 * 1024;
/// Longest text that `to_number` reads, in bytes.
pub(super) const MAX_NUMBER: usize = 64;
/// Longest array that `array.concat` makes.
pub const MAX_ARRAY: usize = 64 * 1024;

/// Steps between two looks at the count.
const INTERVAL: u32 = 1000;

/// Why a built-in function gives no value.
#[derive(Debug, Error)]
enum BuiltinError {
    #[error("{function}: more than {most} {unit}")]
    Large { function: &'static str, most: usize, unit: &'static str },
    #[error("{function}: {what}")]
    Wrong { function: &'static str, what: &'static str },
}

thread_local! {
    static CHECKS: Cell<u64> = const { Cell::new(0) };
}

/// Counts the looks at it.
struct Steps;

impl TimeSource for Steps {
    fn now(&self) -> Option<Duration> {
        let checks = CHECKS.get().saturating_add(1);
        CHECKS.set(checks);
        Some(Duration::from_nanos(checks))
    }
}

/// Puts the engine on a count of steps; false when something else holds its clock, and nothing would bound it.
pub(super) fn count_steps() -> bool {
    static COUNTED: OnceLock<bool> = OnceLock::new();
    *COUNTED.get_or_init(|| {
        let Some(check_interval) = NonZeroU32::new(INTERVAL) else { return false };
        let limit = Duration::from_nanos(u64::from(MAX_STEPS.div_euclid(INTERVAL)));
        set_fallback_execution_timer_config(Some(ExecutionTimerConfig { limit, check_interval }));
        set_time_source(&Steps).is_ok()
    })
}

/// Replaces the built-in functions that grow. The engine looks for these before its own, and gives them no
/// undefined value.
pub(super) fn replace_builtins(engine: &mut Engine) -> bool {
    let added = [
        engine.add_extension("sprintf".to_owned(), 2, Box::new(|given: Vec<Value>| Ok(sprintf(&given)?))),
        engine.add_extension("concat".to_owned(), 2, Box::new(|given: Vec<Value>| Ok(concat(&given)?))),
        engine.add_extension(
            "array.concat".to_owned(),
            2,
            Box::new(|given: Vec<Value>| Ok(array_concat(&given)?)),
        ),
        engine.add_extension("to_number".to_owned(), 1, Box::new(|given: Vec<Value>| Ok(to_number(&given)?))),
    ];
    added.iter().all(Result::is_ok)
}

/// A text that stops growing.
struct Text {
    function: &'static str,
    text: Vec<u8>,
}

impl Text {
    fn new(function: &'static str) -> Self {
        Self { function, text: Vec::new() }
    }

    fn push(&mut self, more: &str) -> Result<(), BuiltinError> {
        if self.text.len().saturating_add(more.len()) > MAX_TEXT {
            return Err(self.too_large());
        }
        self.text.extend_from_slice(more.as_bytes());
        Ok(())
    }

    /// A text as it is, anything else as JSON: written piece by piece, since a value may be far larger than what it is made of.
    fn push_value(&mut self, value: &Value) -> Result<(), BuiltinError> {
        match value {
            Value::String(text) => self.push(text),
            other => serde_json::to_writer(&mut *self, other).map_err(|_| self.too_large()),
        }
    }

    fn too_large(&self) -> BuiltinError {
        BuiltinError::Large { function: self.function, most: MAX_TEXT, unit: "bytes" }
    }

    fn into_text(self) -> String {
        String::from_utf8_lossy(&self.text).into_owned()
    }
}

impl std::io::Write for Text {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.text.len().saturating_add(bytes.len()) > MAX_TEXT {
            return Err(std::io::ErrorKind::FileTooLarge.into());
        }
        self.text.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Any value as a text of bounded length, for a reason; `None` when it is longer.
pub(super) fn text_of(value: &Value) -> Option<String> {
    let mut text = Text::new("");
    text.push_value(value).ok()?;
    Some(text.into_text())
}

/// `sprintf(FORMAT, ARGUMENTS)` with the verbs `%s`, `%v`, `%d`, `%x` and `%%`, none with a width.
fn sprintf(given: &[Value]) -> Result<Value, BuiltinError> {
    let wrong = |what| BuiltinError::Wrong { function: "sprintf", what };
    let [Value::String(format), Value::Array(arguments)] = given else {
        return Err(wrong("expected a text and an array"));
    };
    let mut text = Text::new("sprintf");
    let mut arguments = arguments.iter();
    let mut pieces = format.split('%');
    text.push(pieces.next().unwrap_or_default())?;
    while let Some(piece) = pieces.next() {
        let mut rest = piece.chars();
        match rest.next() {
            // Two in a row stand for one, and the next piece is plain.
            None => {
                text.push("%")?;
                text.push(pieces.next().ok_or_else(|| wrong("a % at the end"))?)?;
                continue;
            }
            Some(verb @ ('s' | 'v' | 'd' | 'x')) => {
                let argument = arguments.next().ok_or_else(|| wrong("more verbs than arguments"))?;
                match (verb, argument) {
                    ('d', Value::Number(number)) if number.is_integer() => text.push_value(argument)?,
                    ('x', Value::Number(number)) => {
                        let number = number.as_u64().ok_or_else(|| wrong("%x takes whole numbers from 0"))?;
                        text.push(&format!("{number:x}"))?;
                    }
                    ('d' | 'x', _) => return Err(wrong("%d and %x take whole numbers")),
                    _ => text.push_value(argument)?,
                }
            }
            Some(_) => return Err(wrong("expected %s, %v, %d, %x or %%, without a width")),
        }
        text.push(rest.as_str())?;
    }
    match arguments.next() {
        Some(_) => Err(wrong("more arguments than verbs")),
        None => Ok(Value::from(text.into_text())),
    }
}

/// `concat(DELIMITER, TEXTS)`.
fn concat(given: &[Value]) -> Result<Value, BuiltinError> {
    let wrong = || BuiltinError::Wrong { function: "concat", what: "expected a text and texts" };
    let [Value::String(delimiter), texts] = given else { return Err(wrong()) };
    let texts: Vec<&Value> = match texts {
        Value::Array(texts) => texts.iter().collect(),
        Value::Set(texts) => texts.iter().collect(),
        _ => return Err(wrong()),
    };
    let mut text = Text::new("concat");
    for (at, piece) in texts.into_iter().enumerate() {
        let Value::String(piece) = piece else { return Err(wrong()) };
        if at > 0 {
            text.push(delimiter)?;
        }
        text.push(piece)?;
    }
    Ok(Value::from(text.into_text()))
}

/// `array.concat(ARRAY, ARRAY)`.
fn array_concat(given: &[Value]) -> Result<Value, BuiltinError> {
    let [Value::Array(first), Value::Array(second)] = given else {
        return Err(BuiltinError::Wrong { function: "array.concat", what: "expected two arrays" });
    };
    if first.len().saturating_add(second.len()) > MAX_ARRAY {
        return Err(BuiltinError::Large { function: "array.concat", most: MAX_ARRAY, unit: "elements" });
    }
    Ok(Value::from(first.iter().chain(second.iter()).cloned().collect::<Vec<_>>()))
}

/// `to_number(VALUE)`: a short text without an exponent. The engine writes out what `1e999999999` stands for.
fn to_number(given: &[Value]) -> Result<Value, BuiltinError> {
    let wrong = |what| BuiltinError::Wrong { function: "to_number", what };
    match given {
        [Value::Null | Value::Bool(false)] => Ok(Value::from(0_u64)),
        [Value::Bool(true)] => Ok(Value::from(1_u64)),
        [Value::Number(number)] => Ok(Value::Number(number.clone())),
        [Value::String(text)] if text.len() > MAX_NUMBER => {
            Err(BuiltinError::Large { function: "to_number", most: MAX_NUMBER, unit: "bytes" })
        }
        [Value::String(text)] if text.contains(['e', 'E']) => {
            Err(wrong("expected digits, without an exponent"))
        }
        [Value::String(text)] => match Value::from_json_str(text) {
            Ok(Value::Number(number)) => Ok(Value::Number(number)),
            _ => Err(wrong("expected the text of a number")),
        },
        _ => Err(wrong("expected a number, text, boolean or null")),
    }
}
