//! A change in words, by what it is about.

use super::{ChangedEvent, Group};
use crate::eventlog::EventData;
use crate::eventlog::data::ipl::Ipl;
use crate::eventlog::data::text::escaped;
use crate::eventlog::data::variable_value::VariableValue;
use crate::eventlog::event::Event;
use crate::eventlog::replay::logged::Logged;
use crate::eventlog::report::role::Role;

/// The most words of a command line that are told.
const MAX_WORDS: usize = 40;

pub(super) fn of(group: &Group<'_, '_>, before: &[ChangedEvent], after: &[ChangedEvent]) -> Vec<String> {
    if is_reordered(before, after) {
        return vec![format!("{}: same events in another order", group.role)];
    }
    let told = match group.role {
        Role::CommandLine => command_line(group),
        Role::SecureBootState => states(group),
        Role::PlatformKey | Role::KeyExchangeKeys | Role::Db | Role::Dbx | Role::OwnerKeys => entries(group),
        Role::BootOrder => boot_order(group),
        Role::Firmware => firmware(group),
        Role::OptionRom => option_roms(group),
        Role::Phase | Role::MachineId | Role::FileSystem | Role::System => system(before, after),
        Role::BootStep => steps(before, after),
        _ => Vec::new(),
    };
    if told.is_empty() { vec![plain(group)] } else { told }
}

/// Only the order differs: each PCR has the same digests.
fn is_reordered(before: &[ChangedEvent], after: &[ChangedEvent]) -> bool {
    let sorted = |events: &[ChangedEvent]| {
        let mut digests: Vec<_> = events.iter().map(|event| (event.pcr, event.digest)).collect();
        digests.sort_unstable();
        digests
    };
    !before.is_empty() && sorted(before) == sorted(after)
}

/// `kernel changed`, `initrd added`, `boot loader removed`.
fn plain(group: &Group<'_, '_>) -> String {
    let role = group.role;
    match (group.before.len(), group.after.len()) {
        (0, 1) => format!("{role} added"),
        (0, added) => format!("{role} added ({added} events)"),
        (1, 0) => format!("{role} removed"),
        (removed, 0) => format!("{role} removed ({removed} events)"),
        (before, after) if before == after => format!("{role} changed"),
        (1, after) => format!("{role} changed (1 event before, {after} after)"),
        (before, after) => format!("{role} changed ({before} events before, {after} after)"),
    }
}

fn event_of<'e, 'a>(item: &'e Logged<'_, 'a>) -> Option<&'e Event<'a>> {
    match item {
        Logged::Event { event, .. } => Some(event),
        Logged::Record { .. } => None,
    }
}

fn command_line(group: &Group<'_, '_>) -> Vec<String> {
    let text = |events: &[(crate::PcrIndex, Logged<'_, '_>)]| -> Vec<String> {
        let mut texts = events.iter().rev().filter_map(|(_, item)| kernel_arguments(event_of(item)?));
        texts.next().map(|text| text.split_whitespace().map(str::to_owned).collect()).unwrap_or_default()
    };
    let (old, new) = (text(&group.before), text(&group.after));
    if old.is_empty() || new.is_empty() {
        return Vec::new();
    }
    let removed = old.iter().filter(|word| !new.contains(word)).map(|word| format!("-{word}"));
    let added = new.iter().filter(|word| !old.contains(word)).map(|word| format!("+{word}"));
    let words: Vec<_> = removed.chain(added).take(MAX_WORDS).collect();
    match words.is_empty() {
        true => vec!["command line changed: the same words in another order or number".to_owned()],
        false => vec![format!("command line changed: {}", words.join(" "))],
    }
}

/// The arguments that an event shows; most events of a command line have only its digest.
fn kernel_arguments(event: &Event<'_>) -> Option<String> {
    let text = match event.typed().ok()? {
        EventData::Ipl(Ipl::Labelled { text, .. }) => String::from_utf8_lossy(text).into_owned(),
        EventData::Ipl(Ipl::Utf16(text)) => text.chars().collect(),
        _ => return None,
    };
    // A section's name is no command line.
    (!text.starts_with('.')).then(|| text.chars().flat_map(char::escape_debug).take(4096).collect())
}

fn value<'a>(item: &Logged<'_, 'a>) -> Option<(String, VariableValue<'a>)> {
    let event = event_of(item)?;
    match event.typed().ok()? {
        EventData::Variable(variable) => {
            Some((escaped(variable.name().chars()), variable.value(event.event_type()).ok()?))
        }
        _ => None,
    }
}

/// The values of one variable before and after.
type Pair<'a> = (String, Option<VariableValue<'a>>, Option<VariableValue<'a>>);

fn pairs<'a>(group: &Group<'_, 'a>) -> Vec<Pair<'a>> {
    let mut pairs: Vec<Pair<'a>> = Vec::new();
    for (name, value) in group.before.iter().filter_map(|(_, item)| value(item)) {
        pairs.push((name, Some(value), None));
    }
    for (name, value) in group.after.iter().filter_map(|(_, item)| value(item)) {
        match pairs.iter_mut().find(|(known, _, after)| *known == name && after.is_none()) {
            Some((_, _, after)) => *after = Some(value),
            None => pairs.push((name, None, Some(value))),
        }
    }
    pairs
}

