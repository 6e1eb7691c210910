//! The connection to a TPM, and the handles and sessions that live in it.

use std::cell::{Cell, OnceCell, RefCell};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use tss_esapi::Context;
use tss_esapi::attributes::SessionAttributesBuilder;
use tss_esapi::constants::SessionType;
use tss_esapi::handles::{KeyHandle, ObjectHandle, SessionHandle, TpmHandle};
use tss_esapi::interface_types::algorithm::HashingAlgorithm;
use tss_esapi::interface_types::session_handles::{AuthSession, PolicySession};
use tss_esapi::structures::SymmetricDefinition;
use tss_esapi::traits::Marshall;

use crate::error::TpmError;
use crate::quote::{self, Bank};
use crate::tcti::Tcti;

/// How long a TPM may take for its first answer. Real ones need milliseconds; a simulator that somebody else is
/// connected to never answers.
const FIRST_ANSWER: Duration = Duration::from_secs(10);

/// An open TPM. Everything that occupies the TPM's memory borrows from it and frees itself.
pub struct Tpm {
    context: RefCell<Context>,
    tcti: Tcti,
    banks: Vec<Bank>,
    /// Whether what others left in the TPM's memory may be flushed, and has not been yet.
    leftovers: Cell<bool>,
}

impl std::fmt::Debug for Tpm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tpm").field("tcti", &self.tcti).finish_non_exhaustive()
    }
}

