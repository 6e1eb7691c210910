use update_verify::PackageError;
use update_verify::install::InstallError;

use super::*;
use crate::fixture::Release;

const SENSOR: &str = "[[module]]\nname = \"sensor\"\npath = \"bin/thermometer\"\n";

fn digest_of(modules: &str) -> Digest {
    *Release::install(modules).set().digest()
}

#[test]
fn r03_a_changed_or_unsigned_manifest_gives_no_modules() {
    let release = Release::install(SENSOR);
    assert_eq!(release.set().modules().len(), 1);
    let manifest = std::fs::read_to_string(release.manifest()).unwrap();
    let changed = manifest.replace("\"sensor\"", "\"Sensor\"").replace("Sensor", "intruder");
    assert_ne!(changed, manifest);
    std::fs::write(release.manifest(), changed).unwrap();
    let error = release.load().unwrap_err();
    assert!(matches!(error, InstallError::Package(PackageError::Signature(_))), "{error}");
    std::fs::write(release.manifest(), manifest).unwrap();
    assert!(release.load().is_ok());
    std::fs::write(release.manifest().with_file_name("manifest.sigstore.json"), b"").unwrap();
    assert!(release.load().unwrap_err().is_refusal());
}

#[test]
fn r03_unknown_fields_are_refused_even_with_a_good_signature() {
    let release = Release::install(SENSOR);
    let manifest = std::fs::read_to_string(release.manifest()).unwrap();
    let more = manifest.replace("\"name\":\"sensor\"", "\"name\":\"sensor\",\"uid\":\"0\"");
    assert_ne!(more, manifest);
    std::fs::write(release.manifest(), more).unwrap();
    release.sign_manifest_again();
    assert!(release.load().unwrap_err().is_refusal());
    // The signing itself is not what was refused.
    std::fs::write(release.manifest(), manifest).unwrap();
    release.sign_manifest_again();
    assert!(release.load().is_ok());
}

#[test]
fn r03_a_release_without_modules_starts_nothing() {
    let release = Release::install("");
    let error = ModuleSet::from_release(&release.load().unwrap()).unwrap_err();
    assert!(matches!(error, RuntimeError::NoModules { .. }), "{error}");
}

#[test]
fn the_digest_changes_with_every_part_of_a_module() {
    let two = "[[module]]\nname = \"two\"\npath = \"bin/forwarder\"\n";
    let three = two.replace("two", "three");
    let sets = [
        SENSOR.to_owned(),
        SENSOR.replace("sensor", "sensors"),
        SENSOR.replace("thermometer", "forwarder"),
        format!("{SENSOR}args = [\"ab\"]\n"),
        format!("{SENSOR}args = [\"a\", \"b\"]\n"),
        format!("{SENSOR}args = [\"\", \"ab\"]\n"),
        format!("{SENSOR}args = [\"a\", \"b\"]\nenv = {{ A = \"B\" }}\n"),
        format!("{SENSOR}args = [\"a\", \"b\", \"A\", \"B\"]\n"),
        format!("{SENSOR}env = {{ A = \"C\" }}\n"),
        format!("{SENSOR}{two}"),
        format!("{two}{SENSOR}"),
        format!("{SENSOR}{two}stdin = \"sensor\"\n"),
        format!("{SENSOR}{three}{two}stdin = \"sensor\"\n"),
        format!("{SENSOR}{three}{two}stdin = \"three\"\n"),
    ];
    let digests: std::collections::BTreeSet<Digest> = sets.iter().map(|set| digest_of(set)).collect();
    assert_eq!(digests.len(), sets.len());
    assert_eq!(digest_of(SENSOR), digest_of(SENSOR));
}
