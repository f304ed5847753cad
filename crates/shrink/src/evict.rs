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
#[derive(Debug, Clone)]
pub struct Options {
    /// Most bytes of code and constants that are hot. What ran in later boots goes first; of what ran in the same boot,
    /// small functions go before large ones, since more of them fit. [`MAX_RESIDENT`] unless said otherwise.
    pub max_resident: usize,
    /// Atoms in the order in which they are laid out; the base's order if it is empty.
    pub order: Vec<u32>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            max_resident: MAX_RESIDENT,
            order: Vec::new(),
        }
    }
}

/// What an evicted runtime may keep in memory: the promise of SPECIFICATION.md, with room for the tables in front.
pub const MAX_RESIDENT: usize = 10_000_000 - 64 * 1024;

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
    let parts = parts(link, coverage, options.max_resident);
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

/// What is hot: code that ran, and constants reachable from it without passing through other code; the latest first,
/// as long as there is room.
pub fn parts(link: &LinkData, coverage: &Coverage, max_resident: usize) -> Vec<Part> {
    let atoms = &link.atoms;
    let references = References::new(link);
    // When each piece of code ran last.
    let mut last = vec![0u16; atoms.len()];
    for (index, last) in last.iter_mut().enumerate() {
        *last = match atoms[index].kind {
            Kind::Glue => u16::MAX,
            _ => coverage.last_wanted(index),
        };
    }
    for function in 0..link.functions.len() {
        if let Some((address, _)) = link.functions.get(function)
            && let Some(atom) = link.atom_at(address)
        {
            last[atom] = last[atom].max(coverage.last_run(function));
        }
    }
    let mut wanted: Vec<usize> = (0..atoms.len()).filter(|&atom| last[atom] > 0).collect();
    wanted.sort_by_key(|&atom| (std::cmp::Reverse(last[atom]), atoms[atom].bytes, atom));
    let mut state = vec![0u8; atoms.len()]; // 0 not looked at, 1 hot, 2 warm
    let mut resident = 0usize;
    let mut reached = Vec::new();
    for &atom in &wanted {
        references.reach(atom, &state, &mut reached);
        // Padding before each counts as half of its alignment.
        let needed: usize = reached
            .iter()
            .map(|&index| &atoms[index])
            .filter(|atom| atom.kind.moves())
            .map(|atom| atom.bytes as usize + (1 << atom.align_log2) / 2)
            .sum();
        let fits = resident.saturating_add(needed) <= max_resident || last[atom] == u16::MAX;
        if fits {
            resident += needed;
        }
        for &index in &reached {
            // What did not fit with one may fit with another.
            if fits || state[index] == 0 {
                state[index] = if fits { 1 } else { 2 };
            }
        }
    }
    atoms
        .iter()
        .zip(state)
        .map(|(atom, state)| match (atom.kind, state) {
            (kind, _) if !kind.moves() => Part::Fixed,
            (Kind::Text | Kind::Glue, 1) => Part::HotCode,
            (Kind::Text | Kind::Glue, 2) => Part::WarmCode,
            (Kind::Text | Kind::Glue, _) => Part::ColdCode,
            (_, 1) => Part::HotConstants,
            (_, 2) => Part::WarmConstants,
            _ => Part::ColdConstants,
        })
        .collect()
}

/// What each atom refers to, as far as constants and tables are concerned.
struct References {
    starts: Vec<u32>, // by atom, into targets
    targets: Vec<u32>,
}

impl References {
    fn new(link: &LinkData) -> Self {
        let atoms = &link.atoms;
        let mut starts = vec![0u32];
        let mut targets: Vec<u32> = Vec::new();
        for relocation in link.relocations() {
            let followed = matches!(
                atoms[relocation.target as usize].kind,
                Kind::Rodata | Kind::Merged | Kind::Relro | Kind::Data
            );
            // Relocations ascend by site, so those of an atom lie together.
            while starts.len() <= atoms.len() && atoms[starts.len() - 1].end() <= relocation.site {
                starts.push(targets.len() as u32);
            }
            if followed {
                targets.push(relocation.target);
            }
        }
        starts.resize(atoms.len() + 1, targets.len() as u32);
        Self { starts, targets }
    }

    /// The atom and all constants and tables that it leads to, those left out that are hot already.
    fn reach(&self, from: usize, state: &[u8], out: &mut Vec<usize>) {
        out.clear();
        let mut seen = std::collections::HashSet::new();
        let mut open = vec![from];
        while let Some(atom) = open.pop() {
            if state[atom] == 1 || !seen.insert(atom) {
                continue;
            }
            out.push(atom);
            let range = self.starts[atom] as usize..self.starts[atom + 1] as usize;
            open.extend(self.targets[range].iter().map(|&target| target as usize));
        }
    }
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

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use formats::relink::{Atom, Field, Relocation};

