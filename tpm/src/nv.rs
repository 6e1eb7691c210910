//! Non-volatile memory: certificates, and what the rollback floor needs.

use tss_esapi::attributes::{NvIndexAttributes, NvIndexAttributesBuilder};
use tss_esapi::constants::nv_index_type::NvIndexType;
use tss_esapi::handles::{NvIndexHandle, NvIndexTpmHandle};
use tss_esapi::interface_types::algorithm::HashingAlgorithm;
use tss_esapi::interface_types::resource_handles::{NvAuth, Provision};
use tss_esapi::interface_types::session_handles::AuthSession;
use tss_esapi::structures::{Digest, MaxNvBuffer, NvPublic, NvPublicBuilder};
use tss_esapi::tss2_esys::TPM2B_NV_PUBLIC;

use crate::context::Tpm;
use crate::error::TpmError;

/// Bytes in one TPM2_NV_Read or TPM2_NV_Write: every TPM takes as many (TPM_PT_NV_BUFFER_MAX is 512 or more).
const CHUNK: u16 = 512;

/// What kind of index to define.
#[derive(Debug, Clone, Copy)]
pub(crate) enum NvKind {
    /// Bytes that the owner writes and everybody reads.
    Ordinary { size: usize },
    /// A counter that only rises, also across deletion: a new one starts above the highest that ever was (Part 3 §31.8).
    Counter,
}

impl Tpm {
    /// The whole content of an NV index; `None` when the index does not exist.
    ///
    /// # Errors
    /// [`TpmError`] when the TPM can't be asked or refuses the read.
    pub fn nv_read(&self, index: u32) -> Result<Option<Vec<u8>>, TpmError> {
        self.nv_open(index)?.map(|nv| self.nv_content(&nv)).transpose()
    }

    pub(crate) fn nv_content(&self, nv: &NvIndex<'_>) -> Result<Vec<u8>, TpmError> {
        let size = nv.public.data_size();
        let mut content = Vec::with_capacity(size);
        while let Some(left) = size.checked_sub(content.len()).filter(|left| *left > 0) {
            let part = CHUNK.min(u16::try_from(left).unwrap_or(CHUNK));
            let offset = u16::try_from(content.len()).unwrap_or(u16::MAX);
            let read =
                self.run_authorized("TPM2_NV_Read", (Some(AuthSession::Password), None), |context| {
                    context.nv_read(nv.reader(), nv.handle(), part, offset)
                })?;
            if read.is_empty() {
                break;
            }
            content.extend_from_slice(&read);
        }
        Ok(content)
    }

    /// Writes an ordinary index of exactly `content`'s length that the owner may write, defining it first when needed.
    ///
    /// # Errors
    /// [`TpmError::HandleTaken`] when the index exists with another size or kind; [`TpmError::Full`] without room.
    pub fn nv_store(&self, index: u32, content: &[u8]) -> Result<(), TpmError> {
        match self.nv_open(index)? {
            None => self.nv_define(index, NvKind::Ordinary { size: content.len() }, &[])?,
            Some(nv) if nv.public.data_size() == content.len() => {}
            Some(nv) => {
                return Err(TpmError::HandleTaken {
                    handle: index,
                    found: format!("{} bytes", nv.public.data_size()),
                    expected: "an index of another size",
                });
            }
        }
        let mut offset: u16 = 0;
        for part in content.chunks(usize::from(CHUNK)) {
            self.nv_write(index, part, offset)?;
            offset = offset.saturating_add(CHUNK);
        }
        Ok(())
    }

    fn nv_write(&self, index: u32, part: &[u8], offset: u16) -> Result<(), TpmError> {
        let nv = self.nv_require(index)?;
        self.run_authorized("TPM2_NV_Write", (Some(AuthSession::Password), None), |context| {
            context.nv_write(NvAuth::Owner, nv.handle(), MaxNvBuffer::try_from(part)?, offset)
        })
    }

    /// Removes an index; nothing happens when it does not exist.
    ///
    /// # Errors
    /// [`TpmError`] when the TPM refuses.
    pub fn nv_remove(&self, index: u32) -> Result<(), TpmError> {
        let Some(nv) = self.nv_open(index)? else { return Ok(()) };
        self.run_authorized("TPM2_NV_UndefineSpace", (Some(AuthSession::Password), None), |context| {
            context.nv_undefine_space(Provision::Owner, nv.handle())
        })?;
        // The command ended the TSS's handle too; closing it once more would be an error.
        std::mem::forget(nv);
        Ok(())
    }

