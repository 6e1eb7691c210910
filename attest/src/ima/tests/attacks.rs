//! Threats of the list as a whole.

use super::build::*;
use crate::digest::Digest;
use crate::ima::{Bank, EntryError, Extend, ImaError, ImaList, ImaOptions, replay};
use crate::pcr::PcrIndex;

#[test]
fn i01_a_template_hash_that_is_not_the_datas_is_refused_with_the_entrys_number() {
    let good = list(&[file(b"/bin/a"), file(b"/bin/b")]);
    let quoted = Quoted::after(&good, &[SHA256.into()]);
    let entries = split(&good);
    for byte in [4, 23, entries[1].len() - 6] {
        let mut changed = entries.clone();
        changed[1][byte] ^= 1;
        let error = quoted.measure_sha256(&changed.concat()).unwrap_err();
        assert_eq!(error.threat(), "i01");
        let (number, offset, error) = refused_entry(error);
        assert_eq!((number, offset), (2, entries[0].len()));
        assert!(matches!(error, EntryError::TemplateHash { .. }), "{error}");
    }
}

#[test]
fn i01_a_per_bank_list_is_checked_with_its_own_hash() {
    let data = [sized(&d_ng("sha256", &[7; 32])), sized(&name(b"/bin/a"))].concat();
    let hash = SHA256.digest(&data);
    let mut bytes = raw(10, hash.as_bytes(), b"ima-ng", &sized(&data));
    let pcrs = replay(&ImaList::of_bank(&bytes, SHA256), &[SHA1.into(), SHA256.into()]).unwrap();
    let zero = Digest::zero(SHA256);
    assert_eq!(pcrs.get(SHA256, PcrIndex::IMA).copied(), zero.extend(&hash));
    assert_eq!(pcrs.get(SHA1, PcrIndex::IMA).copied(), Digest::zero(SHA1).extend(&SHA1.digest(&data)));
    bytes[4] ^= 1;
    let error = replay(&ImaList::of_bank(&bytes, SHA256), &[SHA1.into()]).unwrap_err();
    assert_eq!(error.threat(), "i01");
}

#[test]
fn i01_a_wrong_template_hash_after_the_covered_part_is_refused_too() {
    let covered = list(&[file(b"/bin/a")]);
    let quoted = Quoted::after(&covered, &[SHA256.into()]);
    let mut later = file(b"/bin/b");
    later[4] ^= 1;
    let error = quoted.measure_sha256(&[covered, later].concat()).unwrap_err();
    assert_eq!(refused_entry(error).0, 3);
}

#[test]
fn i02_only_the_covered_prefix_is_believed() {
    let (bytes, quoted) = recorded("q35-sha256");
    let entries = split(&bytes);
    for covered in 1..=entries.len() {
        let mut earlier = quoted.clone();
        let replayed = replay(&ImaList::new(&entries[..covered].concat()), &[SHA256.into()]).unwrap();
        earlier.0.insert((SHA256, PcrIndex::IMA), *replayed.get(SHA256, PcrIndex::IMA).unwrap());
        let measured = earlier.measure_sha256(&bytes).unwrap();
        assert_eq!(measured.attested(), covered);
        assert_eq!(measured.not_yet_attested(), entries.len() - covered);
        assert_eq!(measured.files().count(), covered - 1 - measured.violations());
        assert!(measured.files().all(|entry| entry.number() <= covered));
    }
}

#[test]
fn i03_a_shorter_list_is_refused_and_says_how_far_it_was_read() {
    let (bytes, quoted) = recorded("q35-sha256");
    let entries = split(&bytes);
    for length in 1..entries.len() {
        let error = quoted.measure_sha256(&entries[..length].concat()).unwrap_err();
        assert!(matches!(error, ImaError::NotCovered { read, .. } if read == length), "{error}");
        assert_eq!(error.threat(), "i03");
    }
    let error = quoted.measure_sha256(b"").unwrap_err();
    assert!(matches!(error, ImaError::NotCovered { read: 0, .. }), "{error}");
}

#[test]
fn i03_a_list_without_one_of_its_lines_is_refused() {
    let (bytes, quoted) = recorded("q35-multibank");
    let entries = split(&bytes);
    for dropped in 0..entries.len() {
        let mut fewer = entries.clone();
        fewer.remove(dropped);
        for bank in [SHA1, SHA256] {
            let error = quoted.measure(&fewer.concat(), &ImaOptions::new(bank)).unwrap_err();
            assert!(matches!(error, ImaError::NotCovered { read: 83, .. }), "{dropped}: {error}");
        }
    }
}