    const BASE: u64 = 0x1000_0000;
    const ID: [u8; 20] = [9; 20];

    /// A runtime of three functions, a constant and a table, and its link data.
    ///
    /// `f` refers to the constant and calls `g`; the table (variables) holds the addresses of `g` and of the constant.
    pub fn tiny() -> (Vec<u8>, LinkData) {
        let mut elf = vec![0u8; 0x3020];
        elf[..4].copy_from_slice(b"\x7fELF");
        (elf[4], elf[5], elf[6]) = (2, 1, 1);
        put(&mut elf, 16, 2, 2);
        put(&mut elf, 18, 62, 2);
        put(&mut elf, 24, BASE + 0x1000, 8);
        put(&mut elf, 32, 64, 8);
        put(&mut elf, 54, 56, 2);
        put(&mut elf, 56, 5, 2);
        let loads = [
            (PT_PHDR.into(), PF_R, 64, BASE + 64, 280),
            (1, PF_R, 0, BASE, 0x400),
            (1, PF_R | PF_X, 0x1000, BASE + 0x1000, 0x100),
            (1, PF_R | 2, 0x3000, BASE + 0x20_0000, 0x20),
            (4, PF_R, 0x200, BASE + 0x200, 0x24),
        ];
        for (index, (kind, flags, offset, address, bytes)) in loads.into_iter().enumerate() {
            let at = 64 + 56 * index;
            put(&mut elf, at, kind, 4);
            put(&mut elf, at + 4, flags.into(), 4);
            put(&mut elf, at + 8, offset, 8);
            put(&mut elf, at + 16, address, 8);
            put(&mut elf, at + 32, bytes, 8);
            put(&mut elf, at + 40, bytes, 8);
        }
        put(&mut elf, 0x200, 4, 4);
        put(&mut elf, 0x204, 20, 4);
        put(&mut elf, 0x208, 3, 4);
        elf[0x20C..0x210].copy_from_slice(b"GNU\0");
        elf[0x210..0x224].copy_from_slice(&ID);
        elf[0x300..0x310].fill(0xAA);
        elf[0x1000..0x1100].fill(0x90);
        let atom = |address, bytes, kind| Atom {
            address: BASE + address,
            bytes,
            kind,
            align_log2: 4,
            source: 0,
        };
        let atoms = vec![
            atom(0, 0x224, Kind::Fixed),
            atom(0x300, 16, Kind::Rodata),
            atom(0x1000, 0x40, Kind::Glue),
            atom(0x1040, 0x40, Kind::Text), // f
            atom(0x1080, 0x80, Kind::Text), // g
            atom(0x20_0000, 0x20, Kind::Relro),
        ];
        let relocation = |site, field, target| Relocation {
            site: BASE + site,
            field,
            target,
        };
        // f: the constant at +4 of it; g at +8 of it. The glue calls f.
        put(&mut elf, 0x1010, (0x1040 - 0x1014) as u64, 4);
        put(&mut elf, 0x1044, (0x304i64 - 0x1048) as u64, 4);
        put(&mut elf, 0x1050, (0x1088 - 0x1054) as u64, 4);
        put(&mut elf, 0x1084, BASE + 0x1040, 4);
        put(&mut elf, 0x3000, BASE + 0x1080, 8);
        put(&mut elf, 0x3008, BASE + 0x308, 8);
        let relocations = vec![
            relocation(0x1010, Field::Relative32, 3),
            relocation(0x1044, Field::Relative32, 1),
            relocation(0x1050, Field::Relative32, 4),
            relocation(0x1084, Field::Absolute32, 3),
            relocation(0x20_0000, Field::Absolute64, 4),
            relocation(0x20_0008, Field::Absolute64, 1),
        ];
        let functions = Functions::new(vec![
            (BASE + 0x1000, 0x40),
            (BASE + 0x1040, 0x40),
            (BASE + 0x1080, 0x80),
        ])
        .unwrap();
        let contents = [
            (link::FUNCTIONS, functions.encode()),
            (relink::ATOMS, relink::encode_atoms(&atoms, 1)),
            (
                relink::RELOCATIONS,
                relink::encode_relocations(&relocations),
            ),
            (
                relink::SOURCES,
                relink::encode_names(&[b"LLVMCore\tValue.cpp".to_vec()]),
            ),
            (
                relink::NAMES,
                relink::encode_names(&[b"_start".to_vec(), b"f".to_vec(), b"g".to_vec()]),
            ),
        ];
        let sections: Vec<_> = contents.iter().map(|(k, c)| section(*k, c)).collect();
        let file = link::encode(&ID, &sections).unwrap();
        (elf, LinkData::open(&file).unwrap())
    }