impl Tpm {
    /// Opens the TPM and makes sure that it answers, within 10 seconds. What it is asked for that is something most callers
    /// want to know anyway: its active banks.
    ///
    /// # Errors
    /// [`TpmError::NotThere`] and [`TpmError::Busy`] tell the two common cases apart.
    pub fn open(tcti: &Tcti) -> Result<Self, TpmError> {
        tcti.check()?;
        let config = tcti.config()?;
        let (sender, receiver) = channel();
        let reached = Arc::new(AtomicBool::new(false));
        let is_reached = Arc::clone(&reached);
        // The TSS can't be told to give up waiting, so the first command runs where it can be left behind.
        thread::spawn(move || {
            let opened = Context::new(config).map_err(|error| ("TCTI", error)).and_then(|mut context| {
                is_reached.store(true, Ordering::Relaxed);
                let banks = quote::ask_banks(&mut context).map_err(|error| (quote::ASK_BANKS, error))?;
                Ok((context, banks))
            });
            // Nobody listens any more once the time is over; the context then closes itself.
            let _ = sender.send(opened);
        });
        match receiver.recv_timeout(FIRST_ANSWER) {
            Ok(Ok((context, banks))) => Ok(Self {
                context: RefCell::new(context),
                tcti: tcti.clone(),
                banks,
                leftovers: Cell::new(false),
            }),
            Ok(Err((command, error))) => {
                tcti.probe()?;
                Err(TpmError::from_tss(command, error))
            }
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                // One that was reached is not looked for: who waits in the queue for a simulator would find it full.
                if !reached.load(Ordering::Relaxed) {
                    tcti.probe()?;
                }
                Err(TpmError::Busy { tcti: tcti.to_string() })
            }
        }
    }

    /// The same for a TPM that has no resource manager and that nobody else uses now. Transient objects and sessions that a
    /// program left in it when it was killed are flushed as soon as their room may be needed: before the first object or
    /// session is made here, or when a persistent key finds no room.
    ///
    /// # Errors
    /// Those of [`Tpm::open`].
    pub fn open_alone(tcti: &Tcti) -> Result<Self, TpmError> {
        let tpm = Self::open(tcti)?;
        tpm.leftovers.set(true);
        Ok(tpm)
    }

    /// Flushes what others left, once, if that is allowed. Nothing of our own may be in the TPM's memory yet: it can't tell
    /// whose they are. Returns whether it looked now.
    pub(crate) fn make_room(&self) -> Result<bool, TpmError> {
        let allowed = self.leftovers.replace(false);
        if allowed {
            self.flush_leftovers()?;
        }
        Ok(allowed)
    }

    /// The banks that are active, weakest first; banks that Hallmark does not know are left out. They change with a reset of
    /// the TPM only (TPM2_PCR_Allocate, Part 3 §22.5).
    #[must_use]
    pub fn active_banks(&self) -> &[Bank] {
        &self.banks
    }

    /// Where the TPM is.
    #[must_use]
    pub fn tcti(&self) -> &Tcti {
        &self.tcti
    }

    /// Runs one command that needs no authorization.
    pub(crate) fn run<T>(
        &self,
        command: &'static str,
        f: impl FnOnce(&mut Context) -> tss_esapi::Result<T>,
    ) -> Result<T, TpmError> {
        tracing::debug!(command, "TPM");
        self.context
            .borrow_mut()
            .execute_without_session(f)
            .map_err(|error| TpmError::from_tss(command, error))
    }

    /// Runs one command with an empty password for each of its first `authorizations` (1 or 2) handles.
    pub(crate) fn run_authorized<T>(
        &self,
        command: &'static str,
        sessions: (Option<AuthSession>, Option<AuthSession>),
        f: impl FnOnce(&mut Context) -> tss_esapi::Result<T>,
    ) -> Result<T, TpmError> {
        tracing::debug!(command, "TPM");
        self.context
            .borrow_mut()
            .execute_with_sessions((sessions.0, sessions.1, None), f)
            .map_err(|error| TpmError::from_tss(command, error))
    }

    /// The key at a persistent handle; `None` when the handle is free.
    ///
    /// # Errors
    /// [`TpmError`] when the TPM can't be asked.
    pub fn persistent(&self, handle: u32) -> Result<Option<Key<'_>>, TpmError> {
        let object = match self.open_persistent(handle) {
            // A persistent key is used in a slot for transient ones.
            Err(TpmError::Full { .. }) if self.make_room()? => self.open_persistent(handle)?,
            other => other?,
        };
        let Some(object) = object else { return Ok(None) };
        Ok(Some(Key {
            tpm: self,
            handle: KeyHandle::from(object),
            residence: Residence::Persistent,
            public: OnceCell::new(),
        }))
    }

    fn open_persistent(&self, handle: u32) -> Result<Option<ObjectHandle>, TpmError> {
        self.open_handle("TPM2_ReadPublic", handle)
    }

    /// The TSS's handle for what is at a handle of the TPM; `None` when that is free. The TPM says so itself: asking first
    /// whether it is occupied would be one more command.
    pub(crate) fn open_handle(
        &self,
        command: &'static str,
        handle: u32,
    ) -> Result<Option<ObjectHandle>, TpmError> {
        tracing::debug!(command, "TPM");
        let opened = self
            .context
            .borrow_mut()
            .execute_without_session(|context| context.tr_from_tpm_public(TpmHandle::try_from(handle)?));
        match opened {
            Ok(object) => Ok(Some(object)),
            Err(error) if is_no_such_handle(&error) => Ok(None),
            Err(error) => Err(TpmError::from_tss(command, error)),
        }
    }

    /// Flushes a transient object or loaded session by its number.
    pub(crate) fn flush_handle(&self, handle: u32) -> Result<(), TpmError> {
        self.run("TPM2_FlushContext", |context| {
            let object = context.tr_from_tpm_public(TpmHandle::try_from(handle)?)?;
            context.flush_context(object)
        })
    }

    /// Takes a new transient object into ownership.
    pub(crate) fn adopt(
        &self,
        handle: KeyHandle,
        public: &tss_esapi::structures::Public,
    ) -> Result<Key<'_>, TpmError> {
        // From here on the handle closes itself, also when the area is not well-formed.
        let key = Key { tpm: self, handle, residence: Residence::Transient, public: OnceCell::new() };
        let public = public.marshall().map_err(|error| TpmError::from_tss("TPM2_CreatePrimary", error))?;
        key.public.get_or_init(|| public);
        Ok(key)
    }

    /// A session that is salted with `key`'s public half, so that a bus interposer learns no parameter that travels under
    /// it (threat p13).
    pub(crate) fn salted_session(
        &self,
        key: &Key<'_>,
        kind: SessionType,
        hash: HashingAlgorithm,
        symmetric: SymmetricDefinition,
    ) -> Result<Session<'_>, TpmError> {
        let session = self.start_session(Some(key.handle), kind, hash, symmetric)?;
        let (attributes, mask) =
            SessionAttributesBuilder::new().with_decrypt(true).with_encrypt(true).build();
        self.run("session attributes", |context| {
            context.tr_sess_set_attributes(session.session, attributes, mask)
        })?;
        Ok(session)
    }

    /// A session that only authorizes.
    pub(crate) fn plain_session(
        &self,
        kind: SessionType,
        hash: HashingAlgorithm,
        symmetric: SymmetricDefinition,
    ) -> Result<Session<'_>, TpmError> {
        self.start_session(None, kind, hash, symmetric)
    }

    fn start_session(
        &self,
        salt_key: Option<KeyHandle>,
        kind: SessionType,
        hash: HashingAlgorithm,
        symmetric: SymmetricDefinition,
    ) -> Result<Session<'_>, TpmError> {
        const COMMAND: &str = "TPM2_StartAuthSession";
        self.make_room()?;
        let session = self
            .run(COMMAND, |context| context.start_auth_session(salt_key, None, None, kind, symmetric, hash))?
            .ok_or(TpmError::Command { command: COMMAND, cause: "the TPM gave no session".to_owned() })?;
        Ok(Session { tpm: self, session })
    }
}

