//! Evicts from the runtime what never ran: an image whose hot part is small, and a cold file for the rest.
//!
//! Hot is code that ran, and the constants that it refers to, directly or through tables; everything else is cold: still
//! there, at an address of its own, but in segments that the kernel reads page by page when they are needed
//! (`formats::cold`). Variables and what holds addresses (`.data.rel.ro`, vtables) stay where they are.
//!
//! The new image is an ELF file with the base image's build id, as far as the head of the hot part goes:
//!
//! ```text
//! headers, notes | hot constants | hot code | relro | data |  cold constants and code
//!                                                          ^ cut here: hot part, cold file
//! ```

use formats::cold;
use formats::elf::{Executable, HEADER_BYTES, PROGRAM_HEADER_BYTES};
use formats::link::{self, Functions};
use formats::relink::{self, Kind};

use crate::coverage::{Coverage, hex};
use crate::link_data::{LinkData, LinkDataError, section, unpack};
use crate::relink::{Extent, Layout, Memory, MemoryMut, Part, RelinkError, write};

/// Section of an evicted image's link data: where each atom is.
pub const MOVES: [u8; 4] = *b"MOVE";

const PAGE: u64 = 4096;
const PT_LOAD: u32 = 1;
const PT_PHDR: u32 = 6;
const PT_GNU_EH_FRAME: u32 = 0x6474_E550;
const PF_X: u32 = 1;
const PF_R: u32 = 4;

/// Why nothing was evicted.
#[derive(Debug, thiserror::Error)]
pub enum EvictError {
    /// The base image is refused.
    #[error("base image: {0}")]
    Base(formats::elf::ElfError),
    /// The link data are refused.
    #[error(transparent)]
    Link(#[from] LinkDataError),
    /// Link data of another image.
    #[error(
        "the link data belong to build {link}, the image is build {image}: copy both from one build"
    )]
    Build {
        /// Build id of the link data.
        link: String,
        /// Build id of the image.
        image: String,
    },
    /// The new layout is impossible.
    #[error(transparent)]
    Relink(#[from] RelinkError),
    /// The base image does not have the form of a linked runtime.
    #[error("base image: {0}")]
    Form(&'static str),
    /// The cold file cannot be made.
    #[error("cold file: {0}")]
    Cold(cold::ColdError),
}

/// How to evict.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Atoms in the order in which they are laid out; the base's order if it is empty.
    pub order: Vec<u32>,
}

/// An evicted image.
#[derive(Debug)]
pub struct Evicted {
    /// The hot part: an ELF file whose cold segments are cut off.
    pub hot: Vec<u8>,
    /// Content of the cold segments. `hot` and this, one after the other, are an ELF file that runs anywhere.
    pub cold: Vec<u8>,
    /// Link data of the new image: its functions, and where each atom of the base image is ([`Moves`]).
    pub link: Vec<u8>,
    /// What was done.
    pub stats: Stats,
}

/// Sizes in bytes, and counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Functions that ran.
    pub functions_run: usize,
    /// All functions.
    pub functions: usize,
    /// Hot code.
    pub hot_code: usize,
    /// Hot constants.
    pub hot_constants: usize,
    /// What has to stay in memory besides: variables as far as they are in the file.
    pub data: usize,
    /// Cold code.
    pub cold_code: usize,
    /// Cold constants.
    pub cold_constants: usize,
}

impl Stats {
    /// Code and read-only data that are resident from the start.
    pub fn resident(&self) -> usize {
        self.hot_code + self.hot_constants
    }
}

/// The base image, by address.
struct Base<'a> {
    file: &'a [u8],
    segments: Vec<(u64, usize, usize)>, // address, offset, bytes
}

impl Memory for Base<'_> {
    fn at(&self, address: u64, bytes: usize) -> Option<&[u8]> {
        let index = self.segments.partition_point(|s| s.0 <= address);
        let (start, offset, size) = *self.segments.get(index.checked_sub(1)?)?;
        let from = usize::try_from(address - start).ok()?;
        let to = from.checked_add(bytes).filter(|&to| to <= size)?;
        self.file.get(offset + from..offset + to)
    }
}