    /// The image as it would be in memory.
    fn loaded(evicted: &Evicted) -> impl Fn(u64, usize) -> u64 + use<> {
        let file = [evicted.hot.as_slice(), &evicted.cold].concat();
        let elf = Executable::parse(&file, file.len() as u64).unwrap();
        move |address, bytes| {
            let segment = elf
                .segments
                .iter()
                .find(|s| (s.address..s.end()).contains(&address))
                .unwrap();
            get(
                &file,
                (segment.file_offset + address - segment.address) as usize,
                bytes,
            )
        }
    }

    fn check(coverage: &Coverage, options: &Options) -> Evicted {
        let (base, link) = tiny();
        let evicted = evict_linked(&base, &link, coverage, options).unwrap();
        let moves = Moves::open(&evicted.link, &link).unwrap();
        let at = |base: usize| {
            let index = (0..3).find(|&i| moves.base_function(i) == base).unwrap();
            moves.functions.get(index).unwrap().0
        };
        let (start, f, g) = (at(0), at(1), at(2));
        let memory = loaded(&evicted);
        let distance = |address: u64| {
            let field = memory(address, 4) as u32 as i32;
            (address + 4).wrapping_add_signed(field.into())
        };
        assert_eq!(get(&evicted.hot, 24, 8), start);
        assert_eq!(distance(start + 0x10), f);
        assert_eq!(distance(f + 0x10), g + 8);
        assert_eq!(memory(g + 4, 4), f);
        assert_eq!(memory(BASE + 0x20_0000, 8), g);
        let constant = distance(f + 4);
        assert_eq!(memory(constant, 4), 0xAAAA_AAAA);
        assert_eq!(memory(BASE + 0x20_0008, 8), constant + 4);
        assert_eq!(relink::build_id(&evicted.hot), Some(ID));
        evicted
    }

    #[test]
    fn every_reference_follows_whatever_is_hot_and_in_any_order() {
        let (_, link) = tiny();
        for bits in 0..8u32 {
            for order in [vec![], vec![5, 4, 3, 2, 1, 0], vec![0, 3, 1, 4, 2, 5]] {
                let mut coverage = Coverage::new(&link);
                for function in (0..3).filter(|f| bits >> f & 1 == 1) {
                    coverage.note_function(function);
                }
                check(
                    &coverage,
                    &Options {
                        order,
                        ..Options::default()
                    },
                );
            }
        }
    }

    #[test]
    fn constants_stay_with_the_code_that_needs_them() {
        let (_, link) = tiny();
        let part = |functions: &[usize]| {
            let mut coverage = Coverage::new(&link);
            functions.iter().for_each(|&f| coverage.note_function(f));
            parts(&link, &coverage, usize::MAX)[1]
        };
        assert_eq!(part(&[]), Part::ColdConstants);
        assert_eq!(part(&[2]), Part::ColdConstants);
        assert_eq!(part(&[1]), Part::HotConstants);
    }

    #[test]
    fn what_ran_lately_stays_when_there_is_no_room_for_all() {
        let (_, link) = tiny();
        let mut coverage = Coverage::new(&link);
        coverage.begin_boot();
        coverage.note_function(1);
        coverage.begin_boot();
        coverage.note_function(2);
        let found = parts(&link, &coverage, 0x40 + 0x80 + 16);
        assert_eq!(found[3..5], [Part::WarmCode, Part::HotCode]);
        assert_eq!(found[1], Part::WarmConstants);
    }

    #[test]
    fn other_builds_and_damaged_images_are_refused() {
        let (mut base, link) = tiny();
        let coverage = Coverage::new(&link);
        let options = Options::default();
        base[0x210] ^= 1;
        let error = evict_linked(&base, &link, &coverage, &options).unwrap_err();
        assert!(matches!(error, EvictError::Build { .. }), "{error}");
        let (base, _) = tiny();
        for end in 0..base.len() {
            assert!(evict_linked(&base[..end], &link, &coverage, &options).is_err());
        }
    }

    #[test]
    fn stray_relocations_are_refused() {
        let (base, link) = tiny();
        let mut broken = link.clone();
        broken.atoms[3].bytes = 4; // the relocation at +4 of f lies in no atom now
        let error = evict_linked(&base, &broken, &Coverage::new(&link), &Options::default());
        let relink = error.unwrap_err();
        assert!(
            matches!(relink, EvictError::Relink(RelinkError::Stray { .. })),
            "{relink}"
        );
    }
}
