//! SBAT levels (shim's SBAT.md): per component, the generation below which binaries are revoked.

/// The longest level; those in the field have some hundred bytes.
const MAX: usize = 4096;

/// An SBAT level: `sbat,1,2022052400`, then a line for each component.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SbatLevel<'a>(&'a str);

impl<'a> SbatLevel<'a> {
    /// Reads printable text of at most 4096 bytes whose first line is that of `sbat` itself, each line with a component
    /// and its generation, no component twice. NULs and line feeds at the end are let through.
    #[must_use]
    pub fn parse(content: &'a [u8]) -> Option<Self> {
        let text = std::str::from_utf8(content).ok()?.trim_end_matches(['\0', '\n']);
        let printable = text.len() <= MAX && text.bytes().all(|b| b == b'\n' || (0x20..0x7F).contains(&b));
        let level = Self(text);
        let mut names = std::collections::BTreeSet::new();
        let lines = text.lines().all(|line| line_of(line).is_some_and(|(name, _)| names.insert(name)));
        (printable && text.starts_with("sbat,") && lines).then_some(level)
    }

    /// The text, without what fills it up.
    #[must_use]
    pub const fn text(&self) -> &'a str {
        self.0
    }

    /// The date of the level: ten digits, `YYYYMMDDNN`.
    #[must_use]
    pub fn date(&self) -> Option<u64> {
        let date = self.0.lines().next()?.split(',').nth(2)?;
        (date.len() == 10).then(|| date.parse().ok()).flatten()
    }

    /// The components with their least generations.
    pub fn components(&self) -> impl Iterator<Item = (&'a str, u64)> + use<'a> {
        self.0.lines().filter_map(line_of)
    }

    /// The least generation of a component; `None` when the level does not name it, so that all of its generations run.
    #[must_use]
    pub fn generation(&self, component: &str) -> Option<u64> {
        self.components().find(|(name, _)| *name == component).map(|(_, generation)| generation)
    }
}

fn line_of(line: &str) -> Option<(&str, u64)> {
    let mut fields = line.split(',');
    let (name, generation) = (fields.next()?, fields.next()?);
    let digits = !generation.is_empty() && generation.bytes().all(|b| b.is_ascii_digit());
    (digits && !name.is_empty())
        .then(|| generation.parse().ok())
        .flatten()
        .map(|generation| (name, generation))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_has_a_date_and_generations() {
        let level = SbatLevel::parse(b"sbat,1,2022052400\nshim,2\ngrub,3\n").unwrap();
        assert_eq!(level.date(), Some(2_022_052_400));
        assert_eq!(level.generation("grub"), Some(3));
        assert_eq!(level.generation("grub.debian"), None);
        assert_eq!(SbatLevel::parse(b"sbat,1,2021030218\n").unwrap().components().count(), 1);
    }

    #[test]
    fn e20_text_that_is_no_level_is_none() {
        let bad: [&[u8]; 8] = [
            b"",
            b"shim,2\n",
            b"sbat,1\nshim\n",
            b"sbat,1\nshim,-1\n",
            b"sbat,1\nshim,2\nshim,9\n",
            b"sbat,1\n\x1b[2J,1\n",
            b"sbat,18446744073709551616\n",
            b"sbat,+1\n",
        ];
        for text in bad {
            assert_eq!(SbatLevel::parse(text), None, "{}", text.escape_ascii());
        }
    }
}