/// The new image, by address: hot segments in one file, the cold one in another.
struct New {
    segments: Vec<NewSegment>,
    hot: Vec<u8>,
    cold: Vec<u8>,
}

struct NewSegment {
    extent: Extent,
    offset: usize, // in the hot or the cold part
    cold: bool,
}

impl New {
    fn find(&self, address: u64, bytes: usize) -> Option<(bool, usize)> {
        let index = self
            .segments
            .partition_point(|s| s.extent.address <= address)
            .checked_sub(1)?;
        let segment = &self.segments[index];
        let end = address.checked_add(bytes as u64)?;
        let offset = segment.offset + (address - segment.extent.address) as usize;
        (end <= segment.extent.end).then_some((segment.cold, offset))
    }
}

impl Memory for New {
    fn at(&self, address: u64, bytes: usize) -> Option<&[u8]> {
        let (cold, at) = self.find(address, bytes)?;
        let part = if cold { &self.cold } else { &self.hot };
        part.get(at..at + bytes)
    }
}

impl MemoryMut for New {
    fn at_mut(&mut self, address: u64, bytes: usize) -> Option<&mut [u8]> {
        let (cold, at) = self.find(address, bytes)?;
        let part = if cold { &mut self.cold } else { &mut self.hot };
        part.get_mut(at..at + bytes)
    }
}

/// Evicts from `base`, a runtime, what `coverage` says was never used. `link` is its link data.
///
/// # Errors
/// [`EvictError`]
pub fn evict(
    base: &[u8],
    link: &[u8],
    coverage: &Coverage,
    options: &Options,
) -> Result<Evicted, EvictError> {
    evict_linked(base, &LinkData::open(link)?, coverage, options)
}

/// [`evict`] with link data that are open already.
///
/// # Errors
/// [`EvictError`]
pub fn evict_linked(
    base: &[u8],
    link: &LinkData,
    coverage: &Coverage,
    options: &Options,
) -> Result<Evicted, EvictError> {
    let executable = Executable::parse(base, base.len() as u64).map_err(EvictError::Base)?;
    let image = relink::build_id(base).ok_or(EvictError::Form("no GNU build id"))?;
    if image != link.build_id {
        return Err(EvictError::Build {
            link: hex(&link.build_id),
            image: hex(&image),
        });
    }
    let parts = parts(link, coverage);
    let layout = Layout::new(&link.atoms, &parts, &options.order)?;
    let memory = Base {
        file: base,
        segments: executable
            .segments
            .iter()
            .map(|s| (s.address, s.file_offset as usize, s.file_bytes as usize))
            .collect(),
    };
    let (mut new, data) = frame(base, &executable, link, &layout)?;
    write(link, &layout, &memory, &mut new)?;
    let mut stats = Stats {
        functions_run: coverage.functions_run(),
        functions: link.functions.len(),
        hot_code: layout.hot_code.bytes(),
        hot_constants: layout.hot_constants.bytes(),
        data,
        ..Stats::default()
    };
    stats.cold_code = (layout.cold.end - layout.cold_code) as usize;
    stats.cold_constants = layout.cold.bytes() - stats.cold_code;
    Ok(Evicted {
        hot: new.hot,
        cold: new.cold,
        link: moved_link(link, &layout)?,
        stats,
    })
}

/// What is hot: code that ran, and constants reachable from it without passing through other code.
pub fn parts(link: &LinkData, coverage: &Coverage) -> Vec<Part> {
    let atoms = &link.atoms;
    let mut hot = vec![false; atoms.len()];
    for (index, hot) in hot.iter_mut().enumerate() {
        *hot = coverage.wants(index) || atoms[index].kind == Kind::Glue;
    }
    for function in 0..link.functions.len() {
        if coverage.ran(function)
            && let Some((address, _)) = link.functions.get(function)
            && let Some(atom) = link.atom_at(address)
        {
            hot[atom] = true;
        }
    }
    // Relocations ascend by site, so those of an atom lie together; a reference backwards needs another round.
    loop {
        let mut changed = false;
        let mut own = 0;
        for relocation in link.relocations() {
            while own < atoms.len() && atoms[own].end() <= relocation.site {
                own += 1;
            }
            let Some(true) = hot.get(own) else { continue };
            let target = relocation.target as usize;
            let followed = matches!(
                atoms[target].kind,
                Kind::Rodata | Kind::Merged | Kind::Relro | Kind::Data
            );
            if followed && !hot[target] {
                hot[target] = true;
                changed |= target <= own;
            }
        }
        if !changed {
            break;
        }
    }
    atoms
        .iter()
        .zip(hot)
        .map(|(atom, hot)| match (atom.kind, hot) {
            (Kind::Text | Kind::Glue, true) => Part::HotCode,
            (Kind::Text | Kind::Glue, false) => Part::ColdCode,
            (kind, _) if !kind.moves() => Part::Fixed,
            (_, true) => Part::HotConstants,
            (_, false) => Part::ColdConstants,
        })
        .collect()
}

