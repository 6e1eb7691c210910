//! Certification paths (RFC 5280 §6), strictly: one validator, with one rule set for TPM makers' chains and one for ours.
//!
//! A general purpose verifier can't do the first: EK certificates carry critical directory names, empty subjects and
//! extended key usages that it does not know. Having one for both means one place to get right.

use jiff::Timestamp;
use thiserror::Error;

use crate::certificate::{Certificate, CertificateError, SignatureError};

/// Longest path in certificates, leaf and root included.
pub const MAX_PATH: usize = 8;

/// Why a certification path is not accepted. Subjects are shown without control characters.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PathError {
    /// A certificate that can't be judged.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// No certificate at all.
    #[error("no certificate given")]
    Empty,
    /// More certificates than any honest path has.
    #[error("{found} certificates given, expected at most {MAX_PATH}")]
    TooMany {
        /// How many.
        found: usize,
    },
    /// The path does not end at a root that the operator named (threat p01).
    #[error(
        "{subject} was issued by {issuer}, which is none of the {roots} trusted roots and leads to none of them"
    )]
    NoTrustedRoot {
        /// Subject of the last certificate that could be reached.
        subject: String,
        /// Its issuer.
        issuer: String,
        /// How many roots are trusted.
        roots: usize,
    },
    /// The next certificate is not the issuer of this one.
    #[error("{subject} was issued by {expected}, but the next certificate is that of {found}")]
    Order {
        /// The certificate.
        subject: String,
        /// Its issuer's name.
        expected: String,
        /// The name that came next.
        found: String,
    },
    /// The signature does not hold (threats p01, p09).
    #[error("certificate of {subject}: {error}")]
    Signature {
        /// The certificate.
        subject: String,
        /// Why.
        error: SignatureError,
    },
    /// The clock shows a time before this software existed: it has not been set (threat p14).
    #[error("the clock shows {now}: it is not set; set it before certificates are judged")]
    ClockNotSet {
        /// The time given by the caller.
        now: Timestamp,
    },
    /// Not yet valid.
    #[error("certificate of {subject} is valid from {not_before} only, it is {now}")]
    NotYetValid {
        /// The certificate.
        subject: String,
        /// Its start.
        not_before: Timestamp,
        /// The time given by the caller.
        now: Timestamp,
    },
    /// Expired (threat p14).
    #[error("certificate of {subject} expired at {not_after}, it is {now}")]
    Expired {
        /// The certificate.
        subject: String,
        /// Its end.
        not_after: Timestamp,
        /// The time given by the caller.
        now: Timestamp,
    },
    /// An issuer that is no CA (threat p07).
    #[error("{subject} issued a certificate but is no CA")]
    NotCa {
        /// The issuer.
        subject: String,
    },
    /// An issuer whose key may not sign certificates (threat p07).
    #[error("{subject} issued a certificate but its key usage lacks keyCertSign")]
    NoCertSign {
        /// The issuer.
        subject: String,
    },
    /// More CAs below a CA than it allows (threat p07).
    #[error("{subject} allows {allowed} CAs below it, the path has {found}")]
    PathLength {
        /// The CA.
        subject: String,
        /// pathLenConstraint.
        allowed: u8,
        /// CAs between it and the leaf.
        found: usize,
    },
    /// A CA's certificate where a device's is expected (threat p07).
    #[error("certificate of {subject} is that of a CA, expected an end entity's")]
    LeafIsCa {
        /// The leaf.
        subject: String,
    },
    /// A critical extension that is not understood (threat p07).
    #[error("certificate of {subject} has the critical extension {oid}, which is not understood")]
    UnknownCritical {
        /// The certificate.
        subject: String,
        /// The extension.
        oid: String,
    },
    /// Name constraints: no authority of ours sets them, and ignoring them would be wrong (threat p07).
    #[error("certificate of {subject} constrains names, which is not supported")]
    NameConstraints {
        /// The certificate.
        subject: String,
    },
    /// A certificate that is valid for longer than its issuer (threat p07).
    #[error("certificate of {subject} ends at {not_after}, after its issuer's end at {issuer_end}")]
    OutlivesIssuer {
        /// The certificate.
        subject: String,
        /// Its end.
        not_after: Timestamp,
        /// The issuer's end.
        issuer_end: Timestamp,
    },
}

impl PathError {
    /// The row of threats.md.
    #[must_use]
    pub fn threat(&self) -> &'static str {
        match self {
            Self::Signature { error: SignatureError::Weak { .. }, .. } => "p09",
            Self::Certificate(_)
            | Self::Empty
            | Self::TooMany { .. }
            | Self::NoTrustedRoot { .. }
            | Self::Order { .. }
            | Self::Signature { .. } => "p01",
            Self::ClockNotSet { .. } | Self::NotYetValid { .. } | Self::Expired { .. } => "p14",
            _ => "p07",
        }
    }
}

/// What differs between the two kinds of path.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rules {
    /// Whether each certificate must end no later than its issuer. TPM makers ship EK certificates to the year 9999
    /// under CAs that end (threat p08); ours never do (threat p07).
    pub(crate) nested_validity: bool,
}

pub(crate) const TPM_MAKER: Rules = Rules { nested_validity: false };
pub(crate) const DEVICE: Rules = Rules { nested_validity: true };

/// 2024-01-01: a time before this software was written. A device that boots without a battery starts in 1970 or at its
/// firmware's build, and a clock before this one has not been set (threats p14, u05).
pub const EARLIEST: Timestamp = Timestamp::constant(1_704_067_200, 0);

/// Refuses a clock that has not been set: told apart from an expired certificate, since the way out differs (threat p14).
pub(crate) fn check_clock(now: Timestamp) -> Result<(), PathError> {
    if now < EARLIEST { Err(PathError::ClockNotSet { now }) } else { Ok(()) }
}

