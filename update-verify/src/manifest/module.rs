//! Modules: the programs of a package that the runtime starts. Here they are only described and checked.

use std::collections::{BTreeMap, BTreeSet};

use super::{FileEntry, ManifestError, wire};

/// Most modules of a package.
pub const MAX_MODULES: usize = 64;
/// Most arguments, and most environment variables, of a module.
pub const MAX_ARGS: usize = 256;
/// Longest argument or value of an environment variable, in bytes.
pub const MAX_ARG: usize = 4096;

/// What is wrong with a module's description.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ModuleFault {
    /// The name is not 1 to 64 characters of `a-z`, `0-9` and `-`.
    #[error("its name is not 1 to 64 of a-z, 0-9 and '-'")]
    Name,
    /// Another module has the same name.
    #[error("another module has its name")]
    Repeated,
    /// The path is none of the package's files.
    #[error("its path {path:?} is none of the package's files")]
    NoSuchFile {
        /// The path that the module names.
        path: String,
    },
    /// The file is not marked executable.
    #[error("its file {path:?} is not executable")]
    NotExecutable {
        /// The path that the module names.
        path: String,
    },
    /// An argument is too long or holds a NUL, which no program can be given.
    #[error(
        "argument {index} holds a NUL or is longer than {MAX_ARG} bytes, or there are more than {MAX_ARGS}"
    )]
    Argument {
        /// Counted from 0.
        index: usize,
    },
    /// An environment variable's name is not `[A-Za-z_][A-Za-z0-9_]*`, steers the dynamic loader (threat r09), or its
    /// value can't be passed.
    #[error("environment variable {name:?} has a name or value that is not allowed")]
    Environment {
        /// The variable's name.
        name: String,
    },
    /// `stdin` names the module itself or none.
    #[error("its stdin {source_name:?} is not another module")]
    NoSuchSource {
        /// The name given.
        source_name: String,
    },
    /// Two modules read the same module's output.
    #[error("the output of {source_name:?} already feeds another module")]
    SourceTaken {
        /// The name given.
        source_name: String,
    },
    /// Following `stdin` comes back to the module.
    #[error("its stdin leads back to itself")]
    Cycle,
}

/// A program of the package, and how it is to be started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModuleEntry {
    name: String,
    path: String,
    args: Vec<String>,
    env: BTreeMap<String, String>,
    stdin: Option<String>,
}

impl ModuleEntry {
    /// `[a-z0-9-]{1,64}`, unique in the package.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Path of an executable file of the package.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Arguments after the program's name.
    #[must_use]
    pub fn args(&self) -> &[String] {
        &self.args
    }

    /// The environment, complete: nothing is inherited beside it.
    #[must_use]
    pub fn env(&self) -> &BTreeMap<String, String> {
        &self.env
    }

    /// The module whose standard output is this one's standard input.
    #[must_use]
    pub fn stdin(&self) -> Option<&str> {
        self.stdin.as_deref()
    }
}

/// Checks all modules against each other and against `files`, which are sorted by path.
pub(super) fn check_modules(
    modules: Vec<wire::Module>,
    files: &[FileEntry],
) -> Result<Vec<ModuleEntry>, ManifestError> {
    if modules.len() > MAX_MODULES {
        return Err(ManifestError::TooMany { what: "modules", found: modules.len(), limit: MAX_MODULES });
    }
    let mut names = BTreeSet::new();
    for module in &modules {
        let fault = |fault| ManifestError::Module { name: module.name.clone(), fault };
        check_module(module, files).map_err(fault)?;
        if !names.insert(module.name.as_str()) {
            return Err(fault(ModuleFault::Repeated));
        }
    }
    check_pipes(&modules)?;
    Ok(modules
        .into_iter()
        .map(|m| ModuleEntry { name: m.name, path: m.path, args: m.args, env: m.env, stdin: m.stdin })
        .collect())
}

fn check_module(module: &wire::Module, files: &[FileEntry]) -> Result<(), ModuleFault> {
    let is_name_char = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    if !(1..=64).contains(&module.name.len()) || !module.name.bytes().all(is_name_char) {
        return Err(ModuleFault::Name);
    }
    let file = files
        .binary_search_by(|file| file.path().cmp(&module.path))
        .ok()
        .and_then(|index| files.get(index))
        .ok_or_else(|| ModuleFault::NoSuchFile { path: module.path.clone() })?;
    if !file.is_executable() {
        return Err(ModuleFault::NotExecutable { path: module.path.clone() });
    }
    let bad_arg = module.args.iter().enumerate().find(|(i, arg)| *i >= MAX_ARGS || !is_passable(arg));
    if let Some((index, _)) = bad_arg {
        return Err(ModuleFault::Argument { index });
    }
    let bad_env = module
        .env
        .iter()
        .enumerate()
        .find(|(i, (name, value))| *i >= MAX_ARGS || !is_env_name(name) || !is_passable(value));
    match bad_env {
        Some((_, (name, _))) => Err(ModuleFault::Environment { name: name.clone() }),
        None => Ok(()),
    }
}

fn is_passable(text: &str) -> bool {
    text.len() <= MAX_ARG && !text.contains('\0')
}

fn is_env_name(name: &str) -> bool {
    let starts_well = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let holds_well = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    starts_well && holds_well && name.len() <= 255 && !name.starts_with("LD_") && name != "GCONV_PATH"
}

/// Every `stdin` names another module, no output is read twice, and no chain of them closes.
fn check_pipes(modules: &[wire::Module]) -> Result<(), ManifestError> {
    let sources: BTreeMap<&str, Option<&str>> =
        modules.iter().map(|m| (m.name.as_str(), m.stdin.as_deref())).collect();
    let mut taken = BTreeSet::new();
    for module in modules {
        let Some(source) = module.stdin.as_deref() else { continue };
        let fault = |fault| ManifestError::Module { name: module.name.clone(), fault };
        let source_name = source.to_owned();
        if source == module.name || !sources.contains_key(source) {
            return Err(fault(ModuleFault::NoSuchSource { source_name }));
        }
        if !taken.insert(source) {
            return Err(fault(ModuleFault::SourceTaken { source_name }));
        }
        if leads_back(&sources, &module.name) {
            return Err(fault(ModuleFault::Cycle));
        }
    }
    Ok(())
}

/// Whether following `stdin` from `start` runs longer than there are modules: then it runs in a circle.
fn leads_back(sources: &BTreeMap<&str, Option<&str>>, start: &str) -> bool {
    let mut at = Some(start);
    for _ in 0..=sources.len() {
        match at {
            None => return false,
            Some(name) => at = sources.get(name).copied().flatten(),
        }
    }
    at.is_some()
}
