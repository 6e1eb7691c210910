//! UEFI variables as JSON.

use serde::Serialize;

use super::{MOST, Named, hex_bytes};
use crate::digest::Digest;
use crate::eventlog::data::load_option::LoadOption;
use crate::eventlog::data::signature::{
    Signature, SignatureKind, SignatureLists, X509Certificate, X509Fields,
};
use crate::eventlog::data::text::escaped;
use crate::eventlog::data::variable::UefiVariable;
use crate::eventlog::data::variable_value::{Authority, AuthorityEntry, VariableValue};
use crate::eventlog::event_type::EventType;

/// The value of a variable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "form")]
#[non_exhaustive]
#[expect(missing_docs, reason = "the fields carry the names of the structures that they are read from")]
pub enum VariableDetail {
    /// No content.
    Absent,
    /// On or off.
    Switch { on: bool },
    /// Signature lists.
    Signatures { count: usize, signatures: Vec<SignatureDetail> },
    /// What vouched for an image.
    Authority {
        owner: Option<Named>,
        #[serde(flatten)]
        entry: EntryDetail,
    },
    /// Numbers of load options.
    Order { numbers: Vec<String> },
    /// A load option.
    LoadOption {
        active: bool,
        attributes: u32,
        description: String,
        paths: Vec<String>,
        optional_data: String,
    },
    /// Shim's SBAT level.
    Sbat { components: Vec<String> },
    /// Another content.
    Opaque { bytes: String },
    /// Content that does not have its name's form.
    Malformed { error: String },
}

/// An entry of a signature list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SignatureDetail {
    #[serde(rename = "type")]
    kind: SignatureKind,
    owner: Named,
    #[serde(flatten)]
    entry: EntryDetail,
}

/// A certificate, a hash, or what has no name here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum EntryDetail {
    /// A certificate: its SHA-256 fingerprint, and what it says where it can be read.
    Certificate {
        fingerprint: Digest,
        #[serde(flatten)]
        fields: Option<X509Fields>,
    },
    /// An image's hash.
    ImageHash { image_hash: Digest },
    /// The hash of a certificate's to-be-signed part.
    CertificateHash { certificate_hash: Digest },
    /// Another entry.
    Opaque { bytes: String },
}

impl VariableDetail {
    pub(super) fn of(variable: &UefiVariable<'_>, kind: EventType) -> Self {
        match variable.value(kind) {
            Err(error) => Self::Malformed { error: error.to_string() },
            Ok(VariableValue::Absent) => Self::Absent,
            Ok(VariableValue::Switch(on)) => Self::Switch { on },
            Ok(VariableValue::Signatures(lists)) => Self::signatures(&lists),
            Ok(VariableValue::Authority(authority)) => Self::authority(&authority),
            Ok(VariableValue::Order(order)) => Self::Order {
                numbers: order.numbers().take(MOST).map(|number| format!("{number:04X}")).collect(),
            },
            Ok(VariableValue::LoadOption(option)) => Self::load_option(&option),
            Ok(VariableValue::Sbat(level)) => Self::Sbat {
                components: level.lines().take(MOST).map(|line| escaped(line.chars())).collect(),
            },
            Ok(VariableValue::Opaque(content)) => Self::Opaque { bytes: hex_bytes(content) },
        }
    }

    fn signatures(lists: &SignatureLists<'_>) -> Self {
        let detail = |signature: Signature<'_>| SignatureDetail {
            kind: signature.kind(),
            owner: Named::from(signature.data().owner()),
            entry: EntryDetail::of(&signature),
        };
        Self::Signatures {
            count: lists.count(),
            signatures: lists.signatures().take(MOST).map(detail).collect(),
        }
    }

    fn authority(authority: &Authority<'_>) -> Self {
        let entry = match &authority.entry {
            AuthorityEntry::Certificate(certificate) => EntryDetail::certificate(certificate),
            AuthorityEntry::Hash(hash) => EntryDetail::ImageHash { image_hash: *hash },
        };
        Self::Authority { owner: authority.owner.map(Named::from), entry }
    }

    fn load_option(option: &LoadOption<'_>) -> Self {
        Self::LoadOption {
            active: option.is_active(),
            attributes: option.attributes(),
            description: escaped(option.description().chars()),
            paths: option.paths().iter().take(16).map(|path| path.to_text()).collect(),
            optional_data: hex_bytes(option.optional_data()),
        }
    }
}

impl EntryDetail {
    fn of(signature: &Signature<'_>) -> Self {
        if let Some(certificate) = signature.certificate() {
            return Self::certificate(&certificate);
        }
        match (signature.image_hash(), signature.certificate_hash()) {
            (Some(image_hash), _) => Self::ImageHash { image_hash },
            (None, Some(certificate_hash)) => Self::CertificateHash { certificate_hash },
            (None, None) => Self::Opaque { bytes: hex_bytes(signature.data().content()) },
        }
    }

    fn certificate(certificate: &X509Certificate<'_>) -> Self {
        Self::Certificate { fingerprint: certificate.fingerprint(), fields: certificate.fields() }
    }
}
