//! `hallmark provision`: a device's identity, on the factory's line.

mod report;

use std::path::{Path, PathBuf};

use attest::fitness::{Finding, Severity};
use attest::key::{Name, PublicArea};
use jiff::{SignedDuration, Timestamp};
use pki::DeviceId;
use pki::activation::{ActivationChallenge, ResidentDeviceId, ResidentKey};
use pki::ca::{self, CertificateAuthority, IssuedCertificate, SerialNumber};
use pki::certificate::{chain_from_pem, chain_to_pem};
use pki::chain::{DeviceChain, DeviceRoots, Purpose};
use pki::ek::{GenuineTpm, RootsError, TpmMakerRoots};
use pki::ledger::{Enrolment, Event, Ledger, Record, Standing};
use ring::rand::{SecureRandom, SystemRandom};
use tpm::{EndorsementKey, IdentityKey, Key, KeyTemplate, Tpm, TpmError};

pub(crate) use report::ProvisionReport;
use report::{model, report, torn_text};

use crate::commands::logs::BootLogArgs;
use crate::context::Context;
use crate::device::{Device, Store};
use crate::failure::Failure;
use crate::files;
use crate::fitness;

/// What writes into the ledger.
pub(crate) const TOOL: &str = concat!("hallmark ", env!("CARGO_PKG_VERSION"));

/// How long a TPM may take to open its credential.
const ACTIVATION: SignedDuration = SignedDuration::from_secs(60);

/// Give this device its identity: keys in the TPM, certificates by the CA, a line in the ledger.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  \
    hallmark provision --ca factory --ek-root tpm-makers.pem \\\n      --device-id gateway-0001 --ledger ledger.jsonl\n\n\
    Run again, it finishes what was cut off, or says \"already provisioned\" and changes nothing.")]
pub(crate) struct Args {
    /// Folder of the factory's authority (`hallmark ca init`)
    #[arg(long, value_name = "DIR")]
    ca: PathBuf,
    /// PEM file with roots of TPM makers; may be given several times
    #[arg(long, value_name = "PEM", required = true)]
    ek_root: Vec<PathBuf>,
    /// PEM file with intermediates between EK certificate and root
    #[arg(long, value_name = "PEM")]
    ek_intermediate: Vec<PathBuf>,
    /// The device's name: letters, digits, '.', '_' and '-'
    #[arg(long, value_name = "ID")]
    device_id: String,
    /// The factory's ledger (JSON lines)
    #[arg(long, value_name = "FILE")]
    ledger: PathBuf,
    /// Algorithm of the device's keys
    #[arg(long, value_enum, default_value = "ecc-p256", value_name = "KIND")]
    key: KeyKind,
    /// Where the device keeps its certificates
    #[arg(long, value_enum, default_value = "disk", value_name = "PLACE")]
    store: Store,
    /// Refuse a machine whose evidence could not be believed (`hallmark check` tells why)
    #[arg(long)]
    require_fit: bool,
    #[command(flatten)]
    logs: BootLogArgs,
}

/// Key templates by their usual names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum KeyKind {
    /// ECC P-256 with SHA-256 (template H-2).
    EccP256,
    /// ECC P-384 with SHA-384 (template H-3).
    EccP384,
    /// RSA 2048 with SHA-256 (template H-1).
    Rsa2048,
}

impl From<KeyKind> for KeyTemplate {
    fn from(kind: KeyKind) -> Self {
        match kind {
            KeyKind::EccP256 => Self::EccP256,
            KeyKind::EccP384 => Self::EccP384,
            KeyKind::Rsa2048 => Self::Rsa2048,
        }
    }
}

