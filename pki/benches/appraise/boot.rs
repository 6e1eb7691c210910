//! A measured boot of 120 events and about 34 kB, as a server with shim and GRUB measures it: keys and certificates of secure
//! boot, 250 revoked images, a line for each command of GRUB's configuration. Banks SHA-1 and SHA-256.

use std::slice::from_ref;

use attest::HashAlgorithm;
use rcgen::{CertificateParams, CustomExtension, DnType, Issuer, KeyPair, PublicKeyData, SignatureAlgorithm};

const BANKS: [HashAlgorithm; 2] = [HashAlgorithm::Sha1, HashAlgorithm::Sha256];
const NO_ACTION: u32 = 3;
const SEPARATOR: u32 = 4;
const ACTION: u32 = 5;
const S_CRTM_VERSION: u32 = 8;
const IPL: u32 = 13;
const PLATFORM_BLOB: u32 = 0x8000_0008;
const VARIABLE: u32 = 0x8000_0001;
const VARIABLE_BOOT: u32 = 0x8000_0002;
const APPLICATION: u32 = 0x8000_0003;
const EFI_ACTION: u32 = 0x8000_0007;
const AUTHORITY: u32 = 0x8000_00E0;

const GLOBAL: &str = "61dfe48bca93d211aa0d00e098032b8c";
const IMAGE_SECURITY: &str = "cbb219d73a3d9645a3bcdad00e67656f";
const CERT_X509: &str = "a159c0a5e494a74a87b5ab155c2bf072";
const CERT_SHA256: &str = "2616c4c14c509240aca941f936934328";

/// How many events the log has, beside the header.
pub(crate) const EVENTS: usize = 120;

/// What one event extends, for the loop that only hashes.
pub(crate) struct Extension {
    pub(crate) pcr: usize,
    pub(crate) digest: [u8; 32],
    pub(crate) data: Vec<u8>,
}

#[derive(Default)]
pub(crate) struct Boot {
    pub(crate) log: Vec<u8>,
    pub(crate) extensions: Vec<Extension>,
}

impl Boot {
    /// The log of the boot, by the rules of PFP 1.06 §10.
    pub(crate) fn typical() -> Self {
        let mut boot = Self::default();
        boot.header();
        boot.event(0, S_CRTM_VERSION, &utf16("Example Firmware 2.41\0"));
        boot.hashed(0, PLATFORM_BLOB, b"firmware volume", &[0; 16]);
        let db = ["CA of db 0", "CA of db 1", "CA of db 2"].map(certificate);
        boot.secure_boot(&db);
        boot.event(4, EFI_ACTION, b"Calling EFI Application from Boot Option");
        (0..7).for_each(|pcr| boot.event(pcr, SEPARATOR, &[0; 4]));
        let ([first, ..], second) = (db, certificate("Linux vendor"));
        boot.event(7, AUTHORITY, &variable(IMAGE_SECURITY, "db", &[guid(GLOBAL), first].concat()));
        boot.hashed(4, APPLICATION, b"shim", &image_load("\\EFI\\example\\shimx64.efi"));
        boot.event(7, AUTHORITY, &variable(IMAGE_SECURITY, "MokList", &[guid(GLOBAL), second].concat()));
        boot.hashed(4, APPLICATION, b"grub", &image_load("\\EFI\\example\\grubx64.efi"));
        boot.hashed(4, APPLICATION, b"vmlinuz", &image_load(""));
        boot.hashed(9, IPL, b"vmlinuz", b"(hd0,gpt2)/vmlinuz-6.1.0-18-amd64\0");
        boot.hashed(9, IPL, b"initrd", b"(hd0,gpt2)/initrd.img-6.1.0-18-amd64\0");
        let last =
            [(5, &b"Exit Boot Services Invocation"[..]), (5, b"Exit Boot Services Returned with Success")];
        for number in boot.extensions.len() + 2 + last.len()..EVENTS {
            let line = format!("set variable_{number}=(hd0,gpt2)/boot");
            boot.hashed(8, IPL, line.as_bytes(), format!("grub_cmd: {line}\0").as_bytes());
        }
        let line =
            "(hd0,gpt2)/vmlinuz-6.1.0-18-amd64 root=UUID=f3948fb4-cce7-4193-940a-c5e2a36b5f0b ro quiet";
        boot.hashed(
            8,
            IPL,
            format!("linux {line}").as_bytes(),
            format!("grub_cmd: linux {line}\0").as_bytes(),
        );
        boot.hashed(8, IPL, line.as_bytes(), format!("kernel_cmdline: {line}\0").as_bytes());
        last.iter().for_each(|(pcr, text)| boot.event(*pcr, EFI_ACTION, text));
        boot
    }

