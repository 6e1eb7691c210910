//! A simulated TPM in a folder of its own, with its own CA, spoken to with the standard tools.
#![allow(dead_code, unreachable_pub)]

use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use attest::key::PublicArea;
use attest::{Digest, HashAlgorithm};
use der::Decode;
use pki::ek::TpmMakerRoots;

const IAK: &str = "0x81020001";
const IDEVID: &str = "0x81020000";

#[derive(Clone, Copy, Debug)]
pub enum Ek {
    Rsa2048,
    EccP384,
}

impl Ek {
    fn nv_index(self) -> &'static str {
        match self {
            Self::Rsa2048 => "0x01c00002",
            Self::EccP384 => "0x01c00016",
        }
    }

    fn handle(self) -> &'static str {
        match self {
            Self::Rsa2048 => "0x81010001",
            Self::EccP384 => "0x81010016",
        }
    }
}

pub struct Simulator {
    folder: tempfile::TempDir,
    process: Child,
}

impl Drop for Simulator {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn need(program: &str) {
    let found = Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    assert!(found.is_ok(), "{program} is missing: install the test tools with `make deps`");
}

pub fn pem(der: &[u8]) -> String {
    der::Document::from_der(der).unwrap().to_pem("CERTIFICATE", der::pem::LineEnding::LF).unwrap()
}

impl Simulator {
    /// Makes a TPM with EK certificates from a CA in the same folder, and starts it.
    pub fn start() -> Self {
        for program in ["swtpm", "swtpm_setup", "tpm2_activatecredential"] {
            need(program);
        }
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("state")).unwrap();
        fs::create_dir(at("ca")).unwrap();
        let ca = at("ca");
        let ca = ca.display();
        fs::write(
            at("localca.conf"),
            format!(
                "statedir = {ca}\nsigningkey = {ca}/signkey.pem\nissuercert = {ca}/issuercert.pem\ncertserial = {ca}/certserial\n"
            ),
        )
        .unwrap();
        fs::write(
            at("localca.options"),
            "--platform-manufacturer Example\n--platform-version 1.0\n--platform-model Board\n",
        )
        .unwrap();
        fs::write(
            at("setup.conf"),
            format!(
                "create_certs_tool = swtpm_localca\ncreate_certs_tool_config = {}\ncreate_certs_tool_options = {}\nactive_pcr_banks = sha256\n",
                at("localca.conf").display(),
                at("localca.options").display()
            ),
        )
        .unwrap();
        run(Command::new("swtpm_setup")
            .args(["--tpm2", "--create-ek-cert", "--lock-nvram", "--overwrite", "--tpmstate"])
            .arg(at("state"))
            .arg("--config")
            .arg(at("setup.conf")))
        .expect("swtpm_setup");
        let process = Command::new("swtpm")
            .args(["socket", "--tpm2", "--flags", "not-need-init,startup-clear", "--tpmstate"])
            .arg(format!("dir={}", at("state").display()))
            .arg("--server")
            .arg(format!("type=unixio,path={}", at("tpm").display()))
            .arg("--ctrl")
            .arg(format!("type=unixio,path={}", at("tpm.ctrl").display()))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("swtpm starts");
        for _ in 0..500 {
            if at("tpm").exists() {
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Self { folder, process }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs a tool; `None` when it fails. Words that start with `@` are files in the simulator's folder.
    fn tool(&self, line: &str) -> Option<()> {
        let mut words = line.split_whitespace();
        let mut command = Command::new(words.next().unwrap());
        command
            .current_dir(self.folder.path())
            .env("TPM2TOOLS_TCTI", format!("swtpm:path={}", self.at("tpm").display()));
        command.args(words);
        run(&mut command)
    }

    fn must(&self, line: &str) {
        self.tool(line).unwrap_or_else(|| panic!("failed: {line}"));
    }

    fn file(&self, name: &str) -> Vec<u8> {
        fs::read(self.at(name)).unwrap()
    }

    pub fn root_pem(&self) -> String {
        fs::read_to_string(self.at("ca/swtpm-localca-rootca-cert.pem")).unwrap()
    }

    pub fn roots(&self) -> TpmMakerRoots {
        TpmMakerRoots::from_pem(&self.root_pem()).unwrap()
    }

    pub fn root_fingerprint(&self) -> Digest {
        HashAlgorithm::Sha256.digest(&from_pem(&self.at("ca/swtpm-localca-rootca-cert.pem")))
    }

    pub fn issuer_der(&self) -> Vec<u8> {
        from_pem(&self.at("ca/issuercert.pem"))
    }

    pub fn ek_certificate(&self, ek: Ek) -> Vec<u8> {
        self.must(&format!("tpm2_nvread {} -C o -o ek.nv", ek.nv_index()));
        self.file("ek.nv")
    }

    pub fn ek_public(&self, ek: Ek) -> PublicArea {
        self.read_public(ek.handle())
    }

    fn read_public(&self, handle: &str) -> PublicArea {
        self.must(&format!("tpm2_readpublic -c {handle} -o public"));
        PublicArea::parse_tpm2b(&self.file("public")).unwrap()
    }

    pub fn create_iak(&self) -> PublicArea {
        self.create(IAK, "restricted|")
    }

    pub fn create_idevid(&self) -> PublicArea {
        self.create(IDEVID, "")
    }

    /// A signing primary of the endorsement hierarchy with Hallmark's policy, made persistent.
    fn create(&self, handle: &str, restricted: &str) -> PublicArea {
        self.admin_session("activatecredential", "trial");
        self.must("tpm2_flushcontext session");
        self.must(&format!(
            "tpm2_createprimary -Q -C e -g sha256 -G ecc256:ecdsa-sha256:null -L admin.policy -c key.ctx \
             -a {restricted}fixedtpm|fixedparent|sensitivedataorigin|userwithauth|adminwithpolicy|sign"
        ));
        self.must(&format!("tpm2_evictcontrol -Q -C o -c key.ctx {handle}"));
        self.must("tpm2_flushcontext -t");
        self.read_public(handle)
    }

    /// PolicyOR of the two branches that the ADMIN role allows; `command` is the branch that a real session takes.
    fn admin_session(&self, command: &str, kind: &str) {
        for branch in ["activatecredential", "certify"] {
            self.must("tpm2_startauthsession -S branch");
            self.must("tpm2_policysecret -Q -S branch -c e");
            self.must(&format!(
                "tpm2_policycommandcode -Q -S branch -L {branch}.policy TPM2_CC_{}",
                code(branch)
            ));
            self.must("tpm2_flushcontext branch");
        }
        let policy = if kind == "trial" { "" } else { "--policy-session" };
        self.must(&format!("tpm2_startauthsession {policy} -S session"));
        self.must("tpm2_policysecret -Q -S session -c e");
        self.must(&format!("tpm2_policycommandcode -Q -S session TPM2_CC_{}", code(command)));
        self.must(
            "tpm2_policyor -Q -S session -L admin.policy -l sha256:activatecredential.policy,certify.policy",
        );
    }

    /// TPM2_ActivateCredential for the IAK; `None` when the TPM refuses.
    pub fn activate(&self, ek: Ek, credential: &[u8]) -> Option<Vec<u8>> {
        fs::write(self.at("credential"), credential).unwrap();
        let _ = fs::remove_file(self.at("secret"));
        self.admin_session("activatecredential", "policy");
        let ek_auth = match ek {
            Ek::Rsa2048 => {
                self.must("tpm2_startauthsession --policy-session -S ek.session");
                self.must("tpm2_policysecret -Q -S ek.session -c e");
                "-P session:ek.session"
            }
            // The high range template lets the EK be used with its empty password.
            Ek::EccP384 => "",
        };
        let outcome = self.tool(&format!(
            "tpm2_activatecredential -Q -c {IAK} -C {} -p session:session {ek_auth} -i credential -o secret",
            ek.handle()
        ));
        for session in ["session", "ek.session"] {
            if self.at(session).exists() {
                let _ = self.tool(&format!("tpm2_flushcontext {session}"));
                let _ = fs::remove_file(self.at(session));
            }
        }
        outcome.map(|()| self.file("secret"))
    }

    /// TPM2_Certify of the IDevID by the IAK: TPMS_ATTEST and TPMT_SIGNATURE.
    ///
    /// The tool of that name can't be told the qualifying data, so the commands are sent as bytes (TPM 2.0 Part 3).
    pub fn certify(&self, qualifying: &[u8]) -> (Vec<u8>, Vec<u8>) {
        const PASSWORD: &[u8] = &[0x40, 0, 0, 0x09, 0, 0, 0, 0, 0];
        const NULL: [u8; 4] = [0x40, 0, 0, 0x07];
        const ENDORSEMENT: [u8; 4] = [0x40, 0, 0, 0x0b];
        let handle =
            |text: &str| u32::from_str_radix(text.trim_start_matches("0x"), 16).unwrap().to_be_bytes();
        let policies = ["activatecredential", "certify"]
            .map(|name| sized(&self.file(&format!("{name}.policy"))))
            .concat();

        let start = [&NULL[..], &NULL, &sized(&[1; 16]), &[0, 0, 1, 0, 0x10, 0, 0x0b]].concat();
        let session = self.command(0x8001, 0x176, &start)[10..14].to_vec();
        let auth = [&9_u32.to_be_bytes()[..], PASSWORD].concat();
        self.command(0x8002, 0x151, &[&ENDORSEMENT[..], &session, &auth, &[0; 10]].concat());
        self.command(0x8001, 0x16c, &[&session[..], &0x148_u32.to_be_bytes()].concat());
        self.command(0x8001, 0x171, &[&session[..], &2_u32.to_be_bytes(), &policies].concat());
        let admin = [&session[..], &[0, 0, 0, 0, 0]].concat();
        let auth = [&18_u32.to_be_bytes()[..], &admin, PASSWORD].concat();
        let parameters = [&sized(qualifying)[..], &[0, 0x10]].concat();
        let answer =
            self.command(0x8002, 0x148, &[&handle(IDEVID)[..], &handle(IAK), &auth, &parameters].concat());
        let size = u32::from_be_bytes(answer[10..14].try_into().unwrap()) as usize;
        let info_len = usize::from(u16::from_be_bytes(answer[14..16].try_into().unwrap()));
        (answer[16..16 + info_len].to_vec(), answer[16 + info_len..14 + size].to_vec())
    }

    fn command(&self, tag: u16, code: u32, body: &[u8]) -> Vec<u8> {
        const RETRY: [u8; 4] = [0, 0, 0x09, 0x22];
        let size = u32::try_from(10 + body.len()).unwrap();
        let command = [&tag.to_be_bytes()[..], &size.to_be_bytes(), &code.to_be_bytes(), body].concat();
        for _ in 0..100 {
            let mut stream = UnixStream::connect(self.at("tpm")).unwrap();
            stream.write_all(&command).unwrap();
            let mut answer = vec![0; 4096];
            let len = stream.read(&mut answer).unwrap();
            answer.truncate(len);
            // The TPM tests an algorithm before its first use and asks to be called again.
            if answer[6..10] != RETRY {
                assert_eq!(answer[6..10], [0; 4], "TPM command 0x{code:x} failed");
                return answer;
            }
        }
        panic!("TPM command 0x{code:x} asks for a retry again and again")
    }
}

fn sized(bytes: &[u8]) -> Vec<u8> {
    [&u16::try_from(bytes.len()).unwrap().to_be_bytes()[..], bytes].concat()
}

fn code(branch: &str) -> &'static str {
    match branch {
        "certify" => "Certify",
        _ => "ActivateCredential",
    }
}

fn from_pem(path: &Path) -> Vec<u8> {
    let text = fs::read_to_string(path).unwrap();
    // The local CA writes a description before the block.
    let block: String =
        text.lines().skip_while(|line| !line.starts_with("-----BEGIN")).flat_map(|l| [l, "\n"]).collect();
    der::Document::from_pem(block.trim()).unwrap().1.as_bytes().to_vec()
}

fn run(command: &mut Command) -> Option<()> {
    let output = command.stdin(Stdio::null()).output().expect("the tool starts");
    if !output.status.success() {
        eprintln!("{command:?}\n{}", String::from_utf8_lossy(&output.stderr));
        return None;
    }
    Some(())
}
