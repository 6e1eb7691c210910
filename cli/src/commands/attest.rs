//! `hallmark attest`: evidence for a verifier's nonce.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use attest::HashAlgorithm;
use attest::challenge::Nonce;
use attest::evidence::{Evidence, ImaPart, Log, MeasurementLog, QuoteEvidence, VERSION};
use attest::ima::{ImaList, ListPosition};
use attest::key::PublicArea;
use attest::pcr::PcrIndex;
use schemars::JsonSchema;
use serde::Serialize;
use serde_bytes::ByteBuf;
use tpm::{IdentityKey, Quoted, Tpm, TpmError};

use crate::commands::logs::LogArgs;
use crate::commands::sim::bank_of;
use crate::context::Context;
use crate::device::Device;
use crate::failure::Failure;
use crate::files::{self, Privacy};
use crate::output::{Mark, Page, Report};

/// Collect evidence for a verifier's nonce.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    hallmark attest --nonce $(openssl rand -hex 32) --out evidence\n  \
    hallmark attest --nonce $NONCE --out evidence --export-quote quote/\n  \
    tpm2_checkquote -u quote/ak.pem -m quote/quote.msg \\\n      -s quote/quote.sig -f quote/quote.pcrs -g sha256 -q $NONCE")]
pub(crate) struct Args {
    /// The verifier's nonce, 16 to 64 bytes
    #[arg(long, value_name = "HEX")]
    nonce: String,
    /// File for the evidence (CBOR, docs/schemas/evidence.cddl)
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Banks to quote, separated by commas [default: every active one but SHA-1]
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    banks: Vec<String>,
    /// PCRs to quote, separated by commas
    #[arg(
        long,
        value_name = "LIST",
        value_delimiter = ',',
        default_value = "0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15"
    )]
    pcrs: Vec<u32>,
    #[command(flatten)]
    logs: LogArgs,
    /// Send only what was measured after this place of the IMA list, which the last `hallmark appraise --baseline` gave
    /// as `ima_next`; 0:0 is the whole list
    #[arg(long, value_name = "OFFSET:ENTRIES")]
    ima_from: Option<ListPosition>,
    /// Write the quote for tpm2_checkquote as well: ak.pem, quote.msg, quote.sig, quote.pcrs
    #[arg(long, value_name = "DIR")]
    export_quote: Option<PathBuf>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct AttestReport {
    /// File with the evidence.
    evidence: PathBuf,
    /// Its size in bytes.
    bytes: usize,
    /// The device's name.
    device_id: String,
    /// Banks that were quoted.
    banks: Vec<String>,
    /// PCRs that were quoted, of each bank.
    pcrs: Vec<u32>,
    /// Bytes of the event log before compression; absent where there is none.
    event_log_bytes: Option<u64>,
    /// Logs of user space, in the order of extending.
    measurement_logs: Vec<MeasurementLogReport>,
    /// Bytes of the IMA list before compression; absent where there is none.
    ima_list_bytes: Option<u64>,
    /// Where in the list the part starts that was sent, as OFFSET:ENTRIES; absent for a whole list.
    ima_from: Option<String>,
}

/// A log of user space.
#[derive(Debug, Serialize, JsonSchema)]
struct MeasurementLogReport {
    /// `systemd`, `cel-json`, `cel-cbor` or `cel-tlv`.
    kind: &'static str,
    /// Its bytes before compression.
    bytes: u64,
}

impl Report for AttestReport {
    fn human(&self, page: &mut Page<'_>) -> io::Result<()> {
        page.mark(
            Mark::Good,
            "evidence",
            format_args!("{} ({} bytes)", self.evidence.display(), self.bytes),
        )?;
        page.row("device", &self.device_id)?;
        let pcrs: Vec<_> = self.pcrs.iter().map(u32::to_string).collect();
        page.row("quoted", format_args!("{} PCR {}", self.banks.join(", "), pcrs.join(",")))?;
        let size =
            |bytes: Option<u64>| bytes.map_or_else(|| "none".to_owned(), |bytes| format!("{bytes} bytes"));
        page.row("event log", size(self.event_log_bytes))?;
        for log in &self.measurement_logs {
            page.row(&format!("{} log", log.kind), size(Some(log.bytes)))?;
        }
        page.row("IMA list", size(self.ima_list_bytes))?;
        self.ima_from.as_ref().map_or(Ok(()), |from| page.row("IMA list from", from))
    }
}

