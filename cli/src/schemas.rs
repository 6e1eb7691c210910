//! The JSON objects' schemas: made from the code, kept in docs/schemas, and held against each other here.

use std::path::{Path, PathBuf};

use schemars::{Schema, schema_for};

use crate::commands;
use crate::failure::FailureReport;

/// Every object that a command prints or keeps, by the name of its file.
fn schemas() -> Vec<(&'static str, Schema)> {
    vec![
        ("result", schema_for!(commands::result::ResultReport)),
        ("appraise", schema_for!(commands::appraise::AppraisalReport)),
        ("attest", schema_for!(commands::attest::AttestReport)),
        ("bundle-verify", schema_for!(commands::bundle::BundleReport)),
        ("ca-revoke", schema_for!(commands::ca::RevokeReport)),
        ("certificates", schema_for!(commands::ca::CertificatesReport)),
        ("check", schema_for!(commands::check::CheckReport)),
        ("error", schema_for!(FailureReport)),
        ("eventlog-diff", schema_for!(commands::eventlog::diff::DiffReport)),
        ("eventlog-explain", schema_for!(commands::eventlog::explain::ExplainReport)),
        ("eventlog-show", schema_for!(commands::eventlog::ShowReport<'static>)),
        ("ima-state", schema_for!(attest::ima::ImaState)),
        ("ima-show", schema_for!(commands::ima::ShowReport)),
        ("key-generate", schema_for!(commands::key::KeyReport)),
        ("module", schema_for!(commands::module::ModuleReport)),
        ("policy-check", schema_for!(commands::policy::check::CheckReport)),
        ("policy-replay", schema_for!(commands::policy::replay::ReplayReport)),
        ("policy-suggest", schema_for!(commands::policy::suggest::SuggestReport)),
        ("policy-test", schema_for!(commands::policy::test::TestReport)),
        ("provision", schema_for!(commands::provision::ProvisionReport)),
        ("quote-verify", schema_for!(commands::quote::QuoteReport)),
        ("reference", schema_for!(commands::reference::ReferenceReport)),
        ("reference-set", schema_for!(commands::reference::SetReport)),
        ("reference-withdrawal", schema_for!(commands::reference::WithdrawalReport)),
        ("rego-input", schema_for!(attest::appraise::RulesInput<'static>)),
        ("replay", schema_for!(commands::eventlog::ReplayReport)),
        ("run", schema_for!(commands::run::RunReport)),
        ("sim", schema_for!(commands::sim::SimReport)),
        ("sim-boot", schema_for!(commands::sim::BootReport)),
        ("update-install", schema_for!(commands::update::InstallReport)),
        ("update-pack", schema_for!(commands::update::PackReport)),
        ("update-package", schema_for!(commands::update::PackageReport)),
        ("update-sign", schema_for!(commands::update::SignReport)),
        ("update-status", schema_for!(commands::update::StatusReport)),
    ]
}

fn path_of(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/schemas").join(format!("{name}.json"))
}

#[test]
fn schemas_in_the_docs_are_those_of_the_code() {
    let update = std::env::var_os("HALLMARK_UPDATE_SCHEMAS").is_some();
    for (name, schema) in schemas() {
        let text = format!("{}\n", serde_json::to_string_pretty(&schema).unwrap());
        let path = path_of(name);
        if update {
            std::fs::write(&path, &text).unwrap();
        }
        let kept = std::fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(kept, text, "docs/schemas/{name}.json is out of date; run: make schemas");
    }
}