fn states(group: &Group<'_, '_>) -> Vec<String> {
    let word = |value: Option<VariableValue<'_>>| match value {
        Some(VariableValue::Switch(true)) => "on",
        Some(VariableValue::Switch(false)) => "off",
        Some(VariableValue::Absent) | None => "not there",
        Some(_) => "something else",
    };
    let name = |name: &str| match name {
        "SecureBoot" => "secure boot".to_owned(),
        name => name.to_owned(),
    };
    pairs(group)
        .into_iter()
        .map(|(variable, old, new)| format!("{}: {} -> {}", name(&variable), word(old), word(new)))
        .collect()
}

/// How many entries a key database gained and lost.
fn entries(group: &Group<'_, '_>) -> Vec<String> {
    pairs(group)
        .into_iter()
        .filter_map(|(name, old, new)| {
            let list = |value: Option<VariableValue<'_>>| -> Option<Vec<Vec<u8>>> {
                match value? {
                    VariableValue::Signatures(lists) => {
                        Some(lists.signatures().map(|entry| entry.data().content().to_vec()).collect())
                    }
                    VariableValue::Absent => Some(Vec::new()),
                    _ => None,
                }
            };
            let (old, new) = (list(old)?, list(new)?);
            let missing = |from: &[Vec<u8>], of: &[Vec<u8>]| {
                let known: std::collections::HashSet<_> = from.iter().collect();
                of.iter().filter(|entry| !known.contains(entry)).count()
            };
            Some(match (missing(&old, &new), missing(&new, &old)) {
                (0, 0) => format!("{name} changed: the same entries in another form"),
                (1, 0) => format!("{name} has 1 more entry ({} in all)", new.len()),
                (added, 0) => format!("{name} has {added} more entries ({} in all)", new.len()),
                (0, 1) => format!("{name} has 1 entry less ({} in all)", new.len()),
                (0, removed) => format!("{name} has {removed} entries less ({} in all)", new.len()),
                (added, removed) => format!("{name} changed: {added} entries added, {removed} removed"),
            })
        })
        .collect()
}

fn boot_order(group: &Group<'_, '_>) -> Vec<String> {
    let list = |value: Option<VariableValue<'_>>| match value {
        Some(VariableValue::Order(order)) => {
            order.numbers().take(32).map(|number| format!("{number:04X}")).collect::<Vec<_>>().join(",")
        }
        _ => "none".to_owned(),
    };
    pairs(group)
        .into_iter()
        .map(|(_, old, new)| format!("boot order changed: {} -> {}", list(old), list(new)))
        .collect()
}

fn firmware(group: &Group<'_, '_>) -> Vec<String> {
    let version = |events: &[(crate::PcrIndex, Logged<'_, '_>)]| {
        events.iter().find_map(|(_, item)| match event_of(item)?.typed().ok()? {
            EventData::Version(_) => event_of(item).map(crate::eventlog::describe),
            _ => None,
        })
    };
    match (version(&group.before), version(&group.after)) {
        (Some(old), Some(new)) if old != new => vec![format!("firmware changed: {old} -> {new}")],
        _ => Vec::new(),
    }
}

fn option_roms(group: &Group<'_, '_>) -> Vec<String> {
    match (group.before.len(), group.after.len()) {
        (0, 1) => vec!["a driver from a card was added".to_owned()],
        (0, added) => vec![format!("{added} drivers from cards were added")],
        (1, 0) => vec!["a driver from a card was removed".to_owned()],
        (removed, 0) => vec![format!("{removed} drivers from cards were removed")],
        _ => Vec::new(),
    }
}

/// What systemd measured has words of its own.
fn system(before: &[ChangedEvent], after: &[ChangedEvent]) -> Vec<String> {
    let told = |mark: char, events: &[ChangedEvent]| -> Vec<String> {
        events.iter().take(MAX_WORDS).map(|event| format!("{mark} {}", event.says)).collect()
    };
    [told('-', before), told('+', after)].concat()
}

fn steps(before: &[ChangedEvent], after: &[ChangedEvent]) -> Vec<String> {
    [counted('-', before), counted('+', after)].concat()
}

/// The steps of one side, each once and with its number.
fn counted(mark: char, events: &[ChangedEvent]) -> Vec<String> {
    let mut steps: Vec<(&str, u32)> = Vec::new();
    for text in events.iter().filter_map(|event| event.says.split_once(": ")).map(|(_, text)| text) {
        match steps.iter_mut().find(|(known, _)| *known == text) {
            Some((_, count)) => *count = count.saturating_add(1),
            None => steps.push((text, 1)),
        }
    }
    let told = steps.into_iter().take(MAX_WORDS).map(|(text, count)| match count {
        1 => format!("boot step {mark}{text}"),
        count => format!("boot step {mark}{text} ({count} times)"),
    });
    told.collect()
}