#[test]
fn i03_two_swapped_lines_are_refused() {
    let (bytes, quoted) = recorded("q35-sha256");
    let entries = split(&bytes);
    for first in 0..entries.len() - 1 {
        let mut swapped = entries.clone();
        swapped.swap(first, first + 1);
        let error = quoted.measure_sha256(&swapped.concat()).unwrap_err();
        assert!(matches!(error, ImaError::NotCovered { read: 84, .. }), "{first}: {error}");
    }
}

#[test]
fn i05_a_violation_extends_ones_in_every_bank_and_is_counted() {
    let one = violation(b"/srv/log");
    let pcrs = replay(&ImaList::new(&one), &[SHA1.into(), SHA256.into(), SHA384.into()]).unwrap();
    for bank in [SHA1, SHA256, SHA384] {
        let expected = Digest::zero(bank).extend(&Digest::ones(bank));
        assert_eq!(pcrs.get(bank, PcrIndex::IMA).copied(), expected);
    }
    let bytes = list(&[file(b"/bin/a"), one, file(b"/bin/b")]);
    let measured = Quoted::after(&bytes, &[SHA256.into()]).measure_sha256(&bytes).unwrap();
    assert_eq!((measured.attested(), measured.violations()), (4, 1));
    assert_eq!(measured.violation_entries().next().unwrap().path(), b"/srv/log");
}

#[test]
fn i05_a_violation_hidden_by_a_digest_of_its_own_is_refused() {
    let bytes = list(&[file(b"/bin/a"), violation(b"/srv/log")]);
    let quoted = Quoted::after(&bytes, &[SHA256.into()]);
    let hidden = list(&[file(b"/bin/a"), file(b"/srv/log")]);
    assert!(matches!(quoted.measure_sha256(&hidden), Err(ImaError::NotCovered { .. })));
}

#[test]
fn i05_violations_of_older_kernels_have_twenty_zeros_for_any_hash() {
    let data = [sized(&d_ng("sha256", &[0; 20])), sized(&name(b"/srv/log"))].concat();
    let bytes = raw(10, &[0; 20], b"ima-ng", &sized(&data));
    let entry = ImaList::new(&bytes).entries().next().unwrap().unwrap();
    assert!(entry.is_violation());
    let bytes = raw(10, SHA1.digest(&data).as_bytes(), b"ima-ng", &sized(&data));
    let error = ImaList::new(&bytes).entries().next().unwrap().unwrap_err();
    assert!(matches!(refused_entry(error).2, EntryError::Length { found: 20, expected: 32, .. }));
}

#[test]
fn i09_an_entry_of_another_pcr_is_refused_unless_named_and_quoted() {
    let other = entry(11, "ima-ng", &[&d_ng("sha256", &[1; 32]), &name(b"/bin/x")]);
    let bytes = list(&[file(b"/bin/a"), other, file(b"/bin/b")]);
    let quoted = Quoted::after(&bytes, &[SHA256.into()]);
    let error = quoted.measure_sha256(&bytes).unwrap_err();
    assert!(
        matches!(error, ImaError::OtherPcr { entry: 3, found, expected, .. } if found == pcr(11) && expected == PcrIndex::IMA),
        "{error}"
    );
    assert_eq!(error.threat(), "i09");
    let named = ImaOptions { other_pcrs: vec![pcr(11)], ..ImaOptions::new(SHA256) };
    assert_eq!(quoted.measure(&bytes, &named).unwrap().files().count(), 3);
    let unquoted = quoted.clone().without(SHA256, 11).measure(&bytes, &named).unwrap_err();
    assert_eq!(unquoted, ImaError::NotQuoted { bank: SHA256, pcr: pcr(11) });
    let mut foreign = quoted;
    foreign.0.insert((SHA256, pcr(11)), SHA256.digest(b"another"));
    let error = foreign.measure(&bytes, &named).unwrap_err();
    assert!(matches!(error, ImaError::NotCovered { pcr: found, read: 4, .. } if found == pcr(11)), "{error}");
}

#[test]
fn i09_a_list_of_another_pcr_than_10_is_taken_when_the_policy_says_so() {
    let bytes: Vec<u8> = split(&list(&[file(b"/bin/a")]))
        .into_iter()
        .flat_map(|mut entry| {
            entry[0] = 12;
            entry
        })
        .collect();
    let quoted = Quoted::after(&bytes, &[SHA256.into()]);
    let options = ImaOptions { pcr: pcr(12), ..ImaOptions::new(SHA256) };
    assert_eq!(quoted.measure(&bytes, &options).unwrap().attested(), 2);
    let error = quoted.measure_sha256(&bytes).unwrap_err();
    assert_eq!(error, ImaError::NotQuoted { bank: SHA256, pcr: PcrIndex::IMA });
}

