//! Relink data, opened: atoms, relocations and functions of the base image.

use formats::link::{self, Functions, LinkError};
use formats::relink::{self, Atom, ItemError, Relocations};
use std::io::Read;

/// Why relink data cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LinkDataError {
    /// The container is refused.
    #[error("{0}")]
    Container(LinkError),
    /// An atom or relocation is refused.
    #[error("{0}")]
    Item(ItemError),
    /// The atoms overlap or do not fit each other.
    #[error("relink data: atom {index} at {address:#x} is smaller than its place or misaligned")]
    Atom {
        /// Its number.
        index: usize,
        /// Its address.
        address: u64,
    },
}

impl From<LinkError> for LinkDataError {
    fn from(error: LinkError) -> Self {
        Self::Container(error)
    }
}

impl From<ItemError> for LinkDataError {
    fn from(error: ItemError) -> Self {
        Self::Item(error)
    }
}

/// The relink data of a base image. Atoms ascend, do not overlap and are aligned as they say.
#[derive(Debug, Clone)]
pub struct LinkData {
    /// GNU build id of the image.
    pub build_id: [u8; 20],
    /// Its functions; coverage goes by their numbers.
    pub functions: Functions,
    /// Its atoms.
    pub atoms: Vec<Atom>,
    relocations: Vec<u8>,
    sources: Vec<u8>,
    packed_names: Option<(link::Section, Vec<u8>)>,
}

impl LinkData {
    /// Opens a whole file (`/boot/runtime.link`).
    ///
    /// # Errors
    /// [`LinkDataError`]
    pub fn open(file: &[u8]) -> Result<Self, LinkDataError> {
        let index = link::Index::parse(file, file.len() as u64)?;
        let stored = |kind| -> Result<(link::Section, Vec<u8>), LinkDataError> {
            let section = index.section(kind)?;
            let range = section.offset as usize..(section.offset + section.stored_bytes) as usize;
            Ok((section, file[range].to_vec()))
        };
        let content = |kind| -> Result<Vec<u8>, LinkDataError> {
            let (section, stored) = stored(kind)?;
            Ok(section.open(stored, unpack)?)
        };
        let functions = Functions::parse(&content(link::FUNCTIONS)?)?;
        let atoms = relink::decode_atoms(&content(relink::ATOMS)?)?;
        for (index, atom) in atoms.iter().enumerate() {
            if atom.address % (1 << atom.align_log2) != 0 {
                let address = atom.address;
                return Err(LinkDataError::Atom { index, address });
            }
        }
        let relocations = content(relink::RELOCATIONS)?;
        Relocations::new(&relocations, atoms.len())?.try_for_each(|item| item.map(drop))?;
        Ok(Self {
            build_id: index.build_id,
            functions,
            atoms,
            relocations,
            sources: content(relink::SOURCES)?,
            packed_names: stored(relink::NAMES).ok(),
        })
    }

    /// All relocations, ascending by site.
    pub fn relocations(&self) -> impl Iterator<Item = relink::Relocation> {
        Relocations::new(&self.relocations, self.atoms.len())
            .into_iter()
            .flatten()
            .flatten() // checked when it was opened
    }

    /// Library and object of each source.
    pub fn sources(&self) -> Vec<(String, String)> {
        relink::decode_names(&self.sources)
            .map(|name| {
                let name = String::from_utf8_lossy(name);
                let (library, object) = name.split_once('\t').unwrap_or((&name, ""));
                (library.to_owned(), object.to_owned())
            })
            .collect()
    }

    /// The linker's names of all functions, in order of their numbers. Empty if the file has none.
    ///
    /// # Errors
    /// [`LinkDataError::Container`]: damaged.
    pub fn names(&self) -> Result<Vec<String>, LinkDataError> {
        let Some((section, stored)) = &self.packed_names else {
            return Ok(Vec::new());
        };
        let content = section.open(stored.clone(), unpack)?;
        Ok(relink::decode_names(&content)
            .map(|name| String::from_utf8_lossy(name).into_owned())
            .collect())
    }

    /// Number of the atom that contains an address.
    pub fn atom_at(&self, address: u64) -> Option<usize> {
        let index = self
            .atoms
            .partition_point(|atom| atom.address <= address)
            .checked_sub(1)?;
        (address < self.atoms[index].end()).then_some(index)
    }
}

/// Undoes one Zstandard frame; `None` if it is damaged or has another size.
pub(crate) fn unpack(packed: &[u8], bytes: usize) -> Option<Vec<u8>> {
    let mut decoder = ruzstd::decoding::StreamingDecoder::new(packed).ok()?;
    let mut content = Vec::with_capacity(bytes.min(link::MAX_SECTION_BYTES as usize));
    // One byte more than expected, so that a larger content is noticed.
    let limit = bytes as u64 + 1;
    decoder
        .by_ref()
        .take(limit)
        .read_to_end(&mut content)
        .ok()?;
    (content.len() == bytes).then_some(content)
}

/// A section of a file that is written: packed if that is smaller.
pub(crate) fn section(kind: [u8; 4], content: &[u8]) -> link::NewSection<'_> {
    let packed =
        ruzstd::encoding::compress_to_vec(content, ruzstd::encoding::CompressionLevel::Fastest);
    link::NewSection {
        kind,
        content,
        packed: (packed.len() < content.len()).then_some(packed),
    }
}
