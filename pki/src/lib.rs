//! Certificates: the factory's authority, TPM makers' chains, and proof that a key lives in a TPM.
//!
//! Pure but for [`ca::store`] and [`ledger`]: bytes, time, randomness and trust come in as arguments, so that a server, a
//! factory line's script and another operating system can verify without a TPM stack.
//!
//! ```text
//! EK certificate ──ek: chain to a TPM maker──▶ GenuineTpm ──activation: credential──▶ ResidentKey ──ca: issue──▶ certificate
//!                                                                                        │
//!                                                               TPM2_Certify ──▶ ResidentDeviceId ──ca: issue──▶ certificate
//!
//! certificates of a device ──chain: path to the operator's root──▶ DeviceChain
//! ```
//!
//! Each arrow gives a type that nothing else can make, and the next arrow takes nothing else. The [`ledger`] stands beside
//! them: it has a line for each certificate before anybody has the certificate.
//!
//! # Example: the factory's side of provisioning
//!
//! ```
//! use attest::key::PublicArea;
//! use jiff::{SignedDuration, Timestamp};
//! use pki::activation::ActivationChallenge;
//! use pki::ca::{CertificateAuthority, IssuedCertificate, SerialNumber};
//! use pki::ek::{GenuineTpm, TpmMakerRoots};
//! use pki::ledger::{Enrolment, Event, Ledger, Record};
//! use pki::DeviceId;
//! use ring::rand::{SecureRandom, SystemRandom};
//!
//! # struct Tpm { ek_nv: Vec<u8>, ek: PublicArea, iak: PublicArea }
//! # impl Tpm { fn activate(&self, _: &pki::activation::Credential) -> Vec<u8> { vec![] } }
//! fn provision(
//!     tpm: &Tpm,
//!     makers: &TpmMakerRoots,
//!     authority: &CertificateAuthority,
//!     ledger: &mut Ledger,
//!     device: DeviceId,
//!     now: Timestamp,
//! ) -> Result<IssuedCertificate, Box<dyn std::error::Error>> {
//!     let random = SystemRandom::new();
//!     let genuine = GenuineTpm::verify(&tpm.ek_nv, &[], makers, &tpm.ek, now)?;
//!     ledger.standing(&device, &genuine.fingerprint())?;
//!
//!     let minute = SignedDuration::from_mins(1);
//!     let (pending, credential) = ActivationChallenge::new(&genuine, &tpm.iak, &random, now, minute)?;
//!     let resident = pending.answer(&tpm.activate(&credential), now)?;
//!
//!     let mut serial = [0; 16];
//!     random.fill(&mut serial).map_err(|_| "no random bytes")?;
//!     let issued = authority.issue_iak(&resident, &device, SerialNumber::new(serial), now)?;
//!
//!     let enrolment = Enrolment::new(genuine.fingerprint(), &resident.name(), None, &[&issued]);
//!     ledger.append(Record::new(now, device, Event::Enrolled(enrolment), "example 1.0")?)?;
//!     Ok(issued)
//! }
//! ```

pub mod activation;
pub mod ca;
pub mod certificate;
pub mod chain;
mod device_id;
pub mod ek;
pub mod ledger;
mod path;
#[cfg(test)]
mod specimen;

pub use device_id::{DeviceId, DeviceIdError, MAX_DEVICE_ID};
pub use path::{EARLIEST, MAX_PATH, PathError};