    fn secure_boot(&mut self, db: &[Vec<u8>]) {
        let revoked: Vec<Vec<u8>> = (0..250_u32)
            .map(|n| HashAlgorithm::Sha256.digest(&n.to_le_bytes()).as_bytes().to_vec())
            .collect();
        let list = |entries: &[Vec<u8>]| {
            entries.iter().flat_map(|one| signatures(CERT_X509, from_ref(one))).collect()
        };
        let lists: [(_, _, Vec<u8>); 4] = [
            (GLOBAL, "PK", list(&[certificate("Platform key")])),
            (GLOBAL, "KEK", list(&["CA of KEK", "Vendor's KEK"].map(certificate))),
            (IMAGE_SECURITY, "db", list(db)),
            (IMAGE_SECURITY, "dbx", signatures(CERT_SHA256, &revoked)),
        ];
        self.event(7, VARIABLE, &variable(GLOBAL, "SecureBoot", &[1]));
        for (guid, name, content) in lists {
            self.event(7, VARIABLE, &variable(guid, name, &content));
        }
        self.event(7, SEPARATOR, &[0; 4]);
        self.event(1, VARIABLE_BOOT, &variable(GLOBAL, "BootOrder", &[2, 0, 0, 0, 1, 0]));
        for number in 0..3 {
            self.event(1, VARIABLE_BOOT, &variable(GLOBAL, &format!("Boot000{number}"), &[7; 110]));
        }
    }

    fn header(&mut self) {
        let mut spec = b"Spec ID Event03\0\0\0\0\0\x00\x02\x00\x02\x02\0\0\0".to_vec();
        for bank in BANKS {
            spec.extend(bank.tpm_id().to_le_bytes());
            spec.extend(u16::try_from(bank.len()).unwrap().to_le_bytes());
        }
        spec.push(0);
        self.log = [&[0; 4][..], &NO_ACTION.to_le_bytes(), &[0; 20], &length(&spec), &spec].concat();
    }

    fn event(&mut self, pcr: u32, kind: u32, data: &[u8]) {
        self.hashed(pcr, kind, data, data);
    }

    fn hashed(&mut self, pcr: u32, kind: u32, hashed: &[u8], data: &[u8]) {
        assert_ne!(kind, ACTION, "firmware of UEFI writes EV_EFI_ACTION");
        self.log.extend([pcr.to_le_bytes(), kind.to_le_bytes(), 2_u32.to_le_bytes()].concat());
        for bank in BANKS {
            self.log.extend(bank.tpm_id().to_le_bytes());
            self.log.extend(bank.digest(hashed).as_bytes());
        }
        self.log.extend([&length(data)[..], data].concat());
        let digest = *HashAlgorithm::Sha256.digest(hashed).as_bytes().first_chunk().unwrap();
        self.extensions.push(Extension { pcr: usize::try_from(pcr).unwrap(), digest, data: data.to_vec() });
    }
}

/// A certificate with an RSA key of 2048 bits, as those in key databases have.
fn certificate(name: &str) -> Vec<u8> {
    struct Rsa(Vec<u8>);
    impl PublicKeyData for Rsa {
        fn der_bytes(&self) -> &[u8] {
            &self.0
        }
        fn algorithm(&self) -> &'static SignatureAlgorithm {
            &rcgen::PKCS_RSA_SHA256
        }
    }
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CountryName, "US");
    params.distinguished_name.push(DnType::OrganizationName, "Example Corporation of secure boot");
    params.distinguished_name.push(DnType::CommonName, name);
    // Policies, addresses of lists, identifiers: what makes such certificates 1 to 1.6 kB long.
    params.custom_extensions = vec![CustomExtension::from_oid_content(&[2, 5, 29, 32], vec![5; 430])];
    let modulus: Vec<u8> =
        [&[0x30, 0x82, 1, 10, 2, 0x82, 1, 1, 0, 0xC5][..], &[7; 255], &[2, 3, 1, 0, 1]].concat();
    let (issuer, key) = (CertificateParams::default(), KeyPair::generate().unwrap());
    params.signed_by(&Rsa(modulus), &Issuer::from_params(&issuer, &key)).unwrap().der().to_vec()
}

/// EFI_SIGNATURE_LIST.
fn signatures(kind: &str, entries: &[Vec<u8>]) -> Vec<u8> {
    let each = 16 + entries.first().unwrap().len();
    let head = [u32::try_from(28 + each * entries.len()).unwrap(), 0, u32::try_from(each).unwrap()];
    let mut list = guid(kind);
    list.extend(head.iter().flat_map(|number| number.to_le_bytes()));
    entries.iter().for_each(|entry| list.extend([guid(IMAGE_SECURITY), entry.clone()].concat()));
    list
}

/// UEFI_VARIABLE_DATA.
fn variable(vendor: &str, name: &str, content: &[u8]) -> Vec<u8> {
    let lengths =
        [name.len(), content.len()].map(|length| u64::try_from(length).unwrap().to_le_bytes()).concat();
    [guid(vendor), lengths, utf16(name), content.to_vec()].concat()
}

/// UEFI_IMAGE_LOAD_EVENT with a file's path.
fn image_load(file: &str) -> Vec<u8> {
    let file = utf16(&format!("{file}\0"));
    let node = u16::try_from(file.len() + 4).unwrap().to_le_bytes();
    let path = [&[1, 1, 6, 0, 0, 3, 4, 4][..], &node, &file, &[0x7F, 0xFF, 4, 0]].concat();
    [&[0; 24][..], &u64::try_from(path.len()).unwrap().to_le_bytes(), &path].concat()
}

fn guid(bytes: &str) -> Vec<u8> {
    hex::decode(bytes).unwrap()
}

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

fn length(bytes: &[u8]) -> [u8; 4] {
    u32::try_from(bytes.len()).unwrap().to_le_bytes()
}