/// Which banks to quote.
pub(crate) enum Banks {
    /// Every active one but SHA-1.
    Strong,
    /// Those, and the one that a policy judges: IMA's boot aggregate may be of another bank than the judged one.
    StrongAnd(HashAlgorithm),
    /// These, in rising order.
    Only(Vec<HashAlgorithm>),
}

/// Evidence with what was quoted, for its report.
pub(crate) struct Collected {
    pub(crate) evidence: Evidence,
    pub(crate) device: Device,
    banks: Vec<HashAlgorithm>,
    quoted: Quoted,
    /// What is odd about the logs that were sent.
    remarks: Vec<String>,
}

pub(crate) fn run(args: &Args, context: &Context) -> Result<AttestReport, Failure> {
    let nonce = Nonce::from_hex(&args.nonce).map_err(|error| Failure::usage(format!("--nonce: {error}")))?;
    let banks = args
        .banks
        .iter()
        .map(|name| {
            HashAlgorithm::from_name(name).ok_or_else(|| {
                Failure::usage(format!(
                    "--banks: {name:?} is no bank, expected sha256, sha384, sha512, sm3, sha3-256, sha3-384, sha3-512 or sha1"
                ))
            })
        })
        .collect::<Result<Vec<_>, _>>()?;
    let banks: BTreeSet<_> = banks.into_iter().collect();
    let banks = if banks.is_empty() { Banks::Strong } else { Banks::Only(banks.into_iter().collect()) };
    let pcrs = parse_pcrs(&args.pcrs)?;
    if let Some(folder) = &args.export_quote {
        files::create_folder(folder)?;
    }
    let exported = args.export_quote.iter().flat_map(|folder| EXPORTED.map(|name| folder.join(name)));
    let outputs: Vec<_> = exported.chain([args.out.clone()]).collect();
    files::check_outputs(outputs.iter().map(PathBuf::as_path), args.logs.named())?;
    let collected = collect(context, &nonce, banks, &pcrs, &args.logs, args.ima_from)?;
    collected.remarks.iter().for_each(|remark| context.note(remark));
    let bytes = collected.evidence.to_bytes()?;
    if let Some(folder) = &args.export_quote {
        export(folder, &collected, &pcrs)?;
    }
    // It answers one nonce, once.
    files::write_passing(&args.out, &bytes)?;
    Ok(AttestReport {
        evidence: args.out.clone(),
        bytes: bytes.len(),
        device_id: collected.device.id().to_owned(),
        banks: collected.banks.iter().map(ToString::to_string).collect(),
        pcrs: args.pcrs.clone(),
        event_log_bytes: collected.evidence.event_log.as_ref().map(Log::size),
        measurement_logs: collected
            .evidence
            .measurement_logs
            .iter()
            .map(|part| MeasurementLogReport { kind: part.kind.name(), bytes: part.log.size() })
            .collect(),
        ima_list_bytes: collected.evidence.ima.as_ref().map(|ima| ima.list.size()),
        ima_from: collected
            .evidence
            .ima
            .as_ref()
            .and_then(|ima| ima.start.as_ref())
            .map(|start| ListPosition { offset: start.offset, entries: start.entries }.to_string()),
    })
}

fn parse_pcrs(indices: &[u32]) -> Result<Vec<PcrIndex>, Failure> {
    let mut pcrs = indices
        .iter()
        .map(|index| {
            PcrIndex::new(*index).ok_or_else(|| {
                Failure::usage(format!("--pcrs: PCR {index} does not exist, expected 0 to 23"))
            })
        })
        .collect::<Result<Vec<_>, _>>()?;
    // The TPM answers in rising order whatever order was asked for.
    pcrs.sort_unstable();
    pcrs.dedup();
    if pcrs.is_empty() { Err(Failure::usage("--pcrs: name at least one PCR")) } else { Ok(pcrs) }
}

