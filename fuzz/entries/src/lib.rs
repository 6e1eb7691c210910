//! What each fuzz target does with its bytes. An assertion here that fails is a finding.
//!
//! cargo-fuzz runs these functions from `fuzz/fuzz_targets`, with coverage and for as long as one likes; the tests of this
//! crate run them over the seeds in `fuzz/seeds`, over recorded vectors, and over mutations of both.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::missing_panics_doc,
    reason = "a panic is how a finding is told"
)]

mod appraisals;
mod certificates;
mod chains;
mod claims;
mod device;
mod event_data;
mod files;
mod ledgers;
mod logs;
mod packages;
mod paths;
mod policies;
mod quotes;
mod resealed;
mod results;
mod signatures;
mod signer;
mod states;

pub use appraisals::appraisal;
pub use certificates::certificate;
pub use chains::{chain, issuer_key, reissued, signed_part};
pub use event_data::event_data;
pub use files::{file_set, image};
pub use ledgers::ledger;
pub use logs::{cel, eventlog, final_events, ima, inflate};
pub use packages::{manifest, package};
pub use paths::path_glob;
pub use policies::{corim, policy, reference};
pub use quotes::{evidence, quote};
pub use results::result;
pub use signatures::signature;
pub use states::ima_state;

/// One entry point: the name of the fuzz target, what it does, and where recorded inputs for it are.
pub struct Entry {
    /// The target, and its folder in `fuzz/seeds`.
    pub name: &'static str,
    /// What it does with bytes.
    pub run: fn(&[u8]),
    /// Recorded files that are good seeds, relative to `tpm-sim-tests/vectors`.
    pub recorded: &'static [&'static str],
}

/// Every entry point.
pub const ENTRIES: &[Entry] = &[
    Entry {
        name: "appraisal",
        run: appraisal,
        recorded: &["q35-sha256/eventlog.bin", "q35-secureboot-uki/eventlog.bin"],
    },
    Entry { name: "cel", run: cel, recorded: &[] },
    Entry { name: "certificate", run: certificate, recorded: &[] },
    Entry { name: "chain", run: chain, recorded: &[] },
    Entry { name: "corim", run: corim, recorded: &[] },
    Entry { name: "event_data", run: event_data, recorded: &[] },
    Entry {
        name: "eventlog",
        run: eventlog,
        recorded: &["q35-sha256/eventlog.bin", "q35-secureboot-uki/eventlog.bin"],
    },
    Entry { name: "evidence", run: evidence, recorded: &[] },
    Entry { name: "file_set", run: file_set, recorded: &[] },
    Entry { name: "final_events", run: final_events, recorded: &[] },
    Entry { name: "ima", run: ima, recorded: &["q35-sha256/ima.bin", "q35-ima-ng/ima.ascii"] },
    Entry { name: "ima_state", run: ima_state, recorded: &[] },
    Entry { name: "image", run: image, recorded: &[] },
    Entry { name: "inflate", run: inflate, recorded: &[] },
    Entry { name: "ledger", run: ledger, recorded: &[] },
    Entry { name: "manifest", run: manifest, recorded: &[] },
    Entry { name: "package", run: package, recorded: &[] },
    Entry { name: "path_glob", run: path_glob, recorded: &[] },
    Entry { name: "policy", run: policy, recorded: &[] },
    Entry {
        name: "quote",
        run: quote,
        recorded: &[
            "tpm2-tools-quote-rsa/quote.msg",
            "tpm2-tools-quote-ecc/ak.pub",
            "tpm2-tools-quote-ecc/quote.msg",
            "tpm2-tools-quote-ecc/quote.pcrs",
        ],
    },
    Entry { name: "reference", run: reference, recorded: &[] },
    Entry { name: "result", run: result, recorded: &[] },
    Entry { name: "signature", run: signature, recorded: &[] },
];