fn put(bytes: &mut [u8], at: usize, value: u64, size: usize) {
    bytes[at..at + size].copy_from_slice(&value.to_le_bytes()[..size]);
}

fn get(bytes: &[u8], at: usize, size: usize) -> u64 {
    let field = &bytes[at..at + size];
    field.iter().rev().fold(0, |n, &b| n << 8 | u64::from(b))
}

/// The files with headers, fixed parts and room for the rest; and the size of variables in them.
fn frame(
    base: &[u8],
    executable: &Executable,
    link: &LinkData,
    layout: &Layout,
) -> Result<(New, usize), EvictError> {
    let first = layout.hot_constants.address;
    let fixed: Vec<_> = executable
        .segments
        .iter()
        .filter(|segment| segment.protection.write)
        .collect();
    if executable
        .segments
        .first()
        .is_none_or(|s| s.address != first)
    {
        return Err(EvictError::Form(
            "its first segment is not where its atoms start",
        ));
    }
    if fixed.iter().any(|s| s.address < layout.hot_code.end) {
        return Err(EvictError::Form("variables in front of code"));
    }
    // Places in the file: each congruent to its address by pages.
    let mut offset = 0;
    let mut data = 0;
    let mut segments = Vec::new();
    let mut add = |offset: &mut usize, extent: Extent, cold: bool| {
        let at = offset.next_multiple_of(PAGE as usize) + (extent.address % PAGE) as usize;
        segments.push(NewSegment {
            extent,
            offset: at,
            cold,
        });
        *offset = at + extent.bytes();
        at
    };
    add(&mut offset, layout.hot_constants, false);
    let code_offset = add(&mut offset, layout.hot_code, false);
    let mut fixed_offsets = Vec::new();
    for segment in &fixed {
        let extent = Extent {
            address: segment.address,
            end: segment.address + segment.file_bytes,
        };
        data += extent.bytes();
        fixed_offsets.push(add(&mut offset, extent, false));
    }
    let cold_offset = offset.next_multiple_of(PAGE as usize);
    let mut cold_place = 0;
    add(&mut cold_place, layout.cold, true);
    let mut hot = vec![0u8; cold_offset];
    hot[code_offset..code_offset + layout.hot_code.bytes()].fill(0xCC);
    let mut cold = vec![0u8; layout.cold.bytes()];
    let code_at = (layout.cold_code - layout.cold.address) as usize;
    cold[code_at..].fill(0xCC);
    for (segment, &at) in fixed.iter().zip(&fixed_offsets) {
        let from = segment.file_offset as usize;
        let bytes = segment.file_bytes as usize;
        hot[at..at + bytes].copy_from_slice(&base[from..from + bytes]);
    }
    // What is fixed in front: file header, notes, tables of the start; then program headers over the old ones.
    let front = link.atoms.iter().take_while(|atom| !atom.kind.moves());
    let front_bytes = front.map(|atom| atom.end() - first).max().unwrap_or(0) as usize;
    let front = base.get(..front_bytes);
    hot[..front_bytes].copy_from_slice(front.ok_or(EvictError::Form("cut off"))?);
    let headers = headers(
        base,
        link,
        layout,
        &[
            (layout.hot_constants, 0, PF_R),
            (layout.hot_code, code_offset, PF_R | PF_X),
        ],
        (layout.cold, cold_offset, PF_R | PF_X | cold::PF_COLD),
        &fixed_offsets,
    )?;
    let old = HEADER_BYTES + get(base, 56, 2) as usize * PROGRAM_HEADER_BYTES;
    let end = HEADER_BYTES + headers.len();
    if end > old {
        return Err(EvictError::Form("no room for the program headers"));
    }
    hot[HEADER_BYTES..old].fill(0);
    hot[HEADER_BYTES..end].copy_from_slice(&headers);
    put(
        &mut hot,
        56,
        (headers.len() / PROGRAM_HEADER_BYTES) as u64,
        2,
    );
    let entry = get(base, 24, 8);
    let shift = link.atom_at(entry).map_or(0, |atom| layout.moved[atom]);
    put(&mut hot, 24, entry.wrapping_add_signed(shift), 8);
    Ok((
        New {
            segments,
            hot,
            cold,
        },
        data,
    ))
}

