//! UEFI variables for people.

use super::{MOST, listed};
use crate::eventlog::data::guid::Guid;
use crate::eventlog::data::load_option::LoadOption;
use crate::eventlog::data::signature::{Signature, SignatureLists, X509Certificate};
use crate::eventlog::data::text::{escaped, hex_head};
use crate::eventlog::data::variable::UefiVariable;
use crate::eventlog::data::variable_value::{Authority, AuthorityEntry, VariableValue};
use crate::eventlog::event_type::EventType;

/// `db: x509 Example CA, x509 Other CA`, `BootOrder: 0001, 0000`, and so on.
pub(super) fn describe(variable: &UefiVariable<'_>, kind: EventType) -> String {
    let name = escaped(variable.name().chars());
    match variable.value(kind) {
        Err(error) => format!("{name} is malformed: {error}"),
        Ok(VariableValue::Absent) => format!("{name} is empty"),
        Ok(VariableValue::Switch(false)) => format!("{name} = 00 (off)"),
        Ok(VariableValue::Switch(true)) => format!("{name} = 01 (on)"),
        Ok(VariableValue::Signatures(lists)) => format!("{name}: {}", signatures(&lists)),
        Ok(VariableValue::Authority(authority)) => format!("{name}: {}", self::authority(&authority)),
        Ok(VariableValue::Order(order)) => {
            format!("{name}: {}", listed(order.numbers().map(|number| format!("{number:04X}"))))
        }
        Ok(VariableValue::LoadOption(option)) => format!("{name}: {}", load_option(&option)),
        Ok(VariableValue::Sbat(level)) => {
            format!("{name}: {}", escaped(level.trim_end().replace('\n', "; ").chars()))
        }
        Ok(VariableValue::Opaque(content)) => format!("{name} = {}", hex_head(content)),
    }
}

fn signatures(lists: &SignatureLists<'_>) -> String {
    let certificates = || lists.signatures().filter(|signature| signature.certificate().is_some());
    let others = lists.count().saturating_sub(certificates().count());
    let mut parts = Vec::new();
    if certificates().next().is_some() {
        parts.push(listed(certificates().take(MOST.saturating_add(1)).map(|signature| one(&signature))));
    }
    let hash = lists.signatures().find(|signature| signature.certificate().is_none());
    match (others, hash) {
        (0, _) | (_, None) => {}
        (1, Some(only)) => parts.push(one(&only)),
        (others, Some(first)) => {
            let mut hashes = lists.signatures().filter(|signature| signature.certificate().is_none());
            let mixed = if hashes.all(|hash| hash.kind() == first.kind()) { "" } else { " and others" };
            parts.push(format!("{others} of type {}{mixed}", first.kind()));
        }
    }
    if parts.is_empty() { "no signatures".to_owned() } else { parts.join("; ") }
}

fn one(signature: &Signature<'_>) -> String {
    match signature.certificate() {
        Some(certificate) => self::certificate(&certificate),
        None => format!("{} {}", signature.kind(), hex_head(signature.data().content())),
    }
}

fn certificate(certificate: &X509Certificate<'_>) -> String {
    match certificate.fields() {
        Some(fields) => format!("x509 {}", fields.common_name.unwrap_or(fields.subject)),
        None => format!("x509 that can't be read, sha256:{}", certificate.fingerprint().to_hex()),
    }
}

fn authority(authority: &Authority<'_>) -> String {
    let entry = match &authority.entry {
        AuthorityEntry::Certificate(certificate) => self::certificate(certificate),
        AuthorityEntry::Hash(hash) => format!("image hash {}:{}", hash.algorithm(), hash.to_hex()),
    };
    match authority.owner {
        Some(owner) => format!("{entry}, enrolled by {}", owner_name(owner)),
        None => entry,
    }
}

fn owner_name(owner: Guid) -> String {
    owner.name().map_or_else(|| owner.to_string(), str::to_owned)
}

fn load_option(option: &LoadOption<'_>) -> String {
    let path = option.path().map(|path| path.to_text()).unwrap_or_default();
    let off = if option.is_active() { "" } else { ", not active" };
    format!("\"{}\" {path}{off}", escaped(option.description().chars()))
}