/// Validates a path, leaf first, whose last certificate is the trust anchor.
pub(crate) fn validate(path: &[&Certificate], rules: Rules, now: Timestamp) -> Result<(), PathError> {
    check_clock(now)?;
    if path.len() > MAX_PATH {
        return Err(PathError::TooMany { found: path.len() });
    }
    let (leaf, issuers) = path.split_first().ok_or(PathError::Empty)?;
    check_each(leaf, now)?;
    if leaf.extensions().is_ca() {
        return Err(PathError::LeafIsCa { subject: leaf.subject_text() });
    }
    let mut below = *leaf;
    for (cas_between, issuer) in issuers.iter().enumerate() {
        check_each(issuer, now)?;
        check_issuer(issuer, cas_between)?;
        check_link(below, issuer, rules)?;
        below = issuer;
    }
    Ok(())
}

fn check_each(certificate: &Certificate, now: Timestamp) -> Result<(), PathError> {
    let subject = || certificate.subject_text();
    let (not_before, not_after) = (certificate.not_before(), certificate.not_after());
    if now < not_before {
        return Err(PathError::NotYetValid { subject: subject(), not_before, now });
    }
    if now > not_after {
        return Err(PathError::Expired { subject: subject(), not_after, now });
    }
    let extensions = certificate.extensions();
    if let Some(unknown) = extensions.unknown_critical.first() {
        return Err(PathError::UnknownCritical { subject: subject(), oid: unknown.to_string() });
    }
    if extensions.name_constraints {
        return Err(PathError::NameConstraints { subject: subject() });
    }
    Ok(())
}

/// RFC 5280 §6.1.4 (k) to (n). `cas_between` counts the CAs between this one and the leaf; self-issued ones count too.
fn check_issuer(issuer: &Certificate, cas_between: usize) -> Result<(), PathError> {
    let extensions = issuer.extensions();
    let subject = || issuer.subject_text();
    if !extensions.is_ca() {
        return Err(PathError::NotCa { subject: subject() });
    }
    if !extensions.key_usage.is_some_and(|usage| usage.key_cert_sign()) {
        return Err(PathError::NoCertSign { subject: subject() });
    }
    match extensions.path_len() {
        Some(allowed) if cas_between > usize::from(allowed) => {
            Err(PathError::PathLength { subject: subject(), allowed, found: cas_between })
        }
        _ => Ok(()),
    }
}

fn check_link(below: &Certificate, issuer: &Certificate, rules: Rules) -> Result<(), PathError> {
    let subject = || below.subject_text();
    if !below.names_issuer(issuer) {
        let (expected, found) = (below.issuer_text(), issuer.subject_text());
        return Err(PathError::Order { subject: subject(), expected, found });
    }
    below.check_signed_by(issuer).map_err(|error| PathError::Signature { subject: subject(), error })?;
    if rules.nested_validity && below.not_after() > issuer.not_after() {
        let (not_after, issuer_end) = (below.not_after(), issuer.not_after());
        return Err(PathError::OutlivesIssuer { subject: subject(), not_after, issuer_end });
    }
    Ok(())
}

/// Signatures that one search for a path may check, so that a heap of look-alike intermediates can't keep it busy.
const MAX_SIGNATURE_CHECKS: usize = 64;

/// Finds and validates a path from `leaf` over some of `intermediates` (any order) to one of `roots`.
///
/// Returns the root. Cross-signed CAs give several paths; one that holds is enough, and the first failure is told when
/// none does.
pub(crate) fn find<'a>(
    leaf: &'a Certificate,
    intermediates: &'a [Certificate],
    roots: &'a [Certificate],
    rules: Rules,
    now: Timestamp,
) -> Result<&'a Certificate, PathError> {
    let mut checks_left = MAX_SIGNATURE_CHECKS;
    let mut first_failure = None;
    let mut partial = vec![vec![leaf]];
    while let Some(path) = partial.pop() {
        let Some(tip) = path.last().copied() else { continue };
        let mut found_issuer = false;
        for (issuer, trusted) in
            intermediates.iter().map(|c| (c, false)).chain(roots.iter().map(|c| (c, true)))
        {
            if !tip.names_issuer(issuer) || path.iter().any(|c| c.der() == issuer.der()) {
                continue;
            }
            found_issuer = true;
            let Some(left) = checks_left.checked_sub(1) else { break };
            checks_left = left;
            let mut longer = path.clone();
            longer.push(issuer);
            let outcome = match (trusted, tip.check_signed_by(issuer)) {
                (_, Err(error)) => Err(PathError::Signature { subject: tip.subject_text(), error }),
                (true, Ok(())) => validate(&longer, rules, now).map(|()| Some(issuer)),
                (false, Ok(())) if longer.len() >= MAX_PATH => {
                    Err(PathError::TooMany { found: longer.len() })
                }
                (false, Ok(())) => {
                    partial.push(longer);
                    Ok(None)
                }
            };
            match outcome {
                Ok(Some(root)) => return Ok(root),
                Ok(None) => {}
                Err(error) => {
                    first_failure.get_or_insert(error);
                }
            }
        }
        if !found_issuer {
            first_failure.get_or_insert_with(|| no_trusted_root(tip, roots.len()));
        }
    }
    Err(first_failure.unwrap_or_else(|| no_trusted_root(leaf, roots.len())))
}

pub(crate) fn no_trusted_root(tip: &Certificate, roots: usize) -> PathError {
    PathError::NoTrustedRoot { subject: tip.subject_text(), issuer: tip.issuer_text(), roots }
}