/// Program headers: those of the base, segments replaced, the one that describes the headers left out.
fn headers(
    base: &[u8],
    link: &LinkData,
    layout: &Layout,
    hot: &[(Extent, usize, u32)],
    cold: (Extent, usize, u32),
    fixed_offsets: &[usize],
) -> Result<Vec<u8>, EvictError> {
    let load = |(extent, offset, flags): (Extent, usize, u32)| -> Vec<u8> {
        let mut header = vec![0; PROGRAM_HEADER_BYTES];
        let bytes = extent.bytes() as u64;
        put(&mut header, 0, PT_LOAD.into(), 4);
        put(&mut header, 4, flags.into(), 4);
        put(&mut header, 8, offset as u64, 8);
        put(&mut header, 16, extent.address, 8);
        put(&mut header, 24, extent.address, 8);
        put(&mut header, 32, bytes, 8);
        put(&mut header, 40, bytes, 8);
        put(&mut header, 48, PAGE, 8);
        header
    };
    let (table, count) = (get(base, 32, 8) as usize, get(base, 56, 2) as usize);
    if table != HEADER_BYTES {
        return Err(EvictError::Form(
            "program headers not behind the file header",
        ));
    }
    let mut loads: Vec<Vec<u8>> = hot.iter().copied().map(load).collect();
    let mut others = Vec::new();
    // Segments of variables, and what lies in them: (address, old offset, bytes, new offset).
    let mut fixed = Vec::new();
    let old = |index: usize| {
        let at = table + index * PROGRAM_HEADER_BYTES;
        base[at..at + PROGRAM_HEADER_BYTES].to_vec()
    };
    for mut header in (0..count).map(old) {
        let flags = get(&header, 4, 4) as u32;
        if get(&header, 0, 4) as u32 == PT_LOAD && flags & 2 != 0 {
            let offset = fixed_offsets[fixed.len()];
            let address = get(&header, 16, 8);
            fixed.push((address, get(&header, 40, 8), offset as u64));
            put(&mut header, 8, offset as u64, 8);
            put(&mut header, 48, PAGE, 8);
            loads.push(header);
        }
    }
    if cold.0.bytes() > 0 {
        loads.push(load(cold));
    }
    for mut header in (0..count).map(old) {
        let kind = get(&header, 0, 4) as u32;
        let address = get(&header, 16, 8);
        if matches!(kind, PT_LOAD | PT_PHDR) {
            continue;
        }
        if kind == PT_GNU_EH_FRAME {
            let Some(atom) = link.atom_at(address) else {
                continue;
            };
            let new = layout.address(&link.atoms, atom);
            put(&mut header, 8, cold.1 as u64 + (new - cold.0.address), 8);
            put(&mut header, 16, new, 8);
            put(&mut header, 24, new, 8);
        } else if let Some(segment) = fixed
            .iter()
            .find(|(start, bytes, _)| (*start..start + bytes.max(&1)).contains(&address))
        {
            put(&mut header, 8, segment.2 + (address - segment.0), 8);
        }
        others.push(header);
    }
    Ok(loads.into_iter().chain(others).flatten().collect())
}