/// TPM_RC_HANDLE: nothing is at the handle (Part 3 §12.4).
fn is_no_such_handle(error: &tss_esapi::Error) -> bool {
    use tss_esapi::constants::response_code::Tss2ResponseCodeKind;
    matches!(error, tss_esapi::Error::Tss2Error(code) if code.kind() == Some(Tss2ResponseCodeKind::Handle))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Residence {
    Transient,
    Persistent,
}

/// A key that is loaded in the TPM. Dropping it frees the TPM's memory, on errors and panics too: TPMs have room for
/// three objects.
#[derive(Debug)]
pub struct Key<'t> {
    tpm: &'t Tpm,
    handle: KeyHandle,
    residence: Residence,
    public: OnceCell<Vec<u8>>,
}

impl Key<'_> {
    /// The TPMT_PUBLIC. The TSS has read that of a persistent key and does not hand it out, so it is read when it is asked
    /// for (TPM2_ReadPublic, Part 3 §12.4), once.
    ///
    /// # Errors
    /// [`TpmError`] when the TPM can't be asked.
    pub fn public(&self) -> Result<&[u8], TpmError> {
        if let Some(public) = self.public.get() {
            return Ok(public);
        }
        let public =
            self.tpm.run("TPM2_ReadPublic", |context| context.read_public(self.handle)?.0.marshall())?;
        Ok(self.public.get_or_init(|| public))
    }

    pub(crate) fn handle(&self) -> KeyHandle {
        self.handle
    }

    /// The hash of its Name: the second field of a TPMT_PUBLIC (Part 2 §12.2.4).
    pub(crate) fn name_algorithm(&self) -> Result<HashingAlgorithm, TpmError> {
        Ok(match self.public()?.get(2..4) {
            Some([0x00, 0x0C]) => HashingAlgorithm::Sha384,
            _ => HashingAlgorithm::Sha256,
        })
    }
}

impl Drop for Key<'_> {
    fn drop(&mut self) {
        let mut object = ObjectHandle::from(self.handle);
        let freed = match self.residence {
            Residence::Transient => {
                self.tpm.run("TPM2_FlushContext", |context| context.flush_context(object))
            }
            Residence::Persistent => self.tpm.run("close", |context| context.tr_close(&mut object)),
        };
        if let Err(error) = freed {
            tracing::debug!(%error, "a key could not be released");
        }
    }
}

/// A session that ends with its value.
#[derive(Debug)]
pub(crate) struct Session<'t> {
    tpm: &'t Tpm,
    session: AuthSession,
}

impl Session<'_> {
    pub(crate) fn auth(&self) -> AuthSession {
        self.session
    }

    pub(crate) fn policy(&self) -> Result<PolicySession, TpmError> {
        PolicySession::try_from(self.session)
            .map_err(|error| TpmError::from_tss("TPM2_StartAuthSession", error))
    }
}

impl Drop for Session<'_> {
    fn drop(&mut self) {
        let handle = SessionHandle::from(self.session);
        if let Err(error) = self.tpm.run("TPM2_FlushContext", |context| context.flush_context(handle.into()))
        {
            tracing::debug!(%error, "a session could not be released");
        }
    }
}