#[test]
fn i10_padded_sha1_is_recognised_and_only_accepted_by_name() {
    let bytes = list(&[file(b"/bin/a"), violation(b"/srv/log"), file(b"/bin/b")]);
    for extend in Extend::ALL {
        let quoted = Quoted::after(&bytes, &[Bank { algorithm: SHA256, extend }]);
        for named in Extend::ALL {
            let bank = Bank { algorithm: SHA256, extend: named };
            let outcome = quoted.measure(&bytes, &ImaOptions { bank, ..ImaOptions::new(SHA256) });
            if named == extend {
                assert_eq!(outcome.unwrap().attested(), 4);
                continue;
            }
            let error = outcome.unwrap_err();
            let expected =
                ImaError::ExtendedOtherwise { bank: SHA256, found: extend, expected: named, covered: 4 };
            assert_eq!(error, expected);
            assert_eq!(error.threat(), "i10");
        }
    }
}

#[test]
fn i13_a_violation_is_never_offered_as_a_file() {
    let mut twin = violation(b"/bin/a");
    // What an attacker may write freely into a violation: the digest of a file that is allowed.
    let at = twin.windows(34).position(|window| window == [b":\0".as_slice(), &[0; 32]].concat()).unwrap();
    twin[at + 2..at + 34].copy_from_slice(SHA256.digest(b"/bin/a").as_bytes());
    let bytes = list(&[twin, file(b"/bin/b")]);
    let measured = Quoted::after(&bytes, &[SHA256.into()]).measure_sha256(&bytes).unwrap();
    let paths: Vec<&[u8]> = measured.files().map(|entry| entry.path()).collect();
    assert_eq!(paths, [b"/bin/b"]);
    assert_eq!(measured.violations(), 1);
}

#[test]
fn i17_a_big_endian_list_is_detected_and_replays() {
    for index in [0_u32, 10] {
        let digest = d_ng("md5", &[3; 16]);
        let fields = [
            &u32::try_from(digest.len()).unwrap().to_be_bytes()[..],
            &digest,
            &7_u32.to_be_bytes(),
            b"/bin/a\0",
        ]
        .concat();
        let bytes = [
            &index.to_be_bytes()[..],
            SHA1.digest(&fields).as_bytes(),
            &6_u32.to_be_bytes(),
            b"ima-ng",
            &u32::try_from(fields.len()).unwrap().to_be_bytes(),
            &fields,
        ]
        .concat();
        let list = ImaList::new(&bytes);
        assert_eq!(list.byte_order(), crate::ima::ByteOrder::Big);
        let entry = list.entries().next().unwrap().unwrap();
        assert_eq!((entry.path(), entry.pcr()), (b"/bin/a".as_slice(), pcr(index)));
        assert_eq!(entry.check_template_hash().unwrap(), SHA1.digest(&fields));
    }
}

#[test]
fn i06_no_template_name_turns_a_chosen_buffer_into_a_path() {
    let command_line = b"/var/log/x\0";
    let digest = d_ng("sha256", SHA256.digest(command_line).as_bytes());
    for template in ["d-ng|xattrnames|n-ng", "xattrnames|d-ng|n-ng", "n-ng|d-ng"] {
        let bytes = list(&[entry(10, template, &[&digest, &name(b"kexec-cmdline"), command_line])]);
        let quoted = Quoted::after(&list(&[]), &[SHA256.into()]);
        let (number, _, error) = refused_entry(quoted.measure_sha256(&bytes).unwrap_err());
        assert!(
            number == 2 && matches!(error, crate::ima::EntryError::Template { .. }),
            "{template}: {error}"
        );
    }
}

#[test]
fn i04_an_aggregate_of_another_pcr_is_none() {
    let first = split(&list(&[])).remove(0);
    let digest = ImaList::new(&first).entries().next().unwrap().unwrap().file_digest().bytes().to_vec();
    let foreign = entry(11, "ima-sig", &[&d_ng("sha256", &digest), &name(b"boot_aggregate"), b""]);
    let bytes = [foreign, list(&[file(b"/bin/a")])].concat();
    let quoted = Quoted::after(&bytes, &[SHA256.into()]);
    let options = ImaOptions { other_pcrs: vec![pcr(11)], ..ImaOptions::new(SHA256) };
    let error = quoted.measure(&bytes, &options).unwrap_err();
    assert!(matches!(error, ImaError::BootAggregateMissing { .. }), "{error}");
}