/// Link data of the new image.
fn moved_link(link: &LinkData, layout: &Layout) -> Result<Vec<u8>, EvictError> {
    let moves = Moves::new(link, layout.moved.clone())?;
    let functions = moves.functions.encode();
    let mut list = Vec::new();
    let mut last = 0;
    for &moved in &layout.moved {
        let difference = moved - last;
        relink::put_number(&mut list, (difference << 1 ^ difference >> 63) as u64);
        last = moved;
    }
    let sections = [section(link::FUNCTIONS, &functions), section(MOVES, &list)];
    link::encode(&link.build_id, &sections).map_err(|error| LinkDataError::from(error).into())
}

/// Where an evicted image has the atoms and functions of its base.
#[derive(Debug, Clone)]
pub struct Moves {
    /// Functions of the evicted image, by address there.
    pub functions: Functions,
    base_functions: Vec<u32>,
    by_address: Vec<(u64, u64, u32)>, // start, end, atom
}

impl Moves {
    fn new(link: &LinkData, moved: Vec<i64>) -> Result<Self, LinkDataError> {
        let mut table = Vec::new();
        let mut numbers = Vec::new();
        for index in 0..link.functions.len() {
            if let Some((address, bytes)) = link.functions.get(index) {
                let shift = link.atom_at(address).map_or(0, |atom| moved[atom]);
                table.push((address.wrapping_add_signed(shift), bytes));
                numbers.push((address.wrapping_add_signed(shift), index as u32));
            }
        }
        numbers.sort_unstable();
        let mut by_address: Vec<(u64, u64, u32)> = Vec::new();
        for (index, atom) in link
            .atoms
            .iter()
            .enumerate()
            .filter(|(_, a)| a.kind.moves())
        {
            let start = atom.address.wrapping_add_signed(moved[index]);
            by_address.push((start, start + u64::from(atom.bytes), index as u32));
        }
        by_address.sort_unstable();
        Ok(Self {
            functions: Functions::new(table)?,
            base_functions: numbers.into_iter().map(|(_, index)| index).collect(),
            by_address,
        })
    }

    /// Reads the link data of an evicted image; `link` is its base's.
    ///
    /// # Errors
    /// [`LinkDataError`]: refused, or not made from this base.
    pub fn open(file: &[u8], link: &LinkData) -> Result<Self, LinkDataError> {
        let index = link::Index::parse(file, file.len() as u64)?;
        let section = index.section(MOVES)?;
        let range = section.offset as usize..(section.offset + section.stored_bytes) as usize;
        let list = section.open(file[range].to_vec(), unpack)?;
        let mut rest = list.as_slice();
        let mut moved = Vec::with_capacity(link.atoms.len());
        let mut last = 0i64;
        for number in 0..link.atoms.len() {
            let next = relink::take_number(&mut rest)
                .map(|zigzag| (zigzag >> 1) as i64 ^ -((zigzag & 1) as i64))
                .and_then(|difference| last.checked_add(difference))
                .filter(|moved| moved.unsigned_abs() < 1 << 31);
            last = next.ok_or(relink::ItemError {
                section: MOVES,
                index: number,
            })?;
            moved.push(last);
        }
        Self::new(link, moved)
    }

    /// Number in the base image of function `index` of the evicted one.
    pub fn base_function(&self, index: usize) -> usize {
        self.base_functions
            .get(index)
            .map_or(usize::MAX, |&function| function as usize)
    }

    /// Atoms (numbers of the base image) that lie in `start..end` of the evicted image, at least in part.
    pub fn atoms_in(&self, start: u64, end: u64) -> impl Iterator<Item = usize> {
        let from = self.by_address.partition_point(|atom| atom.1 <= start);
        self.by_address[from..]
            .iter()
            .take_while(move |atom| atom.0 < end)
            .map(|atom| atom.2 as usize)
    }
}

/// The cold file of an evicted image (`formats::cold`), blocks packed with LZ4.
///
/// # Errors
/// [`EvictError::Cold`]
pub fn cold_file(evicted: &Evicted, build_id: &[u8; 20]) -> Result<Vec<u8>, EvictError> {
    cold::encode(&evicted.cold, build_id, cold::BLOCK_BYTES, |block| {
        Some(lz4_flex::compress(block))
    })
    .map_err(EvictError::Cold)
}
