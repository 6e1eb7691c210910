//! A module that measures: one reading per line, as JSON, until nobody reads it or it is told to end.
//!
//! `thermometer [--interval-ms N] [--count N]`

use std::io::{self, Write};
use std::process::ExitCode;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const THERMAL_ZONE: &str = "/sys/class/thermal/thermal_zone0/temp";
const LOAD: &str = "/proc/loadavg";

/// What was read, with its unit. A machine without a thermal zone, such as a virtual one, still has a load.
fn reading() -> io::Result<(f64, &'static str)> {
    match std::fs::read_to_string(THERMAL_ZONE) {
        Ok(text) => Ok((first_number(&text)? / 1000.0, "celsius")),
        Err(_) => Ok((first_number(&std::fs::read_to_string(LOAD)?)?, "load")),
    }
}

fn first_number(text: &str) -> io::Result<f64> {
    let word = text.split_whitespace().next().unwrap_or_default();
    f64::from_str(word).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

fn print(number: u64) -> io::Result<()> {
    let (value, unit) = reading()?;
    let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let mut out = io::stdout().lock();
    writeln!(out, r#"{{"time":{time},"reading":{number},"value":{value},"unit":"{unit}"}}"#)?;
    out.flush()
}

/// The value of an option; `None` when it is not given, or not a number.
fn option(name: &str) -> Option<u64> {
    let mut args = std::env::args().skip_while(|arg| arg != name);
    args.nth(1)?.parse().ok()
}

fn main() -> ExitCode {
    let interval = Duration::from_millis(option("--interval-ms").unwrap_or(1000));
    let count = option("--count").unwrap_or(u64::MAX);
    for number in 1..=count {
        match print(number) {
            Ok(()) => {}
            // Nobody reads us any more: the work is done.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("thermometer: {error}");
                return ExitCode::FAILURE;
            }
        }
        if number < count {
            std::thread::sleep(interval);
        }
    }
    ExitCode::SUCCESS
}