    pub(crate) fn nv_define(&self, index: u32, kind: NvKind, policy: &[u8]) -> Result<(), TpmError> {
        const COMMAND: &str = "TPM2_NV_DefineSpace";
        let public = nv_public(index, kind, policy).map_err(|error| TpmError::from_tss(COMMAND, error))?;
        let handle = self.run_authorized(COMMAND, (Some(AuthSession::Password), None), |context| {
            context.nv_define_space(Provision::Owner, None, public)
        })?;
        self.run("close", |context| context.tr_close(&mut { handle }.into()))
    }

    pub(crate) fn nv_increment(&self, index: u32) -> Result<(), TpmError> {
        let nv = self.nv_require(index)?;
        self.run_authorized("TPM2_NV_Increment", (Some(AuthSession::Password), None), |context| {
            context.nv_increment(NvAuth::Owner, nv.handle())
        })
    }

    pub(crate) fn nv_open(&self, index: u32) -> Result<Option<NvIndex<'_>>, TpmError> {
        let Some(object) = self.open_handle("TPM2_NV_ReadPublic", index)? else { return Ok(None) };
        let opened = OpenIndex { tpm: self, handle: NvIndexHandle::from(object) };
        let (public, _) = self.run("TPM2_NV_ReadPublic", |context| context.nv_read_public(opened.handle))?;
        Ok(Some(NvIndex { opened, public }))
    }

    pub(crate) fn nv_require(&self, index: u32) -> Result<NvIndex<'_>, TpmError> {
        self.nv_open(index)?.ok_or_else(|| TpmError::Missing {
            what: format!("NV index 0x{index:08x}"),
            fix: "run `hallmark provision`",
        })
    }
}

/// An NV index that the TSS has a handle for; it closes with its value. Nothing in the TPM's own memory belongs to it.
struct OpenIndex<'t> {
    tpm: &'t Tpm,
    handle: NvIndexHandle,
}

impl Drop for OpenIndex<'_> {
    fn drop(&mut self) {
        let mut object = self.handle.into();
        if let Err(error) = self.tpm.run("close", |context| context.tr_close(&mut object)) {
            tracing::debug!(%error, "an NV handle could not be closed");
        }
    }
}

pub(crate) struct NvIndex<'t> {
    opened: OpenIndex<'t>,
    public: NvPublic,
}

impl NvIndex<'_> {
    fn handle(&self) -> NvIndexHandle {
        self.opened.handle
    }

    /// The policy digest that the index was defined with; empty when there is none.
    pub(crate) fn policy(&self) -> Vec<u8> {
        // The binding has no accessor for it, but hands out the TSS's own structure.
        let Ok(public) = TPM2B_NV_PUBLIC::try_from(self.public.clone()) else { return Vec::new() };
        let digest = public.nvPublic.authPolicy;
        digest.buffer.get(..usize::from(digest.size)).unwrap_or_default().to_vec()
    }

    /// Whether anything was ever written; a counter that was never incremented has no value.
    pub(crate) fn is_written(&self) -> bool {
        self.public.attributes().written()
    }

    pub(crate) fn is_counter(&self) -> bool {
        matches!(self.public.attributes().index_type(), Ok(NvIndexType::Counter))
    }

    /// Who may read: the index itself (EK certificates), or else the owner.
    fn reader(&self) -> NvAuth {
        if self.public.attributes().auth_read() { NvAuth::NvIndex(self.handle()) } else { NvAuth::Owner }
    }
}

fn nv_public(index: u32, kind: NvKind, policy: &[u8]) -> tss_esapi::Result<NvPublic> {
    let (kind, size) = match kind {
        NvKind::Ordinary { size } => (NvIndexType::Ordinary, size),
        NvKind::Counter => (NvIndexType::Counter, 8),
    };
    let attributes: NvIndexAttributes = NvIndexAttributesBuilder::new()
        .with_nv_index_type(kind)
        .with_owner_write(true)
        .with_owner_read(true)
        .with_auth_read(true)
        .with_no_da(true)
        .build()?;
    NvPublicBuilder::new()
        .with_nv_index(NvIndexTpmHandle::new(index)?)
        .with_index_name_algorithm(HashingAlgorithm::Sha256)
        .with_index_attributes(attributes)
        .with_index_auth_policy(Digest::try_from(policy)?)
        .with_data_area_size(size)
        .build()
}