pub(crate) fn run(args: &Args, context: &Context) -> Result<ProvisionReport, Failure> {
    let now = context.now();
    let device_id =
        DeviceId::new(&args.device_id).map_err(|error| Failure::usage(format!("--device-id: {error}")))?;
    let authority = ca::store::load(&args.ca)?;
    args.logs.check_named()?;
    let roots = read_roots(&args.ek_root)?;
    let intermediates = read_certificates(&args.ek_intermediate)?;
    let tpm = context.tpm()?;
    let endorsement = tpm.endorsement_key()?;
    let ek_public = PublicArea::parse(endorsement.key.public()?)?;
    let genuine = GenuineTpm::verify(&endorsement.certificate, &intermediates, &roots, &ek_public, now)?;
    context.note(format_args!("TPM is genuine: {}", model(&genuine)));
    let mut ledger = Ledger::open(&args.ledger)?;
    if let Some(torn) = ledger.torn() {
        context.note(format_args!("{}: {}", args.ledger.display(), torn_text(torn)));
    }
    let standing = ledger.standing(&device_id, &genuine.fingerprint())?;
    let chains = chains_of(context, &tpm, &authority)?;
    if let Standing::AlreadyProvisioned(record) = &standing
        && let Some(enrolment) = record.enrolment()
        && is_complete(&tpm, &chains, &device_id, enrolment)?
    {
        return report(context, &tpm, &genuine, false, enrolment.findings.clone());
    }
    let findings = fitness::findings(&tpm, &args.logs, context)?;
    if args.require_fit {
        check_fit(&findings)?;
    }
    check_ledger_knows(&ledger, &args.ledger, &chains)?;
    let (resident, resident_id) = prove_residence(&tpm, &endorsement, &genuine, args.key.into(), context)?;
    tpm.create_rollback_floor()?;
    let issued = issue(&authority, &resident, &resident_id, &device_id, now)?;
    // The ledger's row first: a certificate never leaves this program without it (threat p11).
    let enrolment =
        enrolment(&genuine, &resident.name(), &resident_id.name(), &issued).with_findings(findings);
    let findings = enrolment.findings.clone();
    let event = Event::Enrolled(enrolment);
    ledger.append(Record::new(now, device_id, event, TOOL)?)?;
    keep(context, &tpm, &authority, &issued, args.store)?;
    report(context, &tpm, &genuine, true, findings)
}

/// A machine that can't be attested gets no identity, where the factory asks for that.
fn check_fit(findings: &[Finding]) -> Result<(), Failure> {
    match findings.iter().find(|finding| finding.severity == Severity::Unfit) {
        None => Ok(()),
        Some(finding) => Err(Failure::refused(
            None,
            format!("this machine is not fit to be attested: {}; {}", finding.what, finding.fix),
        )),
    }
}

fn read_roots(paths: &[PathBuf]) -> Result<TpmMakerRoots, Failure> {
    let named = |path: &Path, error: RootsError| {
        Failure { message: format!("--ek-root: {error}"), ..Failure::from(error) }.about(path)
    };
    let mut all = String::new();
    for path in paths {
        let pem = files::read_text(path)?;
        // Each by itself: a file without a certificate is not made good by the next one.
        TpmMakerRoots::from_pem(&pem).map_err(|error| named(path, error))?;
        all.push_str(&pem);
        all.push('\n');
    }
    TpmMakerRoots::from_pem(&all).map_err(Failure::from)
}

fn read_certificates(paths: &[PathBuf]) -> Result<Vec<Vec<u8>>, Failure> {
    let mut certificates = Vec::new();
    for path in paths {
        let found =
            chain_from_pem(&files::read_text(path)?).map_err(|error| Failure::from(error).about(path))?;
        if found.is_empty() {
            return Err(Failure::refused(None, "holds no certificate").about(path));
        }
        certificates.extend(found);
    }
    Ok(certificates)
}

const IDENTITIES: [(IdentityKey, Purpose); 2] =
    [(IdentityKey::Attestation, Purpose::AttestationKey), (IdentityKey::DeviceId, Purpose::DeviceId)];

/// What this device has of an authority: the chain of either key, `None` where there is none or it is not good.
fn chains_of(
    context: &Context,
    tpm: &Tpm,
    authority: &CertificateAuthority,
) -> Result<[Option<DeviceChain>; 2], Failure> {
    let roots = DeviceRoots::from_pem(&chain_to_pem(&[authority.root_der()])?)?;
    Ok(IDENTITIES.map(|(key, purpose)| {
        let device = Device::load_with(context, tpm, key).ok()?;
        DeviceChain::verify(device.chain(), &roots, purpose, context.now()).ok()
    }))
}