/// Quotes and reads the logs. The quote comes first: a list that grew since is longer than the quote covers, which a
/// verifier understands; a shorter one would look like a lie (threats i02, i03).
pub(crate) fn collect(
    context: &Context,
    nonce: &Nonce,
    banks: Banks,
    pcrs: &[PcrIndex],
    logs: &LogArgs,
    ima_from: Option<ListPosition>,
) -> Result<Collected, Failure> {
    let device = Device::load(context)?;
    let tpm = context.tpm()?;
    let key = tpm.identity(IdentityKey::Attestation)?.ok_or_else(|| TpmError::Missing {
        what: "attestation key".to_owned(),
        fix: "run `hallmark provision`",
    })?;
    let banks = match banks {
        Banks::Strong => strong_banks(&tpm)?,
        Banks::StrongAnd(bank) => strong_banks(&tpm)
            .ok()
            .into_iter()
            .flatten()
            .chain([bank])
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect(),
        Banks::Only(banks) => banks,
    };
    let indices: Vec<u8> = pcrs.iter().map(|pcr| pcr.get()).collect();
    let selection: Vec<_> = banks.iter().map(|bank| (bank_of(*bank), indices.clone())).collect();
    let quoted = tpm.quote(&key, nonce.as_bytes(), &selection)?;
    let public = device.attestation_key(&key, &quoted.message)?;
    let logs = logs.read(context)?;
    let remarks = logs.remarks;
    let evidence = Evidence {
        version: VERSION,
        quote: QuoteEvidence {
            message: ByteBuf::from(quoted.message.clone()),
            signature: ByteBuf::from(quoted.signature.clone()),
            pcr_values: quoted.values.iter().cloned().map(ByteBuf::from).collect(),
        },
        attestation_key: ByteBuf::from(public.as_bytes()),
        certificates: device.chain().iter().cloned().map(ByteBuf::from).collect(),
        event_log: logs.event_log.map(travelling),
        // Linux appends the final events to the log itself.
        final_events: None,
        measurement_logs: logs
            .measurement_logs
            .into_iter()
            .map(|(kind, log)| MeasurementLog { kind, log: travelling(log) })
            .collect(),
        ima: ima_part(logs.ima_list, ima_from, &banks)?,
    };
    Ok(Collected { evidence, device, banks, quoted, remarks })
}

/// Logs up to this size, in bytes, travel as they are. A TCP connection sends ten segments of 1,460 bytes before it waits for
/// its first acknowledgement (RFC 6928 §2): what is shorter arrives no sooner for being packed, and packing a few kilobytes
/// takes the device longer than all that is asked of the TPM but the signature.
const WORTH_PACKING: usize = 14_600;

fn travelling(log: Vec<u8>) -> Log {
    if log.len() > WORTH_PACKING { Log::packed(log) } else { Log::plain(log) }
}

/// The list, or its part after what the verifier has.
fn ima_part(
    list: Option<Vec<u8>>,
    from: Option<ListPosition>,
    banks: &[HashAlgorithm],
) -> Result<Option<ImaPart>, Failure> {
    let Some(position) = from.filter(|position| (position.offset, position.entries) != (0, 0)) else {
        return Ok(list.map(|list| ImaPart::whole(travelling(list))));
    };
    let missing = || Failure::usage("--ima-from: there is no IMA list to send a part of; leave it out");
    let list = list.ok_or_else(missing)?;
    let (start, rest) = ImaList::new(&list).cut(position, banks).map_err(|error| {
        Failure::refused(
            Some(error.threat()),
            format!("--ima-from {position}: {error} (leave --ima-from out)"),
        )
    })?;
    Ok(Some(ImaPart { list: travelling(rest.to_vec()), start: Some(start) }))
}

/// Every active bank but SHA-1, which a policy has to ask for by name (threat e12).
fn strong_banks(tpm: &Tpm) -> Result<Vec<HashAlgorithm>, Failure> {
    let active = tpm.active_banks();
    let strong: Vec<_> = HashAlgorithm::ALL
        .into_iter()
        .filter(|algorithm| *algorithm != HashAlgorithm::Sha1 && active.contains(&bank_of(*algorithm)))
        .collect();
    if strong.is_empty() {
        return Err(Failure::failed(
            "the TPM has no active bank but SHA-1; name it with --banks sha1 if that is meant",
        ));
    }
    Ok(strong)
}

/// The files of a quote, as tpm2_checkquote takes them.
const EXPORTED: [&str; 4] = ["ak.pem", "quote.msg", "quote.sig", "quote.pcrs"];

fn export(folder: &Path, collected: &Collected, pcrs: &[PcrIndex]) -> Result<(), Failure> {
    let key = PublicArea::parse(&collected.evidence.attestation_key)?;
    let pcr_file =
        attest::quote::tpm2_tools::write_pcr_file(&collected.banks, pcrs, &collected.quoted.values)?;
    let pem = key.key().to_pem()?;
    let contents =
        [pem.as_bytes(), &collected.quoted.message, &collected.quoted.signature, pcr_file.as_slice()];
    for (name, bytes) in EXPORTED.into_iter().zip(contents) {
        files::write(&folder.join(name), bytes, Privacy::Public)?;
    }
    Ok(())
}