/// Whether keys, floor and certificates are all in place and belong together. What does not is made anew: the TPM's keys
/// stay the same, and the ledger says that device and TPM do.
fn is_complete(
    tpm: &Tpm,
    chains: &[Option<DeviceChain>; 2],
    device_id: &DeviceId,
    enrolment: &Enrolment,
) -> Result<bool, Failure> {
    for ((key, _), chain) in IDENTITIES.iter().zip(chains) {
        let (Some(in_tpm), Some(chain)) = (tpm.identity(*key)?, chain) else { return Ok(false) };
        let in_tpm = PublicArea::parse(in_tpm.public()?)?;
        let recorded = |fingerprint| enrolment.certificates.iter().any(|row| row.sha256 == fingerprint);
        if chain.device_id() != device_id
            || chain.public_key() != in_tpm.key()
            || !recorded(chain.leaf_fingerprint())
        {
            return Ok(false);
        }
    }
    match tpm.rollback_floor() {
        Ok(floor) => Ok(floor.is_some()),
        // Its making was cut off, or it is another program's: making it tells which.
        Err(TpmError::Floor { .. }) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// A device with certificates of this authority that the ledger does not know: the ledger is another one, and would give
/// the device a second identity (threat p05).
fn check_ledger_knows(
    ledger: &Ledger,
    path: &Path,
    chains: &[Option<DeviceChain>; 2],
) -> Result<(), Failure> {
    match chains.iter().flatten().find(|chain| !ledger.knows(&chain.leaf_fingerprint())) {
        None => Ok(()),
        Some(chain) => Err(Failure::refused(
            Some("p05"),
            format!(
                "{}: does not know this device's certificate as {}, which this authority issued; name the ledger that does",
                path.display(),
                chain.device_id()
            ),
        )),
    }
}

/// Makes the keys, and has the TPM prove that both live in it.
fn prove_residence(
    tpm: &Tpm,
    endorsement: &EndorsementKey<'_>,
    genuine: &GenuineTpm,
    template: KeyTemplate,
    context: &Context,
) -> Result<(ResidentKey, ResidentDeviceId), Failure> {
    let iak = tpm.create_identity(IdentityKey::Attestation, template)?;
    let idevid = tpm.create_identity(IdentityKey::DeviceId, template)?;
    let resident = activate(tpm, endorsement, genuine, &iak, context.now())?;
    context.note("IAK lives in this TPM: credential activated");
    let mut qualifying = [0; 32];
    fill_random(&mut qualifying)?;
    let certification = tpm.certify(&idevid, &iak, &qualifying)?;
    let idevid = PublicArea::parse(idevid.public()?)?;
    let resident_id = resident.certify_device_id(
        idevid,
        &certification.certify_info,
        &certification.signature,
        &qualifying,
    )?;
    context.note("IDevID lives in this TPM: certified by the IAK");
    Ok((resident, resident_id))
}

fn activate(
    tpm: &Tpm,
    endorsement: &EndorsementKey<'_>,
    genuine: &GenuineTpm,
    iak: &Key<'_>,
    now: Timestamp,
) -> Result<ResidentKey, Failure> {
    let public = PublicArea::parse(iak.public()?)?;
    let (pending, credential) =
        ActivationChallenge::new(genuine, &public, &SystemRandom::new(), now, ACTIVATION)?;
    let answer =
        tpm.activate_credential(endorsement, iak, &credential.id_object, &credential.encrypted_secret)?;
    Ok(pending.answer(&answer, Timestamp::now())?)
}

struct Issued {
    iak: IssuedCertificate,
    idevid: IssuedCertificate,
}

fn issue(
    authority: &CertificateAuthority,
    resident: &ResidentKey,
    resident_id: &ResidentDeviceId,
    device_id: &DeviceId,
    now: Timestamp,
) -> Result<Issued, Failure> {
    Ok(Issued {
        iak: authority.issue_iak(resident, device_id, serial()?, now)?,
        idevid: authority.issue_device_id(resident_id, device_id, serial()?, now)?,
    })
}

fn enrolment(genuine: &GenuineTpm, iak: &Name, idevid: &Name, issued: &Issued) -> Enrolment {
    Enrolment::new(genuine.fingerprint(), iak, Some(idevid), &[&issued.iak, &issued.idevid])
}

/// The attestation key's chain last: with it the identity is complete.
fn keep(
    context: &Context,
    tpm: &Tpm,
    authority: &CertificateAuthority,
    issued: &Issued,
    store: Store,
) -> Result<(), Failure> {
    for (key, certificate) in
        [(IdentityKey::DeviceId, &issued.idevid), (IdentityKey::Attestation, &issued.iak)]
    {
        let chain = [certificate.der(), authority.intermediate_der()];
        Device::keep(context, tpm, key, &chain, store)?;
    }
    Ok(())
}

/// A random serial number.
pub(crate) fn serial() -> Result<SerialNumber, Failure> {
    let mut bytes = [0; 16];
    fill_random(&mut bytes)?;
    Ok(SerialNumber::new(bytes))
}

fn fill_random(bytes: &mut [u8]) -> Result<(), Failure> {
    SystemRandom::new().fill(bytes).map_err(|_| Failure::failed("the system has no random numbers"))
}
